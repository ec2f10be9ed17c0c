package regex

import (
	"unicode/utf8"
)

// set is what may come next in a text: the ASCII characters, any other
// character, and the end of the text.
type set [5]uint32

const (
	high = 128 // stands for every byte from 0x80 on
	none = 129 // stands for the end of the text
)

func (s *set) add(i int)      { s[i>>5] |= 1 << (i & 31) }
func (s *set) has(i int) bool { return s[i>>5]&(1<<(i&31)) != 0 }

// fits reports whether the set has a byte.
func (s *set) fits(c byte) bool {
	if c >= high {
		c = high
	}
	return s[c>>5]&(1<<(c&31)) != 0
}

func (s *set) meets(t *set) bool {
	return (s[0]&t[0])|(s[1]&t[1])|(s[2]&t[2])|(s[3]&t[3])|(s[4]&t[4]) != 0
}

func (s *set) join(t *set) {
	for i := range s {
		s[i] |= t[i]
	}
}

var everything = set{^uint32(0), ^uint32(0), ^uint32(0), ^uint32(0), 3}

// class is a set of characters.
type class struct {
	set    set    // its ASCII characters; high if it has others
	ranges []rune // the others in pairs; nil where it has none or all
}

// fits reports whether the class has a character that is not ASCII. An invalid
// byte counts as U+FFFD.
func (c *class) fits(r rune) bool {
	if c.ranges == nil {
		return c.set.has(high)
	}

	for i := 0; i < len(c.ranges); i += 2 {
		if r <= c.ranges[i+1] {
			return r >= c.ranges[i]
		}
	}
	return false
}

// builder is a class in the making.
type builder struct {
	ascii set
	other []rune // pairs, from 0x80 on
}

// add adds a range.
func (b *builder) add(lo, hi rune) {
	for c := lo; c <= min(hi, high-1); c++ {
		b.ascii.add(int(c))
	}
	if hi >= high {
		b.other = append(b.other, max(lo, high), hi)
	}
}

// join adds what another one has.
func (b *builder) join(c *builder) {
	b.ascii.join(&c.ascii)
	b.other = append(b.other, c.other...)
}

// negate makes it what it left out.
//
//go:noinline
func (b *builder) negate() {
	for i := range b.ascii[:4] {
		b.ascii[i] = ^b.ascii[i]
	}

	r := clean(b.other)
	var others []rune

	next := rune(high)
	for i := 0; i < len(r); i += 2 {
		if next < r[i] {
			others = append(others, next, r[i]-1)
		}

		next = r[i+1] + 1
	}
	if next <= utf8.MaxRune {
		others = append(others, next, utf8.MaxRune)
	}

	b.other = others
}

// class gives what was built.
//
//go:noinline
func (b *builder) class() class {
	c := class{set: b.ascii}
	if r := clean(b.other); len(r) > 0 {
		c.set.add(high)
		if r[0] > high || r[1] < utf8.MaxRune {
			c.ranges = append([]rune(nil), r...)
		}
	}
	return c
}

// clean sorts ranges and joins those that touch.
//
//go:noinline
func clean(r []rune) []rune {
	// Each pass moves one range to its place: a regex has room for a few hundred.
	for i := 2; i < len(r); i += 2 {
		lo, hi := r[i], r[i+1]

		j := i
		for ; j > 0 && r[j-2] > lo; j -= 2 {
			r[j], r[j+1] = r[j-2], r[j-1]
		}

		r[j], r[j+1] = lo, hi
	}

	w := 0
	for i := 0; i < len(r); i += 2 {
		if w > 0 && r[i] <= r[w-1]+1 {
			r[w-1] = max(r[w-1], r[i+1])
			continue
		}

		r[w], r[w+1] = r[i], r[i+1]
		w += 2
	}

	return r[:w]
}

// These two are k and s where case is ignored: the sign for kelvin and the long s.
const (
	kelvin = '\u212a'
	longS  = '\u017f'
)

// cased are the characters outside ASCII between which all those lie that have
// another case. A test holds it against unicode.SimpleFold.
var cased = [...]rune{
	0xb5, 0x29e, 0x345, 0x586, 0x10a0, 0x10ff, 0x13a0, 0x13fd, 0x1c80, 0x1cbf, 0x1d79, 0x1d8e, 0x1e00, 0x1ffc,
	0x2126, 0x2184, 0x24b6, 0x24e9, 0x2c00, 0x2d2d, 0xa640, 0xa69b, 0xa722, 0xa7f6, 0xab53, 0xabbf, 0xff21, 0xff5a,
	0x10400, 0x1044f, 0x104b0, 0x104fb, 0x10570, 0x105bc, 0x10c80, 0x10cf2, 0x118a0, 0x118df, 0x16e40, 0x16e7f, 0x1e900, 0x1e943,
}

// foldable reports whether the other cases of a range are known: it has no
// characters outside ASCII that may have one, or all of them.
func foldable(lo, hi rune) bool {
	if lo <= cased[0] && hi >= cased[len(cased)-1] || lo == hi && (lo == kelvin || lo == longS) {
		return true
	}

	for i := 0; i < len(cased); i += 2 {
		if lo <= cased[i+1] && hi >= cased[i] {
			return false
		}
	}
	return true
}

// addFolded adds a range and the other cases of its letters.
//
//go:noinline
func (b *builder) addFolded(lo, hi rune) {
	b.add(lo, hi)
	b.add(max(lo, 'A')+'a'-'A', min(hi, 'Z')+'a'-'A')
	b.add(max(lo, 'a')+'A'-'a', min(hi, 'z')+'A'-'a')

	for _, of := range [...][3]rune{{'K', 'k', kelvin}, {'S', 's', longS}} {
		if lo <= of[0] && of[0] <= hi || lo <= of[1] && of[1] <= hi || lo <= of[2] && of[2] <= hi {
			b.add(of[0], of[0])
			b.add(of[1], of[1])
			b.add(of[2], of[2])
		}
	}
}

// perlGroups are the escapes for a group of characters, posixGroups the names
// in [[:name:]].
var perlGroups = [...]struct {
	letter byte
	ranges string
}{{'d', "09"}, {'s', "\t\n\f\r  "}, {'w', "09AZ__az"}}

var posixGroups = [...]struct{ name, ranges string }{
	{"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"ascii", "\x00\x7f"}, {"blank", "\t\t  "}, {"cntrl", "\x00\x1f\x7f\x7f"}, {"digit", "09"}, {"graph", "!~"},
	{"lower", "az"}, {"print", " ~"}, {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"}, {"word", "09AZ__az"}, {"xdigit", "09AFaf"},
}

// addGroup adds a group of characters, or all others.
//
//go:noinline
func (b *builder) addGroup(ranges string, fold, negated bool) {
	var group builder
	for i := 0; i < len(ranges); i += 2 {
		if lo, hi := rune(ranges[i]), rune(ranges[i+1]); fold {
			group.addFolded(lo, hi)
		} else {
			group.add(lo, hi)
		}
	}
	if negated {
		group.negate()
	}
	b.join(&group)
}
