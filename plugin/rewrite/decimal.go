package rewrite

import "strings"

// decimal is a number as JSON writes it: 0.DIGITS times ten to the power of point. The digits neither begin nor end with
// a zero; there are none where the number is 0. strconv reads numbers to the last bit, for which it brings more than the
// rest of the configuration's reader takes.
type decimal struct {
	negative bool
	digits   []byte
	point    int
}

// maxExponent bounds what is written out without an exponent. No number of Go, or of whoever else hands it over, has a
// greater one.
const maxExponent = 308

// readDecimal reads a number, whose form is that of JSON.
func readDecimal(text string) (d decimal) {
	text, d.negative = strings.CutPrefix(text, "-")

	at, inFraction := 0, false
	for ; at < len(text) && text[at] != 'e' && text[at] != 'E'; at++ {
		c := text[at]
		switch {
		case c == '.':
			inFraction = true
			continue
		case c != '0' || len(d.digits) > 0:
			d.digits = append(d.digits, c)
		}

		// The first digits that count are right after the point: each before it moves it on, each zero after it back.
		if !inFraction && len(d.digits) > 0 {
			d.point++
		} else if inFraction && len(d.digits) == 0 {
			d.point--
		}
	}

	for len(d.digits) > 0 && d.digits[len(d.digits)-1] == '0' {
		d.digits = d.digits[:len(d.digits)-1]
	}

	d.point += exponent(text[at:])
	if len(d.digits) == 0 {
		d.point = 0
	}

	return d
}

// exponent reads the end of a number, from its e on.
func exponent(text string) int {
	n, sign := 0, 1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '-':
			sign = -1
		case isDigit(c):
			n = min(n*10+int(c-'0'), 1<<20)
		}
	}

	return sign * n
}

// plain writes the number without an exponent. ok is false where that would be too long.
func (d *decimal) plain() (text string, ok bool) {
	if d.point > maxExponent+1 || d.point < -maxExponent {
		return "", false
	}

	var b []byte
	if d.negative {
		b = append(b, '-')
	}

	whole := max(d.point, 0)
	for i := range whole {
		b = append(b, d.digit(i))
	}
	if whole == 0 {
		b = append(b, '0')
	}
	if d.point >= len(d.digits) {
		return string(b), true
	}

	b = append(b, '.')
	for i := d.point; i < len(d.digits); i++ {
		b = append(b, d.digit(i))
	}

	return string(b), true
}

// digit gives the digit at a place, 0 beyond those that are written.
func (d *decimal) digit(i int) byte {
	if i < 0 || i >= len(d.digits) {
		return '0'
	}
	return d.digits[i]
}

// whole gives the number where it is a whole one of at most nine digits.
func (d *decimal) whole() (n int, ok bool) {
	if len(d.digits) > d.point || d.point > 9 {
		return 0, len(d.digits) == 0
	}

	for i := range d.point {
		n = n*10 + int(d.digit(i)-'0')
	}
	if d.negative {
		n = -n
	}

	return n, true
}

// float gives the number to some fifteen digits. What is far too large stays large, and what is far too small 0.
func (d *decimal) float() (f float64) {
	for _, c := range d.digits[:min(len(d.digits), 15)] {
		f = f*10 + float64(c-'0')
	}

	// A float has all whole powers of ten up to 22, so that one division or multiplication rounds once.
	move, scale := d.point-min(len(d.digits), 15), 1.0
	for range min(max(move, -move), maxExponent) {
		scale *= 10
	}

	if move < 0 {
		f /= scale
	} else {
		f *= scale
	}
	if d.negative {
		f = -f
	}

	return f
}

// digitsOf reads a number that is written in digits alone.
func digitsOf(s string) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) || i == 9 {
			return 0, false
		}

		n = n*10 + int(s[i]-'0')
	}

	return n, s != ""
}
