package rewrite

import "strconv"

// What the pattern header and, of the response, the proxy's log say of a
// message: the patterns that acted, and what those in shadow would have done.

// note names a pattern.
func (s *Scratch) note(name string) {
	if s.rules.patternHeader == "" {
		return
	}
	if len(s.acted) > 0 {
		s.acted = append(s.acted, ',')
	}

	s.acted = append(s.acted, name...)
}

// names is the value of the pattern header.
func (s *Scratch) names() string {
	if s.rules.patternHeader == "" {
		return ""
	}
	return s.cut(unsafeString(s.acted))
}

// noteShadow names a pattern in shadow, and what it would have done: a path and
// a host that differ from the current ones, or the answer in s.answer.
//
//go:noinline
func (s *Scratch) noteShadow(p *pattern, now target, host, unsafe string) {
	s.note(p.name)
	if s.rules.patternHeader == "" || len(s.acted) > maxValue {
		return
	}

	s.acted = append(s.acted, ";shadow"...)

	switch {
	case unsafe != "":
		s.acted = append(s.acted, ";unsafe"...)
	case p.respond != nil:
		s.remark(";status=", strconv.Itoa(p.respond.status))
	case p.redirect != nil:
		s.remark(";status=", strconv.Itoa(p.redirect.status))
		s.remark(";location=", s.answers[0].Value)
	default:
		if !now.same(&s.target) {
			s.remark(";path=", unsafeString(s.text(now)))
		}
		if p.newHost != nil && host != s.host {
			s.remark(";host=", host)
		}
	}
}

// remark adds what a pattern would have written. What separates names and
// remarks is encoded in it.
func (s *Scratch) remark(what, value string) {
	s.acted = append(s.acted, what...)
	for i := range len(value) {
		switch c := value[i]; c {
		case ',', ';', '%':
			s.acted = append(s.acted, '%', hexDigits[c>>4], hexDigits[c&15])
		default:
			s.acted = append(s.acted, c)
		}
	}
}
