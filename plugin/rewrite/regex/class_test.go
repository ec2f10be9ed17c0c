package regex

import (
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"
)

// A range of which the cases are taken to be known has the same ones as in
// unicode's tables.
func TestFoldable(t *testing.T) {
	for r := rune(high); r <= utf8.MaxRune; r++ {
		if fold := unicode.SimpleFold(r); fold != r && r != kelvin && r != longS && foldable(r, r) {
			t.Fatalf("%U has another case, %U", r, fold)
		}
	}

	for r := rune(0); r < high; r++ {
		var b builder
		b.addFolded(r, r)
		c := b.class()

		want := []rune{r}
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			want = append(want, f)
		}

		for x := rune(0); x < 0x3000; x++ {
			has := c.set.has(int(min(x, high))) && (x < high || c.fits(x))
			if has != slices.Contains(want, x) {
				t.Errorf("%q without case has %q: %v", r, x, has)
			}
		}
	}

	for _, all := range [][2]rune{{high, utf8.MaxRune}, {cased[0], cased[len(cased)-1]}} {
		if !foldable(all[0], all[1]) {
			t.Errorf("%U to %U has all cases of its letters", all[0], all[1])
		}
	}
	if foldable(0xc0, 0xd6) || foldable(0x100, utf8.MaxRune) || foldable(kelvin-1, kelvin) {
		t.Error("ranges of letters whose cases are elsewhere are taken")
	}
}
