package rewrite

import "strings"

// queryEdit is rewrite.query, or redirect.query.
type queryEdit struct {
	drop bool
	ops  []operation
}

// nextParam cuts the first parameter off a query; all three stay encoded.
func nextParam(query string) (name, value, rest string) {
	pair, rest, _ := strings.Cut(query, "&")
	name, value, _ = strings.Cut(pair, "=")
	return name, value, rest
}

// decode decodes a name or value of a query.
func (s *Stream) decode(v string) string {
	if strings.IndexByte(v, '%') < 0 && strings.IndexByte(v, '+') < 0 {
		return v
	}
	start := len(s.arena)
	s.arena = appendDecoded(s.arena, v, true)
	return s.since(start)
}

// param gives the first value of a query parameter, decoded.
func (s *Stream) param(name string) (string, bool) {
	for rest := s.query; rest != ""; {
		var n, v string
		n, v, rest = nextParam(rest)
		if s.decode(n) == name {
			return s.decode(v), true
		}
	}
	return "", false
}

// editQuery applies operations to the query of t.
//
//go:noinline
func (s *Stream) editQuery(t target, ops []operation, vals []val) (now target, tooLong bool) {
	l := &s.params
	*l = fieldList{items: l.items[:0], isQuery: true}
	if t.query != "" {
		for rest, more := t.query, true; more; {
			var pair string
			pair, rest, more = strings.Cut(rest, "&")
			name, value, _ := strings.Cut(pair, "=")
			l.items = append(l.items, field{s.decode(name), s.decode(value), pair})
		}
	}
	for i := range ops {
		if !s.apply(l, &ops[i], vals) {
			return t, true
		}
	}
	if !l.changed {
		return t, false
	}
	start := len(s.arena)
	for i, f := range l.items {
		if i > 0 {
			s.arena = append(s.arena, '&')
		}
		s.arena = append(s.arena, f.raw...)
	}
	t.query = s.since(start)
	t.hasQuery = len(l.items) > 0
	return t, false
}
