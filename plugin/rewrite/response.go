package rewrite

import (
	"slices"
	"strconv"
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
	s.diff()
}

// walk runs the patterns that wait for the response, in configuration order: the
// kept ones are two ordered lists one after the other, first of the patterns on
// the response, then of those that acted on the request. It gives what the top
// level keeps.
func (s *Scratch) walk() (top kept) {
	var awaits, acted kept
	a, b := 0, 0
	isAwait, isActed := s.nextAwait(&awaits, &a), false
	for at := 0; ; {
		k, next, ok := s.nextKept(at)
		if !ok || k.flags&keptAwaits == 0 {
			b = at
			break
		}
		at = next
	}
	isActed = s.nextActed(&acted, &b)
	stopped := false
	for (isAwait || isActed) && !s.failed {
		if isActed && acted.pattern == TopLevel {
			top, isActed = acted, false
			continue
		}
		if isAwait && (!isActed || awaits.pattern < acted.pattern) {
			p := &s.rules.patterns[awaits.pattern]
			if !stopped && s.onResponse(awaits, p) {
				stopped = !p.next
				s.editResponse(awaits.pattern, p.response.ops, s.readKept(p.response.refs, awaits))
			}
			isAwait = s.nextAwait(&awaits, &a)
			continue
		}
		p := &s.rules.patterns[acted.pattern]
		s.editResponse(acted.pattern, p.response.ops, s.readKept(p.response.refs, acted))
		isActed = s.nextActed(&acted, &b)
	}
	return top
}

// nextAwait reads the next pattern on the response that waits.
func (s *Scratch) nextAwait(k *kept, at *int) (ok bool) {
	*k, *at, ok = s.nextKept(*at)
	return ok && k.flags&keptAwaits != 0
}

// nextActed reads the next pattern that acted on the request, or the top level.
func (s *Scratch) nextActed(k *kept, at *int) (ok bool) {
	*k, *at, ok = s.nextKept(*at)
	return ok
}

// onResponse tests a pattern on the response.
//
//go:noinline
func (s *Scratch) onResponse(k kept, p *pattern) bool {
	if s.captures = s.captures[:0]; p.captures > 0 {
		s.captures = append(s.captures, make([]val, p.captures)...)
	}
	if !s.responseMatches(p) || s.over() {
		s.trace(Step{Pattern: k.pattern, Response: true, Verdict: NotMatched, Condition: s.because})
		return false
	}
	switch {
	case k.flags&keptSampled == 0:
		s.count(k.pattern, SampledOut)
		s.trace(Step{Pattern: k.pattern, Response: true, Verdict: NotSampled})
		return false
	case p.mode == shadow:
		s.count(k.pattern, Shadowed)
		s.trace(Step{Pattern: k.pattern, Response: true, Verdict: InShadow})
		return false
	}
	s.count(k.pattern, Matched)
	s.trace(Step{Pattern: k.pattern, Response: true, Verdict: Acted})
	s.out.Acted = append(s.out.Acted, k.pattern)
	return true
}

func (s *Scratch) responseMatches(p *pattern) bool {
	if s.spend(1 + len(p.status)>>2); p.status != nil {
		text, _ := s.get(":status")
		status, _ := strconv.Atoi(text)
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
		if e := s.apply(&s.list, &ops[i], vals); e.unsafe() {
			s.count(pattern, Unsafe)
			s.forbid(&s.list, &ops[i])
		}
	}
}
