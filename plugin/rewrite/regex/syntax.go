package regex

import (
	"strings"
	"unicode/utf8"
)

// What stands behind ( and \, and between brackets.

// parenthesis reads ( and what may follow it.
//
//go:noinline
func (p *parser) parenthesis() {
	s := p.rest()
	if !strings.HasPrefix(s, "(?") {
		p.at++
		p.capture("")
		return
	}

	switch {
	case strings.HasPrefix(s, "(?<=") || strings.HasPrefix(s, "(?<!"):
		p.fail("invalid or unsupported Perl syntax", s[:4])
		p.hint("lookbehind is left out, as in RE2: match what comes before in a group and put it back with $1, or let a pattern before this one take the exception")
	case strings.HasPrefix(s, "(?P<") && len(s) > 4:
		p.named(4)
	case strings.HasPrefix(s, "(?<") && len(s) > 3:
		p.named(3)
	default:
		p.perlFlags()
	}
}

// insteadOf writes a name with a dash, which RE2 has not, as it may be.
func insteadOf(begins, name string) string {
	underscored := []byte(name)
	for i, c := range underscored {
		switch {
		case c == '-' || c == '.':
			underscored[i] = '_'
		case c != '_' && !isAlnum(rune(c)):
			return ""
		}
	}

	if name == "" {
		return ""
	}

	return ": write " + begins + string(underscored) + ">"
}

// named reads a group with a name that begins n bytes on.
//
//go:noinline
func (p *parser) named(n int) {
	s := p.rest()
	end := strings.IndexByte(s, '>')
	if end < 0 {
		p.valid(s)
		p.fail("invalid named capture", s)
		return
	}

	name := s[n:end]
	p.valid(name)

	ok := name != ""
	for i := 0; i < len(name); i++ {
		ok = ok && (name[i] == '_' || isAlnum(rune(name[i])))
	}
	if !ok {
		p.fail("invalid named capture", s[:end+1])
		p.hint("a name is made of letters, digits and _" + insteadOf(s[:n], name))
		return
	}

	p.at += end + 1
	p.capture(name)
}

// valid notes text that is not UTF-8.
func (p *parser) valid(s string) {
	for i := 0; i < len(s); {
		r, width := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && width == 1 {
			p.fail("invalid UTF-8", s[i:])
			return
		}

		i += width
	}
}

func isAlnum(r rune) bool { return '0' <= r && r <= '9' || isLetter(r) && r < 0x80 }

// perlFlags reads (?i), (?i:, (?: and the like.
//
//go:noinline
func (p *parser) perlFlags() {
	begin, now := p.at, p.flags
	p.at += 2

	minus, any := false, false
	for p.at < len(p.expr) {
		r, ok := p.rune()
		if !ok {
			return
		}

		flag := flags(0)
		switch r {
		case 'i':
			flag = flagFold
		case 'm':
			flag = flagLines
		case 's':
			flag = flagDotAll
		case 'U':
			flag = flagReverse
		}

		switch {
		case flag != 0 && minus:
			now, any = now&^flag, true
		case flag != 0:
			now, any = now|flag, true
		case r == '-' && !minus:
			minus, any = true, false
		case r == ':' && (any || !minus):
			p.begin(-1, p.flags)
			p.flags = now
			return
		case r == ')' && (any || !minus):
			p.flags = now
			return
		default:
			p.fail("invalid or unsupported Perl syntax", p.expr[begin:p.at])
			p.perlHint(r)
			return
		}
	}
	p.fail("invalid or unsupported Perl syntax", p.expr[begin:])
}

// perlHint says what to write instead of what begins with (? and a character.
//
//go:noinline
func (p *parser) perlHint(r rune) {
	switch r {
	case '=', '!':
		p.hint("lookahead is left out, as in RE2: match what follows in a group and put it back with $1, or let a pattern before this one take the exception")
	case '>':
		p.hint("an atomic group is left out, as in RE2: write (?:…), a search never goes back more often than its budget allows")
	case '#', 'x':
		p.hint("comments and free spacing are left out, as in RE2: write the regex without them")
	case '\'', 'P':
		p.hint("write (?P<name>…) or (?<name>…)")
	case '|', '(', 'R', '&', '+', '0', '1':
		p.hint("recursion, conditions and branches that share numbers are left out, as in RE2")
	}
}

// backslash reads an escape outside brackets.
//
//go:noinline
func (p *parser) backslash() {
	s := p.rest()
	if len(s) >= 2 {
		assert := -1
		switch s[1] {
		case 'A':
			assert = assertBegin
		case 'b':
			assert = assertWord
		case 'B':
			assert = assertNoWord
		case 'z':
			assert = assertEnd
		case 'Q':
			p.at += 2
			p.literal()
			return
		}
		if assert >= 0 {
			p.at += 2
			p.push(node{kind: kindAssert, arg: assert})
			return
		}
	}
	var b builder
	if p.group(&b) {
		p.class(&b)
	} else if r, ok := p.escape(); ok {
		p.char(r)
	}
}

// literal reads what stands between \Q and \E.
func (p *parser) literal() {
	text, _, closed := strings.Cut(p.rest(), `\E`)

	end := p.at + len(text)
	for p.at < end {
		r, ok := p.rune()
		if !ok {
			return
		}
		p.char(r)
	}
	if closed {
		p.at += 2
	}
}

