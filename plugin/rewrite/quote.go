package rewrite

import "unicode/utf8"

// unseen are characters that an error shows as escapes, as control bytes are: what looks like a space or like nothing,
// ends a line, or turns the direction of what follows. strconv.Quote knows all that are not printable, by tables of some KiB.
var unseen = [...][2]rune{
	{0x7f, 0xa0}, {0xad, 0xad}, {0x600, 0x605}, {0x61c, 0x61c}, {0x6dd, 0x6dd}, {0x70f, 0x70f}, {0x1680, 0x1680}, {0x180e, 0x180e}, {0x2000, 0x200f},
	{0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000}, {0xd800, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe0fff},
	{0xf0000, utf8.MaxRune},
}

func isUnseen(r rune) bool {
	for i := range unseen {
		if r <= unseen[i][1] {
			return r < ' ' || r >= unseen[i][0]
		}
	}
	return true
}

// quote writes a text between quotes, with escapes as Go has them.
func quote(s string) string {
	b := []byte{'"'}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, '\\', 'x', lowerHex[s[i]>>4], lowerHex[s[i]&15])
		case r == '"' || r == '\\':
			b = append(b, '\\', s[i])
		case isUnseen(r):
			b = appendEscape(b, r)
		default:
			b = append(b, s[i:i+n]...)
		}

		i += n
	}

	return string(append(b, '"'))
}

const lowerHex = "0123456789abcdef"

// appendEscape writes a character as an escape.
func appendEscape(b []byte, r rune) []byte {
	const short = "abtnvfr" // from 7 on
	if r >= 7 && r < rune(7+len(short)) {
		return append(b, '\\', short[r-7])
	}

	kind, digits := byte('x'), 2
	switch {
	case r > 0xffff:
		kind, digits = 'U', 8
	case r >= utf8.RuneSelf:
		kind, digits = 'u', 4
	}

	b = append(b, '\\', kind)
	for digits--; digits >= 0; digits-- {
		b = append(b, lowerHex[r>>(4*digits)&15])
	}

	return b
}
