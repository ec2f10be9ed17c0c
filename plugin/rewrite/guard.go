package rewrite

import (
	"strings"
	"unsafe"
)

const (
	maxTarget      = 8 << 10  // bytes of a path and query that are written
	maxValue       = 8 << 10  // bytes of a header value
	maxConfigValue = 64 << 10 // bytes of a header value with ${config}
	maxHost        = 255
)

func isControl(c byte) bool { return c < 0x20 || c == 0x7f }

// hasControl reports whether s has a byte that may not are in a header value
// (RFC 9110, 5.5).
func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if isControl(s[i]) && s[i] != '\t' {
			return true
		}
	}
	return false
}

// traits are what servers read in different ways, so that a rewrite may only
// hand it on, not make it.
type traits struct {
	space       bool // or a control byte
	high        bool // a byte from 0x80 on
	hash        bool
	backslash   bool
	badEscape   bool
	nulEscape   bool
	dotSegments dots // of the path
}

func pathTraits(path string) (t traits) {
	t.scan(path)
	if strings.IndexByte(path, '.') >= 0 || strings.IndexByte(path, '%') >= 0 {
		t.countDots(path)
	}
	return t
}

func queryTraits(query string) (t traits) {
	t.scan(query)
	return t
}

func (t *traits) scan(s string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c > '%' && c < 0x7f && c != '\\':
			// Most bytes are none of it.
		case c == ' ' || isControl(c):
			t.space = true
		case c >= 0x80:
			t.high = true
		case c == '#':
			t.hash = true
		case c == '\\':
			t.backslash = true
		case c == '%':
			if b := escapeAt(s, i); b < 0 {
				t.badEscape = true
			} else if b == 0 {
				t.nulEscape = true
			}
		}
	}
}

// target is a path and query as they are in :path.
type target struct {
	path     string
	query    string
	hasQuery bool // there is a ?, maybe with nothing behind it
}

func (t target) size() int {
	n := len(t.path) + len(t.query)
	if t.hasQuery {
		n++
	}
	return n
}

// same reports whether two targets are the same text.
func (t *target) same(as *target) bool {
	return t.hasQuery == as.hasQuery && same(t.path, as.path) && same(t.query, as.query)
}

// same reports whether two texts are equal. Those that nothing changed are one and the same, and may be long: they are
// not compared byte by byte, as == does here.
func same(a, b string) bool {
	return len(a) == len(b) && (unsafe.StringData(a) == unsafe.StringData(b) || a == b)
}

// knownTraits are the traits of what arrived, once they were asked for: it may be
// long, and many patterns ask.
type knownTraits struct {
	traits
	known bool
}

// unsafeTarget gives why a path and query may not be written in place of the
// current ones, or "".
//
//go:noinline
func (s *Scratch) unsafeTarget(now target) string {
	was := s.target
	if now.same(&was) {
		return ""
	}
	if !same(now.path, was.path) && (!strings.HasPrefix(now.path, "/") || strings.HasPrefix(now.path, "//")) {
		return "the path does not begin with exactly one /"
	}
	if now.size() > maxTarget {
		return "path and query are longer than 8 KiB"
	}
	if reason := s.newTraits(now.path, s.received.path, &s.pathArrived, pathTraits); reason != "" {
		return reason
	}

	return s.newTraits(now.query, s.received.query, &s.queryArrived, queryTraits)
}

// newTraits gives what a path or query may not have because the received one
// has none of it, or "".
func (s *Scratch) newTraits(now, received string, r *knownTraits, traitsOf func(string) traits) string {
	s.spend(len(now))
	t := traitsOf(now)
	if t.space {
		return "a space or control byte in path or query"
	}
	if t == (traits{}) {
		return ""
	}
	if !r.known {
		s.spend(len(received))
		*r = knownTraits{traitsOf(received), true}
	}

	switch {
	case t.high && !r.high:
		return "a byte from 0x80 on that was not received"
	case t.hash && !r.hash:
		return "a # that was not received"
	case t.backslash && !r.backslash:
		return "a backslash that was not received"
	case t.badEscape && !r.badEscape:
		return "an invalid escape that was not received"
	case t.nulEscape && !r.nulEscape:
		return "an escaped NUL that was not received"
	case moreDots(t.dotSegments, r.dotSegments):
		return "more dot segments than were received"
	}

	return ""
}

// What tells dot segments apart: of those that were received a server may read
// none as such, and each of those that are made.
const (
	twoDots     = 1 << iota
	escapedDots // at least one of them
	paramDots   // with a ;parameter
	slashDots   // after or before an escaped slash
	backDots    // after or before a backslash, raw or escaped

	dotKinds = iota
)

// dots is how many segments of each kind a path has.
type dots [1 << dotKinds]uint8

// manyDots is what a count ends at: so many are refused.
const manyDots = 255

// moreDots reports whether a path has more dot segments of any kind than another.
func moreDots(now, received dots) bool {
	for i, n := range now {
		if n > received[i] || n == manyDots {
			return true
		}
	}
	return false
}

// delimiter is what the slash or backslash at path[i] makes of dots next to it.
func delimiter(path string, i int) int {
	switch {
	case path[i] == '/':
		return 0
	case oneOf(path, i, '/', '/') > 0:
		return slashDots
	}
	return backDots
}

