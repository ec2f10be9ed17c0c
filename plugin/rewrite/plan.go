package rewrite

import (
	"math"
	"slices"
)

// plan finds what can be left out on every request.
//
//go:noinline
func (r *Rules) plan() {
	r.idleRequest = len(r.request.ops) == 0 && r.originalPathHeader == "" && r.patternHeader == ""
	r.blindRequest = canBeBlind(r.request.ops)
	r.blindResponse = canBeBlind(r.response.ops)
	r.wantsAll = !r.blindRequest
	r.seeRefs(r.request.refs)
	r.seeRefs(r.response.refs)
	r.entries = entrySize(r.response.refs)

	for _, ref := range r.response.refs {
		r.idleRequest = r.idleRequest && ref.late()
	}

	r.bareRequest = r.idleRequest
	for i := range r.patterns {
		p := &r.patterns[i]
		if p.mode == disabled {
			continue
		}

		r.idleRequest = false
		r.blindRequest = r.blindRequest && p.match.headers == nil && canBeBlind(p.request.ops) &&
			(p.sample == nil || p.sample.header == "" && p.sample.cookie == "")
		r.blindResponse = r.blindResponse && p.responseHeaders == nil && canBeBlind(p.response.ops)
		r.seeRefs(p.refs)
		r.seeRefs(p.request.refs)
		r.seeRefs(p.response.refs)
		if p.onResponse || len(p.response.ops) > 0 {
			r.entries += entrySize(p.response.refs)
		}

		m := &p.match
		for i := range p.unless {
			r.blindRequest = r.blindRequest && p.unless[i].headers == nil
		}

		needsAll := m.host != nil || m.scheme != "" || m.methods != nil || m.headers != nil ||
			p.newHost != nil || p.redirect != nil || !canBeBlind(p.request.ops)
		r.wantsAll = r.wantsAll || m.path == nil && needsAll
		r.onResponse = r.onResponse || p.onResponse
	}

	r.index = newIndex(r.patterns)
	if r.blindRequest && r.originalPathHeader == "" && r.patternHeader == "" {
		r.request.edits = r.constant(&r.request)
	}
	if r.blindResponse {
		r.response.edits = r.constant(&r.response)
	}
	if r.response.edits != nil || len(r.response.ops) == 0 {
		r.fixedResponse = &Outcome{Edits: slices.Clip(r.response.edits)}
	}
}

// entrySize is what keep writes for a pattern at most, without texts: two bytes for
// its number, one for its flags, and for the length of each text no more than three.
func entrySize(refs []ref) int { return 3 + 3*len(refs) }

// constant gives the edits that a block comes to on its own where no message
// matters to it, or nil.
func (r *Rules) constant(b *block) []Edit {
	if len(b.refs) > 0 {
		return nil
	}

	s := NewScratch(nil)
	s.begin(r.NewStream(), nil)

	s.list.blind, s.steps = true, math.MaxInt32
	for i := range b.ops {
		if e := s.apply(&s.list, &b.ops[i], nil); e.unsafe() {
			return nil
		}
	}
	s.diff()
	if s.over() {
		return nil
	}

	return s.out.Edits
}

// seeRefs notes which headers references read.
func (r *Rules) seeRefs(refs []ref) {
	for i := range refs {
		r.blindRequest = r.blindRequest && refs[i].kind != refHeader
		r.blindResponse = r.blindResponse && refs[i].kind != refResponseHeader
	}
}
