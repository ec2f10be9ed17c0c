package rewrite

import "strings"

// sampledIn reports whether a request falls into a pattern's share. value is
// what the share is drawn by; there is a value.
func (s *sample) sampledIn(pattern, value string) bool {
	h := fnv(fnv(fnvOffset, pattern)*fnvPrime, value)
	return h%1_000_000 < s.threshold
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// fnv continues an FNV-1a hash of 64 bits. A NUL byte changes nothing but by
// the multiplication, so that h*fnvPrime continues it with a NUL.
func fnv(h uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

// inSample decides a pattern's sample for the request at hand.
func (s *Scratch) inSample(p *pattern) bool {
	sm := p.sample
	var value string

	var found bool
	switch {
	case sm.header != "":
		value, found = s.get(sm.header)
	case sm.cookie != "":
		value, found = s.cookie(sm.cookie)
	case s.stream.Random == nil:
		return true
	default:
		return uint64(s.stream.Random())%1_000_000 < sm.threshold
	}

	return found && s.spend(len(value)>>2) && sm.sampledIn(p.name, value)
}

// perCookie is what a look at one cookie takes of the budget.
const perCookie = 4

// cookie gives the first cookie of a name (RFC 6265, 4.2).
func (s *Scratch) cookie(name string) (string, bool) {
	s.load()

	for i := range s.list.items {
		if s.list.items[i].name != "cookie" {
			continue
		}
		s.spend(len(s.list.items[i].value) >> 2)

		for rest := s.list.items[i].value; rest != "" && s.spend(perCookie); {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			if n, v, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok && n == name {
				return v, true
			}
		}
	}

	return "", false
}
