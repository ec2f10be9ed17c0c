package rewrite

import (
	"slices"
	"strings"
)

// compares is what it takes to compare so many bytes.
func compares(fold bool, n int) int {
	if fold {
		return 1 + n>>2
	}
	return 1 + n>>4
}

// pathHolds reports whether the path fits. loc is where a regex found its leftmost match.
func (s *Scratch) pathHolds(m *pathMatcher, buf []int) (loc []int, ok bool) {
	path := s.path
	if !strings.HasPrefix(path, "/") || !s.spend(compares(m.fold, min(len(m.text), len(path)))) {
		return nil, false
	}

	switch m.op {
	case opExact:
		return nil, path == m.text || m.fold && equalFold(path, m.text)
	case opPrefix:
		n := len(m.text)
		if len(path) < n || len(path) > n && path[n] != '/' {
			return nil, false
		}
		return nil, path[:n] == m.text || m.fold && equalFold(path[:n], m.text)
	case opSuffix:
		n := len(path) - len(m.text)
		return nil, n > 0 && (path[n:] == m.text || m.fold && equalFold(path[n:], m.text))
	}

	loc = m.find.find(&s.searcher, path, buf)

	return loc, loc != nil
}

// holds reports whether a text fits, and keeps the named groups in captures.
func (s *Scratch) holds(m *matcher, text string) bool {
	n := len(m.text)
	if !s.spend(compares(m.fold, min(n, len(text)))) {
		return false
	}

	switch m.op {
	case opPresent:
		return true
	case opExact:
		return text == m.text || m.fold && equalFold(text, m.text)
	case opPrefix:
		return len(text) >= n && (text[:n] == m.text || m.fold && equalFold(text[:n], m.text))
	case opSuffix:
		return len(text) >= n && (text[len(text)-n:] == m.text || m.fold && equalFold(text[len(text)-n:], m.text))
	case opContains:
		return s.contains(text, m.text, m.fold)
	}
	if len(m.captures) == 0 {
		return m.find.match(&s.searcher, text)
	}

	loc := m.find.find(&s.searcher, text, s.ownBuf)
	if loc == nil {
		return false
	}

	for _, c := range m.captures {
		group, ok := found{text, loc}.group(c.group)
		s.captures[c.slot] = val{text: group, ok: ok}
	}

	return true
}

// contains reports whether a text holds another.
func (s *Scratch) contains(text, what string, fold bool) bool {
	if !fold {
		return s.spend(len(text)>>3) && strings.Contains(text, what)
	}

	for i := 0; i+len(what) <= len(text); i++ {
		n := 0
		for n < len(what) && lower(text[i+n]) == lower(what[n]) {
			n++
		}
		if n == len(what) {
			return true
		}
		if !s.spend(1 + n>>2) {
			return false
		}
	}

	return false
}

// noCaptures makes room for a pattern's named groups, which have no value yet.
func (s *Scratch) noCaptures(p *pattern) {
	s.captures = s.captures[:0]
	for range p.captures {
		s.captures = append(s.captures, val{})
	}
}

// matches reports whether a pattern's conditions on the request hold. It keeps
// the groups that were found, or in because the condition that failed.
func (s *Scratch) matches(p *pattern) bool {
	s.loc = nil
	s.spend(1)
	if p.needRoot && !strings.HasPrefix(s.path, "/") {
		return s.miss(OnPath, 0)
	}
	s.noCaptures(p)
	if !s.meets(&p.match, s.locBuf) {
		return false
	}

	loc := s.loc
	for i := range p.unless {
		if s.meets(&p.unless[i], s.ownBuf) {
			return s.miss(OnUnless, i)
		}
	}

	s.loc = loc

	return !s.over()
}

// meets reports whether all conditions of a list hold. A match of the path regex is
// put into buf.
func (s *Scratch) meets(c *conditions, buf []int) (ok bool) {
	if c.path != nil {
		if s.loc, ok = s.pathHolds(c.path, buf); !ok {
			return s.miss(OnPath, 0)
		}
	}
	if c.host != nil && !s.holds(c.host, s.hostname()) {
		return s.miss(OnHost, 0)
	}
	if c.scheme != "" {
		if scheme, _ := s.get(":scheme"); scheme != c.scheme {
			return s.miss(OnScheme, 0)
		}
	}
	if c.methods != nil {
		method, _ := s.get(":method")
		if s.spend(len(c.methods) >> 2); !slices.Contains(c.methods, method) {
			return s.miss(OnMethods, 0)
		}
	}

	for i := range c.headers {
		if !s.headerHolds(&c.headers[i]) {
			return s.miss(OnHeaders, i)
		}
	}

	for i := range c.query {
		if !s.paramHolds(&c.query[i]) {
			return s.miss(OnQuery, i)
		}
	}

	return true
}

// miss notes which condition failed.
func (s *Scratch) miss(kind ConditionKind, index int) bool {
	s.because = Condition{kind, index}
	return false
}

func (s *Scratch) headerHolds(m *valueMatcher) bool {
	s.load()
	s.spend(looks(len(s.list.items), m.name))

	for i := range s.list.items {
		if s.list.items[i].name == m.name && s.holds(&m.matcher, s.list.items[i].value) {
			return m.want
		}
	}
	return !m.want
}

func (s *Scratch) paramHolds(m *valueMatcher) bool {
	s.spend(len(s.query) >> 2)

	for rest := s.query; rest != "" && s.spend(perParam); {
		var name, value string
		name, value, rest = nextParam(rest)
		if !decodesTo(name, m.name) {
			continue
		}
		// What was decoded for the comparison alone is given back, unless a group
		// was taken from it.
		start := len(s.arena)
		if s.holds(&m.matcher, s.decode(value)) {
			return m.want
		}

		s.arena = s.arena[:start]
	}

	return !m.want
}