// group reads an escape for a group of characters, and reports whether there is
// one.
//
//go:noinline
func (p *parser) group(b *builder) bool {
	s := p.rest()
	if len(s) < 2 || s[0] != '\\' {
		return false
	}
	if s[1]|0x20 == 'p' {
		p.fail("Unicode classes such as "+s[:2]+" are left out", "")
		p.hint("write the characters, as in [A-Za-zÀ-ÿ], or all but those that may not be there, as in [^/]")
		return true
	}

	for _, g := range perlGroups {
		if s[1]|0x20 == g.letter {
			b.addGroup(g.ranges, p.flags&flagFold != 0, s[1] != g.letter)
			p.at += 2
			return true
		}
	}

	return false
}

// escape reads an escape for one character.
//
//go:noinline
func (p *parser) escape() (rune, bool) {
	begin := p.at
	p.at++
	if p.at == len(p.expr) {
		p.fail("trailing backslash at end of expression", "")
		return 0, false
	}

	c, ok := p.rune()
	if !ok {
		return 0, false
	}

	octal := func() bool { return p.at < len(p.expr) && '0' <= p.expr[p.at] && p.expr[p.at] <= '7' }
	switch {
	case c < utf8.RuneSelf && !isAlnum(c):
		return c, true
	case c == '0' || '1' <= c && c <= '7' && octal():
		r := c - '0'
		for i := 1; i < 3 && octal(); i++ {
			r = r*8 + rune(p.expr[p.at]-'0')
			p.at++
		}
		return r, true
	case c == 'x':
		if r, ok := p.hex(); ok {
			return r, true
		}
	default:
		if i := strings.IndexRune("afnrtv", c); i >= 0 {
			return rune("\a\f\n\r\t\v"[i]), true
		}
	}
	p.fail("invalid escape sequence", p.expr[begin:p.at])
	p.escapeHint(c)

	return 0, false
}

// hex reads what follows \x.
//
//go:noinline
func (p *parser) hex() (r rune, ok bool) {
	if p.at == len(p.expr) {
		return 0, false
	}

	c, ok := p.rune()
	if !ok {
		return 0, false
	}
	if c != '{' {
		d, ok := p.rune()
		x, y := unhex(c), unhex(d)
		return x*16 + y, ok && x >= 0 && y >= 0
	}

	for digits := 0; p.at < len(p.expr); digits++ {
		if c, ok = p.rune(); !ok {
			return 0, false
		}
		if c == '}' {
			return r, digits > 0
		}

		v := unhex(c)
		if r = r*16 + v; v < 0 || r > utf8.MaxRune {
			return 0, false
		}
	}

	return 0, false
}

func unhex(c rune) rune {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return -1
}

// escapeHint says what to write instead of an escape of another dialect.
func (p *parser) escapeHint(c rune) {
	switch {
	case '1' <= c && c <= '9', c == 'k', c == 'g':
		p.hint("a reference from a regex to its own group is left out, as in RE2; \\1 and $1 have a meaning in what is written, not in what is matched")
	case c == 'Z':
		p.hint(`write \z or $`)
	case c == 'h':
		p.hint(`write [\t ]`)
	case c == 'K', c == 'G':
		p.hint("match what comes before in a group and put it back with $1")
	}
}

// bracket reads a class in brackets.
//
//go:noinline
func (p *parser) bracket() {
	whole := p.rest()
	p.at++
	negated := strings.HasPrefix(p.rest(), "^")
	if negated {
		p.at++
	}

	var b builder
	for first := true; p.reason == ""; first = false {
		if strings.HasPrefix(p.rest(), "]") && !first {
			p.at++
			if negated {
				b.negate()
			}
			p.class(&b)
			return
		}
		if p.posix(&b) || p.group(&b) {
			continue
		}
		p.classRange(&b, whole)
	}
}

// posix reads [:name:], and reports whether there is one.
//
//go:noinline
func (p *parser) posix(b *builder) bool {
	s := p.rest()
	if len(s) < 3 || s[:2] != "[:" {
		return false
	}

	end := strings.Index(s[2:], ":]")
	if end < 0 {
		return false
	}

	name, negated := strings.CutPrefix(s[2:2+end], "^")
	for _, g := range posixGroups {
		if g.name == name {
			b.addGroup(g.ranges, p.flags&flagFold != 0, negated)
			p.at += end + 4
			return true
		}
	}
	p.fail("invalid character class range", s[:end+4])

	return true
}

// classRange reads one character or a range of them.
//
//go:noinline
func (p *parser) classRange(b *builder, whole string) {
	begin := p.at
	lo, ok := p.classChar(whole)
	hi := lo
	if s := p.rest(); ok && len(s) >= 2 && s[0] == '-' && s[1] != ']' {
		p.at++
		if hi, ok = p.classChar(whole); ok && hi < lo {
			p.fail("invalid character class range", p.expr[begin:p.at])
			return
		}
	}

	switch {
	case !ok:
	case p.flags&flagFold == 0:
		b.add(lo, hi)
	case foldable(lo, hi):
		b.addFolded(lo, hi)
	default:
		p.noCase()
	}
}

func (p *parser) classChar(whole string) (rune, bool) {
	switch {
	case p.at == len(p.expr):
		p.fail("missing closing ]", whole)
		return 0, false
	case p.expr[p.at] == '\\':
		return p.escape()
	}
	return p.rune()
}