// countDots counts the segments of a path that some server reads as . or ..:
// the dots raw or escaped, a ;parameter after them, ended by a slash or
// backslash, raw or escaped.
func (t *traits) countDots(path string) {
	// last is what the delimiter before a segment makes of it.
	for start, last := 0, 0; start <= len(path); {
		end, dots, kind := start, 0, last

		for {
			width := oneOf(path, end, '.', '.')
			if width == 0 {
				break
			}
			if width > 1 {
				kind |= escapedDots
			}
			dots++
			end += width
		}

		isDots := dots == 1 || dots == 2
		if dots == 2 {
			kind |= twoDots
		}
		if end < len(path) && path[end] == ';' {
			kind |= paramDots
		} else if end < len(path) && oneOf(path, end, '/', '\\') == 0 {
			isDots = false
		}

		for end < len(path) && oneOf(path, end, '/', '\\') == 0 {
			end++
		}

		last = 0
		if end < len(path) {
			last = delimiter(path, end)
			kind |= last
		}
		if isDots && t.dotSegments[kind] < manyDots {
			t.dotSegments[kind]++
		}

		start = end + max(1, oneOf(path, end, '/', '\\'))
	}
}

// oneOf gives how many bytes at path[i] stand for a or b, raw or escaped; 0 for none.
func oneOf(path string, i int, a, b byte) int {
	if i >= len(path) {
		return 0
	}
	if path[i] == a || path[i] == b {
		return 1
	}
	if e := escapeAt(path, i); e == int(a) || e == int(b) {
		return 3
	}
	return 0
}

// validHost reports whether s is a name, IPv4 or [IPv6] address with an optional port.
func validHost(s string) bool {
	if len(s) > maxHost {
		return false
	}

	name, port := splitPort(s)
	if port != "" && !validPort(port[1:]) {
		return false
	}
	if strings.HasPrefix(name, "[") {
		return strings.HasSuffix(name, "]") && validIPv6(name[1:len(name)-1])
	}

	for i := 0; i < len(name); i++ {
		if c := name[i]; !isAlnum(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}

	return name != ""
}

// splitPort cuts a host before the colon of its port.
func splitPort(host string) (name, port string) {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || strings.IndexByte(host[colon:], ']') >= 0 {
		return host, ""
	}
	return host[:colon], host[colon:]
}

func validPort(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) || i == 5 {
			return false
		}

		n = n*10 + int(s[i]-'0')
	}
	return n >= 1 && n <= 65535
}

// validIPv6 reads the text form of RFC 4291, 2.2, without a zone.
func validIPv6(s string) bool {
	groups, gap := 0, false
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && hexValue(s[i]) >= 0 {
			i++
		}

		switch digits := i - start; {
		case digits == 0 && !gap && strings.HasPrefix(s[i:], "::"):
			gap = true
			i += 2
			continue
		case i < len(s) && s[i] == '.':
			return validIPv4(s[start:]) && fits(groups+2, gap)
		case digits < 1 || digits > 4:
			return false
		}
		groups++

		switch {
		case i == len(s):
		case strings.HasPrefix(s[i:], "::"):
		case s[i] == ':' && i+1 < len(s):
			i++
		default:
			return false
		}
	}

	return fits(groups, gap)
}

func fits(groups int, gap bool) bool { return groups == 8 && !gap || groups < 8 && gap }

func validIPv4(s string) bool {
	parts := strings.Split(s, ".")
	for _, part := range parts {
		if len(part) > 3 || part == "" || part[0] == '0' && part != "0" {
			return false
		}

		n := 0
		for i := 0; i < len(part); i++ {
			if !isDigit(part[i]) {
				return false
			}

			n = n*10 + int(part[i]-'0')
		}
		if n > 255 {
			return false
		}
	}

	return len(parts) == 4
}

// literalPathReason tells why no path that a template yields could be written, or "".
func literalPathReason(t *template, how replacing) string {
	if reason := literalQueryReason(t); reason != "" {
		return reason
	}

	first := ""
	if len(t.pieces) > 0 && t.pieces[0].kind == pieceText {
		first = t.pieces[0].text
	}

	switch {
	case how != replaceWhole && how != replacePrefix:
	case len(t.pieces) == 0 && how == replaceWhole:
		return "a path cannot be empty: write / for the root"
	case first != "" && first[0] != '/':
		return "a path begins with /"
	case strings.HasPrefix(first, "//"):
		return "a path begins with exactly one /"
	}

	return ""
}

// literalQueryReason tells the same of query text.
func literalQueryReason(t *template) string {
	size := 0
	for _, p := range t.pieces {
		if p.kind != pieceText {
			continue
		}

		size += len(p.text)
		for i := 0; i < len(p.text); i++ {
			if c := p.text[i]; c == ' ' || isControl(c) {
				return "a space or control byte is not allowed in a path or query: write it as an escape, such as %20"
			}
		}
	}
	if size > maxTarget {
		return "is longer than the 8 KiB that a path and query may have together"
	}

	return ""
}

// literalHostReason tells the same of a host.
func literalHostReason(t *template) string {
	const reason = "is not a host: want a name, an IPv4 address or an [IPv6] address, with an optional :port"
	if text, ok := t.constant(); ok {
		if !validHost(text) {
			return reason
		}
		return ""
	}

	for _, p := range t.pieces {
		for i := 0; i < len(p.text); i++ {
			if c := p.text[i]; !isAlnum(c) && !strings.ContainsRune("._-:[]", rune(c)) {
				return reason
			}
		}
	}

	return ""
}
