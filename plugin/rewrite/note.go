package rewrite

import (
	"strconv"
	"strings"
)

// What the pattern header and, of the response, the proxy's log say of a
// message: the patterns that acted, and what those in shadow would have done.
// The names are the configuration's; what a remark holds may be a client's,
// so that it has a bound of its own and gives way to the names.

const (
	maxRemark = 256   // bytes of a path, host or Location in a remark
	leftOut   = "..." // what had no room is named so: no pattern has such a name, no remark such a key
)

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
	if len(s.acted) > maxValue {
		s.shorten()
	}
	return unsafeString(s.acted)
}

// shorten leaves what may be written of the pattern header: the patterns that
// acted, and of those in shadow as many as have room left by them.
//
//go:noinline
func (s *Scratch) shorten() {
	all, room := unsafeString(s.acted), maxValue-len(leftOut)
	for entry, rest := cutEntry(all); entry != ""; entry, rest = cutEntry(rest) {
		if !inShadow(entry) {
			room -= len(entry) + 1
		}
	}

	kept := s.acted[:0] // written over what was read already
	for entry, rest := cutEntry(all); entry != ""; entry, rest = cutEntry(rest) {
		switch size := len(entry) + 1; {
		case inShadow(entry) && size > room:
			continue
		case inShadow(entry):
			room -= size
		case len(kept)+size > maxValue-len(leftOut):
			// The names alone are too long.
			s.count(TopLevel, Unsafe)

			rest = ""
			continue
		}

		kept = append(kept, entry...)
		kept = append(kept, ',')
	}

	kept = append(kept, leftOut...)
	s.acted = kept
}

// cutEntry cuts the first entry off the pattern header.
func cutEntry(names string) (entry, rest string) {
	entry, rest, _ = strings.Cut(names, ",")
	return entry, rest
}

// inShadow reports whether an entry of the pattern header names a pattern in shadow.
func inShadow(entry string) bool { return strings.Contains(entry, ";") }

// noteShadow names a pattern in shadow, and what it would have done: a path and
// a host that differ from the current ones, or the answer in s.answer.
//
//go:noinline
func (s *Scratch) noteShadow(p *pattern, now target, host, unsafe string) {
	if s.rules.patternHeader == "" || len(s.acted) > maxValue {
		return
	}

	s.note(p.name)
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
// remarks is encoded in it. What is too long is cut, with a remark that says so.
func (s *Scratch) remark(what, value string) {
	s.acted = append(s.acted, what...)

	end := len(s.acted) + maxRemark
	for i := range len(value) {
		at := len(s.acted)
		switch c := value[i]; c {
		case ',', ';', '%':
			s.acted = append(s.acted, '%', hexDigits[c>>4], hexDigits[c&15])
		default:
			s.acted = append(s.acted, c)
		}
		if len(s.acted) > end {
			s.acted = append(append(s.acted[:at], ';'), leftOut...)
			return
		}
	}
}
