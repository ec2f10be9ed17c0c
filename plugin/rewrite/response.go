package rewrite

import (
	"slices"
)

func (s *Scratch) response() {
	r := s.rules
	top := s.walk()
	if len(r.response.ops) > 0 {
		vals := []val(nil)
		if top.values > 0 || !needsRequest(r.response.refs) {
			vals = s.readKept(r.response.refs, top)
		} else {
			vals = s.readAbsent(r.response.refs)
		}
		s.editResponse(TopLevel, r.response.ops, vals)
	}
	if s.failed {
		s.giveUp()
		return
	}
	if len(s.acted) > 0 {
		s.out.Noted = s.names()
	}
	if s.out.Answer != nil {
		s.finishAnswer()
		return
	}
	s.diff()
}

// walk runs the patterns that wait for the response, in configuration order. It
// gives what the top level keeps.
func (s *Scratch) walk() (top kept) {
	w, stopped := s.waiting(), false
	for k, ok := w.next(s); ok && !s.failed; k, ok = w.next(s) {
		if k.pattern == TopLevel {
			top = k
			continue
		}

		// What acted on the request edits its response, whatever stopped the others.
		p := &s.rules.patterns[k.pattern]
		if k.flags&keptAwaits == 0 {
			s.editResponse(k.pattern, p.response.ops, s.readKept(p.response.refs, k))
			continue
		}

		if stopped || !s.onResponse(k, p) {
			continue
		}

		vals := s.readKept(p.response.refs, k)
		if p.answers() && !s.answerInstead(k.pattern, p, vals) {
			stopped = s.out.Answer != nil
			continue
		}

		stopped = !p.next
		s.trace(Step{Pattern: k.pattern, Response: true, Verdict: Acted})
		s.note(p.name)
		s.out.Acted = append(s.out.Acted, k.pattern)
		s.editResponse(k.pattern, p.response.ops, vals)
	}

	return top
}

// waiting gives what a stream keeps in configuration order: it keeps two ordered
// lists one after the other, first of the patterns on the response, then of those
// that acted on the request and of the top level.
type waiting struct {
	awaits, acted     kept
	isAwait, isActed  bool
	afterAwait, after int // where the next of each begins
}

func (s *Scratch) waiting() (w waiting) {
	for {
		k, next, ok := s.nextKept(w.after)
		if !ok || k.flags&keptAwaits == 0 {
			break
		}

		w.after = next
	}
	w.stepAwait(s)
	w.stepActed(s)

	return w
}

func (w *waiting) stepAwait(s *Scratch) {
	w.awaits, w.afterAwait, w.isAwait = s.nextKept(w.afterAwait)
	w.isAwait = w.isAwait && w.awaits.flags&keptAwaits != 0
}

func (w *waiting) stepActed(s *Scratch) {
	w.acted, w.after, w.isActed = s.nextKept(w.after)
}

// next gives the next entry; the top level's is the last.
func (w *waiting) next(s *Scratch) (k kept, ok bool) {
	if w.isAwait && (!w.isActed || w.acted.pattern == TopLevel || w.awaits.pattern < w.acted.pattern) {
		k = w.awaits
		w.stepAwait(s)
		return k, true
	}

	k, ok = w.acted, w.isActed
	w.stepActed(s)
	return k, ok
}

// onResponse tests a pattern on the response, and reports whether it acts.
//
//go:noinline
func (s *Scratch) onResponse(k kept, p *pattern) bool {
	s.noCaptures(p)
	if holds := !s.over() && s.responseMatches(p); s.over() || !holds {
		if s.over() && k.flags&keptSampled != 0 && p.mode != shadow {
			// Nobody can say whether it acts: nothing stays of what it may have removed.
			s.editResponse(k.pattern, p.response.ops, nil)
		}

		s.trace(Step{Pattern: k.pattern, Response: true, Verdict: NotMatched, Condition: s.because})
		return false
	}

	switch {
	case p.answers() && s.stream.replied:
		s.trace(Step{Pattern: k.pattern, Response: true, Verdict: NotMatched, Condition: Condition{Kind: OnOwnAnswer}})
		return false
	case k.flags&keptSampled == 0:
		s.count(k.pattern, SampledOut)
		s.trace(Step{Pattern: k.pattern, Response: true, Verdict: NotSampled})
		return false
	case p.mode == shadow:
		s.inShadowInstead(k, p)
		return false
	}
	s.count(k.pattern, Matched)

	return true
}

// inShadowInstead says what a pattern on the response would have done.
func (s *Scratch) inShadowInstead(k kept, p *pattern) {
	s.count(k.pattern, Shadowed)

	unsafe := ""
	if p.redirect != nil {
		unsafe = s.redirectInstead(p, s.readKept(p.response.refs, k))
	}
	if unsafe != "" {
		s.count(k.pattern, Unsafe)
	}

	s.noteShadow(p, s.target, s.host, unsafe)
	s.trace(Step{Pattern: k.pattern, Response: true, Verdict: InShadow, Unsafe: unsafe})
}

func (s *Scratch) responseMatches(p *pattern) bool {
	if s.spend(1 + len(p.status)>>2); p.status != nil {
		text, _ := s.get(":status")
		status, _ := digitsOf(text)
		if !slices.ContainsFunc(p.status, func(r StatusRange) bool { return r.From <= status && status <= r.To }) {
			return s.miss(OnStatus, 0)
		}
	}

	for i := range p.responseHeaders {
		if !s.headerHolds(&p.responseHeaders[i]) {
			return s.miss(OnResponseHeaders, i)
		}
	}

	return true
}

// editResponse runs header operations on the response. What may not be written
// there removes its header: nothing can be answered any more.
func (s *Scratch) editResponse(pattern int, ops []operation, vals []val) {
	if !s.list.blind {
		s.load()
	}

	for i := range ops {
		e := s.apply(&s.list, &ops[i], vals)
		s.wrote(pattern, HeadersResponse, &ops[i], e)
		if !e.unsafe() {
			continue
		}
		s.count(pattern, Unsafe)
		// What is not added leaves what the upstream says.
		if ops[i].kind != opAdd {
			s.forbid(&s.list, &ops[i])
		}
	}
}
