package rewrite

import "strings"

// globMatch reports whether a name fits a pattern in which * is any text.
func (s *Scratch) globMatch(pattern, name string) bool {
	if strings.IndexByte(pattern, '*') < 0 {
		return len(pattern) == len(name) && s.spend(len(name)>>3) && pattern == name
	}

	star, back := -1, 0

	p, n := 0, 0
	for n < len(name) {
		if !s.spend(1) {
			return false
		}

		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			back++
			p, n = star+1, back
		default:
			return false
		}
	}

	return strings.Trim(pattern[p:], "*") == ""
}
