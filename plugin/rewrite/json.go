package rewrite

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is the type of a JSON value.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindList
	kindObject
)

// value is a parsed JSON value. Unlike encoding/json it keeps the order of
// keys and finds the same key twice, so that a fault can be named where it stands.
type value struct {
	kind    kind
	flag    bool   // of a bool
	text    string // of a string, or a number as written
	list    []value
	members []member
}

type member struct {
	key   string
	value value
}

// String shows the value in an error.
func (v *value) String() string {
	switch v.kind {
	case kindNull:
		return "null"
	case kindBool:
		if v.flag {
			return "true"
		}
		return "false"
	case kindNumber:
		return v.text
	case kindString:
		return quoted(v.text)
	case kindList:
		return "[…]"
	}

	return "{…}"
}

// maxDepth bounds the nesting of a configuration; the language needs 7, the
// rest is for free values in vars.
const maxDepth = 64

// jsonParser reads one JSON text (RFC 8259). It refuses what a configuration
// cannot mean: invalid UTF-8, a key twice, half a surrogate pair.
type jsonParser struct {
	text   string
	pos    int
	reason string // of the first fault; pos is where
}

// parseJSON reads a whole text. reason is empty when it is valid; else it says
// what is wrong and where.
func parseJSON(text string) (v value, reason string) {
	p := &jsonParser{text: text}
	p.space()
	v = p.value(0)
	if p.reason == "" {
		p.space()
		if p.pos < len(p.text) {
			p.fail("text after the end of the value")
		}
	}
	if p.reason != "" {
		line := 1 + strings.Count(text[:p.pos], "\n")
		column := 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text[:p.pos], '\n')+1:p.pos])
		return value{}, "not valid JSON: " + p.reason + " (line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column) + ")"
	}

	return v, ""
}

func (p *jsonParser) fail(reason string) {
	if p.reason == "" {
		p.reason = reason
	}
}

func (p *jsonParser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// peek gives the next byte, or 0 at the end.
func (p *jsonParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *jsonParser) value(depth int) (v value) {
	if depth > maxDepth {
		p.fail("nested deeper than " + strconv.Itoa(maxDepth))
		return v
	}

	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return value{kind: kindString, text: p.str()}
	case c == '-' || c >= '0' && c <= '9':
		return value{kind: kindNumber, text: p.number()}
	case p.word("null"):
		return value{kind: kindNull}
	case p.word("true"):
		return value{kind: kindBool, flag: true}
	case p.word("false"):
		return value{kind: kindBool}
	case p.pos >= len(p.text):
		p.fail("unexpected end")
	default:
		p.fail("a value is expected here")
	}

	return v
}

func (p *jsonParser) word(w string) bool {
	if strings.HasPrefix(p.text[p.pos:], w) {
		p.pos += len(w)
		return true
	}
	return false
}

func (p *jsonParser) object(depth int) value {
	v := value{kind: kindObject}
	p.pos++
	p.space()
	if p.peek() == '}' {
		p.pos++
		return v
	}

	var seen map[string]bool
	for {
		if p.peek() != '"' {
			p.fail("a key in double quotes is expected here")
			break
		}

		start := p.pos
		key := p.str()
		if p.reason != "" {
			break
		}
		if v.holds(key, &seen) {
			p.pos = start
			p.fail("the key " + quoted(key) + " is twice in one object")
			break
		}
		p.space()
		if p.peek() != ':' {
			p.fail("a colon is expected here")
			break
		}
		p.pos++
		p.space()
		v.members = append(v.members, member{key, p.value(depth + 1)})
		if p.reason != "" || p.end('}') {
			break
		}
	}

	return v
}

// holds reports whether an object has a key. Only a large one needs a map for it.
func (v *value) holds(key string, seen *map[string]bool) bool {
	const small = 12
	if len(v.members) < small {
		for i := range v.members {
			if v.members[i].key == key {
				return true
			}
		}
		return false
	}
	if *seen == nil {
		*seen = map[string]bool{}
		for i := range v.members {
			(*seen)[v.members[i].key] = true
		}
	}

	found := (*seen)[key]
	(*seen)[key] = true

	return found
}

func (p *jsonParser) array(depth int) value {
	v := value{kind: kindList}
	p.pos++
	p.space()
	if p.peek() == ']' {
		p.pos++
		return v
	}

	for {
		v.list = append(v.list, p.value(depth+1))
		if p.reason != "" || p.end(']') {
			break
		}
	}

	return v
}

// end reads a comma (false) or the closing byte (true).
func (p *jsonParser) end(closing byte) bool {
	p.space()

	switch p.peek() {
	case closing:
		p.pos++
		return true
	case ',':
		p.pos++
		p.space()
		return false
	}
	p.fail("a comma or " + string(rune(closing)) + " is expected here")

	return true
}

func (p *jsonParser) number() string {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else {
		p.digits()
	}
	if p.peek() == '.' {
		p.pos++
		p.digits()
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		p.digits()
	}

	return strings.Clone(p.text[start:p.pos]) // as in str
}

func (p *jsonParser) digits() {
	start := p.pos
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	if p.pos == start {
		p.fail("a digit is expected here")
	}
}

func (p *jsonParser) str() string {
	p.pos++
	start := p.pos
	// Most strings have no escapes: they are a piece of the text. They are copied
	// all the same: TinyGo's collector walks from a pointer back to the beginning
	// of what it points into, which made a long configuration's cost quadratic.
	for p.pos < len(p.text) && p.text[p.pos] != '"' && p.text[p.pos] != '\\' && p.text[p.pos] >= 0x20 {
		p.pos++
	}
	if p.peek() == '"' {
		s := strings.Clone(p.text[start:p.pos])
		p.pos++
		p.valid(s, start)
		return s
	}

	buf := []byte(p.text[start:p.pos])
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == '"':
			p.pos++
			s := string(buf)
			p.valid(s, start)
			return s
		case c < 0x20:
			p.fail("a control character in a string: write it as an escape")
			return ""
		case c == '\\':
			buf = p.escape(buf)
			if p.reason != "" {
				return ""
			}
		default:
			buf = append(buf, c)
			p.pos++
		}
	}
	p.fail("a string without end")

	return ""
}

func (p *jsonParser) valid(s string, start int) {
	if !utf8.ValidString(s) {
		p.pos = start
		p.fail("a string that is not valid UTF-8")
	}
}

func (p *jsonParser) escape(buf []byte) []byte {
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	p.pos++
	c := p.peek()
	if i := strings.IndexByte(from, c); i >= 0 {
		p.pos++
		return append(buf, to[i])
	}
	if c != 'u' {
		p.fail("an unknown escape in a string")
		return buf
	}

	r := p.hex4()
	if utf16.IsSurrogate(r) {
		if !strings.HasPrefix(p.text[p.pos:], `\u`) {
			p.fail("half a surrogate pair in a string")
			return buf
		}
		p.pos++
		if r = utf16.DecodeRune(r, p.hex4()); r == utf8.RuneError {
			p.fail("half a surrogate pair in a string")
		}
	}

	return utf8.AppendRune(buf, r)
}

// hex4 reads the u of an escape and its four digits.
func (p *jsonParser) hex4() rune {
	p.pos++

	r := rune(0)
	for range 4 {
		d := hexValue(p.peek())
		if d < 0 {
			p.fail("four hexadecimal digits are expected here")
			return r
		}

		r = r<<4 | rune(d)
		p.pos++
	}

	return r
}
