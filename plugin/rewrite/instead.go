package rewrite

import (
	"slices"
	"strconv"
)

// A redirect or respond on the response takes the place of the upstream's answer.

// recall says where a redirect on the response finds, among the values that the
// stream keeps, what it needs of the request. -1 is what it does not need.
type recall struct {
	path, query, host, scheme int
	refs                      int // so many values are the redirect's, the first ones
}

// remember gives the references of a pattern's answer on the response.
//
//go:noinline
func (c *compiler) remember(p *pattern) []ref {
	r := p.redirect
	if r == nil {
		return p.refs
	}

	add := func(wanted bool, kind refKind) int {
		if !wanted {
			return -1
		}

		p.refs = append(p.refs, ref{kind: kind})
		return len(p.refs) - 1
	}
	// A long path that goes nowhere must not be lost.
	whole := p.newPath != nil && p.newPath.how == replaceWhole && (p.match.path == nil || p.match.path.op != opRegex)
	r.recall.path = add(!whole, refPath)
	r.recall.query = add(!p.newQuery.drop, refQuery)
	r.recall.host = add(r.host == nil, refHost)
	r.recall.scheme = add(r.scheme == "", refScheme)
	r.recall.refs = len(p.refs)

	return p.refs
}

// answerInstead puts a pattern's answer in the place of the response. It is false
// where that may not leave the filter.
//
//go:noinline
func (s *Scratch) answerInstead(i int, p *pattern, vals []val) bool {
	unsafe := ""
	if p.redirect != nil {
		unsafe = s.redirectInstead(p, vals)
	}
	if s.over() {
		unsafe = effectOver.reason()
	}
	if unsafe == "" {
		s.answerWith(i, p, vals)
		s.startOver(i)
		return true
	}

	// As on the request: refused, or undone.
	s.refused(i, unsafe)
	if s.out.Answer != nil {
		s.startOver(i)
	}

	return false
}

// redirectInstead makes the Location from what the request was.
func (s *Scratch) redirectInstead(p *pattern, vals []val) (unsafe string) {
	at := &p.redirect.recall
	for i := range vals[:at.refs] {
		if vals[i].lost {
			return effectLost.reason()
		}
	}

	text := func(i int) string {
		if i < 0 {
			return ""
		}
		return vals[i].text
	}
	s.target = target{path: text(at.path), query: text(at.query)}
	s.hasQuery = at.query >= 0 && vals[at.query].ok
	s.received = s.target
	s.host, s.hostWas, s.hasHost, s.hasBareHost = text(at.host), text(at.host), true, false
	s.schemeWas = text(at.scheme)
	if p.match.path != nil && at.path >= 0 {
		s.loc, _ = s.pathHolds(p.match.path, s.locBuf)
	}
	if s.over() {
		return effectOver.reason()
	}

	_, _, unsafe = s.produce(p, vals)

	return unsafe
}

// startOver makes the answer the response that the operations edit, and runs
// those of the patterns before it again: they are for every response.
func (s *Scratch) startOver(before int) {
	a, l := s.out.Answer, &s.list
	l.items, l.touched, l.blind = append(l.items[:0], field{":status", strconv.Itoa(a.Status)}), l.touched[:0], false
	s.loaded, s.arrived = true, nil

	typed := a.Body == ""
	for _, h := range a.Headers {
		l.items = append(l.items, field{h.Name, h.Value})
		typed = typed || h.Name == "content-type"
	}
	if !typed {
		// The proxy would write it after the operations.
		l.items = append(l.items, field{"content-type", "text/plain"})
	}

	counted, w := len(s.out.Counts), s.waiting()
	for k, ok := w.next(s); ok && k.pattern != TopLevel && k.pattern < before; k, ok = w.next(s) {
		_, acted := slices.BinarySearch(s.out.Acted, k.pattern)
		if k.flags&keptAwaits == 0 || acted {
			p := &s.rules.patterns[k.pattern]
			s.editResponse(k.pattern, p.response.ops, s.readKept(p.response.refs, k))
		}
	}

	s.out.Counts = s.out.Counts[:counted]
}

// finishAnswer gives the answer the headers that the operations left.
func (s *Scratch) finishAnswer() {
	s.answers = s.answers[:0]
	for _, f := range s.list.items {
		if f.name == "location" || f.name != ":status" && !s.spent() {
			s.answers = append(s.answers, Header{f.name, f.value})
		}
	}

	s.answer.Headers = s.answers
}
