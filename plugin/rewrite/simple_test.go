package rewrite

import (
	"regexp"
	"slices"
	"testing"
)

// Every regex that is taken as simple finds what the general engine finds.
func FuzzSimple(f *testing.F) {
	for _, expr := range []string{
		`banana/([0-9]*)`, `^/api/v[0-9]+/(.*)$`, `^/(?P<a>[a-z0-9-]+)/(.*)`, `a*`, `a?b`, `[^/]+/x`, `(?i)/Foo`, `/$`, `$`, `^`, ``,
		`[a-z]+1`, `a[a-z]*1`, `(a)(b*)`, `(?s).*`, `\d+`, `[[:alpha:]]+=`, `é+`, `[a-c]{2}/`, `x*y?z`,
	} {
		for _, text := range []string{"", "/banana/418", "/api/v2/x/y", "aab", "/é/x", "\xff/x", "abc1", "FOO/foo", "a\nb"} {
			f.Add(expr, text)
		}
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		find, reason := newFinder(expr, false)
		if reason != "" || find.simple == nil {
			return
		}
		re := regexp.MustCompile(expr)
		if got, want := find.find(text, nil), re.FindStringSubmatchIndex(text); !slices.Equal(got, want) {
			t.Fatalf("%q in %q: %v, want %v", expr, text, got, want)
		}
		if got, want := find.match(text), re.MatchString(text); got != want {
			t.Fatalf("%q matches %q: %v, want %v", expr, text, got, want)
		}
		var all [][]int
		c := cursor{}
		for loc := find.next(text, &c, nil); loc != nil; loc = find.next(text, &c, nil) {
			all = append(all, slices.Clone(loc))
		}
		want := re.FindAllStringSubmatchIndex(text, -1)
		if !slices.EqualFunc(all, want, slices.Equal[[]int]) {
			t.Fatalf("all of %q in %q: %v, want %v", expr, text, all, want)
		}
	})
}

// The regexes that people write most are simple.
func TestSimpleTakes(t *testing.T) {
	for expr, want := range map[string]bool{
		`banana/([0-9]*)`: true, `^/api/(.*)$`: true, `^/v[0-9]+/([^/]+)/(.*)`: true, `^(?P<tenant>[a-z0-9]+)\.example\.com$`: true,
		`foo|bar|c`: false, `.*x`: false, `a+a`: false, `a*?`: false, `(?m)^a`: false, `\bfoo`: false, `[é-ü]+`: false,
		// These could walk the same text from many places.
		`a[a-z]*1`: false, `[0-9]*[a-z]*x`: false, `/api/[^/]+/x`: true, `[a-z]+/[0-9]+x`: true,
	} {
		find, reason := newFinder(expr, false)
		if reason != "" {
			t.Fatal(reason)
		}
		if got := find.simple != nil; got != want {
			t.Errorf("%s is simple: %v, want %v", expr, got, want)
		}
	}
}
