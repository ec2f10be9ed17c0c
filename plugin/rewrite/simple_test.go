package rewrite

import (
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every regex that is taken as simple finds what the general engine finds.
func FuzzSimple(f *testing.F) {
	for _, expr := range []string{
		`banana/([0-9]*)`, `^/api/v[0-9]+/(.*)$`, `^/(?P<a>[a-z0-9-]+)/(.*)`, `a*`, `a?b`, `[^/]+/x`, `.*`, `(?i)/Foo`, `/$`, `$`, `^`, ``,
		`[a-z]+1`, `a[a-z]*1`, `(a)(b*)`, `(?s).*`, `\d+`, `[[:alpha:]]+=`, `é+`, `[a-c]{2}/`, `x*y?z`,
	} {
		for _, text := range []string{"", "/banana/418", "/api/v2/x/y", "aab", "/é/x", "\xff/x", "abc1", "FOO/foo", "a\nb", "a\vb\x00c"} {
			f.Add(expr, text)
		}
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		if find, reason := newFinder(expr, false); reason == "" && find.simple != nil {
			findsTheSame(t, find, regexp.MustCompile(expr), text)
		}
	})
}

// findsTheSame compares what is found in a text with what the general engine finds.
func findsTheSame(t *testing.T, find *finder, re *regexp.Regexp, text string) {
	t.Helper()
	if got, want := find.find(text, nil), re.FindStringSubmatchIndex(text); !slices.Equal(got, want) {
		t.Fatalf("%q in %q: %v, want %v", re, text, got, want)
	}
	if got, want := find.match(text), re.MatchString(text); got != want {
		t.Fatalf("%q matches %q: %v, want %v", re, text, got, want)
	}
	var all [][]int
	c := cursor{}
	for loc := find.next(text, &c, nil); loc != nil; loc = find.next(text, &c, nil) {
		all = append(all, slices.Clone(loc))
	}
	want := re.FindAllStringSubmatchIndex(text, -1)
	if !slices.EqualFunc(all, want, slices.Equal[[]int]) {
		t.Fatalf("all of %q in %q: %v, want %v", re, text, all, want)
	}
}

// randomRegex makes a regex of what simple ones are made of, and of what only
// looks like that.
func randomRegex(random *rand.Rand) (expr string) {
	pieces := []string{
		"a", "b", "[ab]", "ab", "(a|b)", "[^a]", "/", "k", "s", "K", "S", "ks", "é", `\x{80}`, `\x{7f}`, `\x{fffd}`, `\x00`, `\n`, ".", "(?s:.)", "(?i:a)", "(?i:ak)", "(?i:/Ab)", "(?i:[a])",
		"[^/]", "[a-b]", "[^ab]", "[0-9]", `[\x{7f}-\x{80}]`, `[\x{80}-\x{10ffff}]`, `[\x{7f}-\x{10ffff}]`, `[\x{81}-\x{10ffff}]`, `[a\x{82}-\x{10ffff}]`,
		`[a-\x{10fffe}]`, `[^\x{10ffff}]`, `[\x00-a]`, "(?:ab|ba)", "(?:aab|ab)", "()", "(?:)",
	}
	repeats := []string{"", "", "", "", "", "*", "*", "+", "+", "?", "{2}", "{0,2}", "*?", "+?", "??"}
	if random.IntN(5) == 0 {
		expr = []string{"^", "^", "^", "^^", "^*", "(?m)^"}[random.IntN(6)]
	}
	if random.IntN(2) == 0 {
		pieces = pieces[:3+random.IntN(4)]
	}
	for range 1 + random.IntN(4) {
		piece := pieces[random.IntN(len(pieces))] + repeats[random.IntN(len(repeats))]
		switch random.IntN(20) {
		case 0, 1, 2, 3:
			piece = "(" + piece + ")" + repeats[random.IntN(len(repeats))]
		case 4:
			piece = "(^" + piece + ")"
		case 5:
			piece += "^"
		}
		expr += piece
	}
	if random.IntN(5) == 0 {
		expr += []string{"$", "$", "$", "()$", "$$", "$a", "$*", "(?m:$)"}[random.IntN(8)]
	}
	return expr
}

func randomText(random *rand.Rand) (text string) {
	pieces := []string{"a", "a", "b", "b", "A", "B", "k", "s", "K", "S", "\u212a", "\u017f", "/", "é", "\u0080", "\u0081", "\u0082", "\x7f", "\x80", "\xff", "\ufffd", "\x00", "\n", "1", "\U0010ffff"}
	n := 4 + random.IntN(3)*(len(pieces)-4)/2
	for range random.IntN(10) {
		text += pieces[random.IntN(n)]
	}
	return text
}

// So does every one that chance makes.
func TestSimpleFindsTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	simple := 0
	for range 20_000 {
		expr := randomRegex(random)
		parsed, err := syntax.Parse(expr, syntax.Perl)
		if err != nil || newSimple(parsed.Simplify()) == nil {
			continue
		}
		simple++
		find, _ := newFinder(expr, false)
		re := regexp.MustCompile(expr)
		for range 5 {
			findsTheSame(t, find, re, randomText(random))
		}
	}
	if simple < 1000 {
		t.Errorf("only %d were simple", simple)
	}
}

// A walk over a text takes as long as the text is, not as its square.
func TestSimpleIsLinear(t *testing.T) {
	for expr, text := range map[string]string{
		`[a-z]+1`: "a", `[a-z]*1`: "a", `([a-z]+)1`: "a", `([a-z]*)([0-9]+)/`: "a", `(?:a)[b-z]*1`: "ab",
	} {
		find, reason := newFinder(expr, false)
		if reason != "" {
			t.Fatal(reason)
		}
		start := time.Now()
		if find.match(strings.Repeat(text, 200_000)) {
			t.Errorf("%s matches", expr)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s takes %v", expr, took)
		}
	}
}

// The regexes that people write most are simple.
func TestSimpleTakes(t *testing.T) {
	for expr, want := range map[string]bool{
		`banana/([0-9]*)`: true, `^/api/(.*)$`: true, `^/v[0-9]+/([^/]+)/(.*)`: true, `^(?P<tenant>[a-z0-9]+)\.example\.com$`: true,
		`foo|bar|c`: false, `.*x`: false, `a+a`: false, `a*?`: false, `(?m)^a`: false, `\bfoo`: false, `[é-ü]+`: false,
		`^`: true, `^^a`: false, `a^`: false, `(^a)`: false, `(a|bc)d`: false, `a$`: true, `x*$`: true, `^x?yz*$`: true, `a?a`: false, `^[A]*a`: true, `^a*b?a`: false, `^a*b*a`: false, `^a?b*[ac]`: false, `^a*b+a`: true, `^a*[bc]a`: true, `^a*$a`: true, `()a[0-9]*b`: true, `x?[0-9]*$`: false, ``: true,
		`(?i)/ab/v[0-9]`: true, `(?i)/ak`: false, `(?i)/a/[^/]*/x`: true, `(?i)~a[^~]+~x`: true, `(?i)[{]a[^{]+[{]x`: true, `(?i)\{a[^{]+\{x`: true, `(?i)/as`: false, `(?i)[0-9]*/A`: true, `^(?i)[a-z]*/a`: false, `^(?i)[A]*a`: false,
		`^/a.*$`: true, `^/a(?s:.*)$`: true, `^a.$`: false, `^a(?s:.)$`: false, `^a[^/]$`: false, `^a[^/]?$`: false, `^a[^/]*$`: true, `^a[^a]+$`: true, `^aé$`: false, `^a[b-z]?$`: true,
		`^b(?:a)*$`: true, `^b(?:ab)*$`: false, `^b(?i:a)*$`: false, `^b\x{80}*$`: false, `^b\x7f*$`: true, `^\x7f$`: true, `^\x{80}$`: false, `^b[a-\x7f]*$`: true, `^b[é]*$`: false, `^b[\x{80}-\x{10ffff}]*$`: true, `^b[\x{7f}-\x{10ffff}]*$`: true,
		`^(?:(?i:k))*$`: false, `^b(?:a|b)*$`: true, `^b(a)*$`: false, `^b(?:a*)*$`: true,
		// These could walk the same text from many places.
		`a[a-z]*1`: false, `[0-9]*[a-z]*x`: false, `/api/[^/]+/x`: true, `[a-z]+/[0-9]+x`: true,
		`a[a-z]+1`: false, `[a-z][a-z]*1`: false, `[a-z][0-9]*/`: true, `[a-z]+[0-9]+/`: true, `(a)[a-z]*1`: false, `(a)[0-9]*b`: true, `([0-9]*)[a-z]*/`: false,
		`(?i)/[0-9]*/`: true, `(?i)a[A-Z]*1`: false, `(?i)a[a-z]*1`: false, `(?i:a)[A]*1`: false, `(?i:a)[a]*1`: false, `(?i:a)[b]*1`: true, `a[A]*1`: true, `a?[0-9]*b`: false, `ab[a]*1`: true,
	} {
		find, reason := newFinder(expr, false)
		if reason != "" {
			t.Fatal(reason)
		}
		if got := find.simple != nil; got != want {
			t.Errorf("%s is simple: %v, want %v", expr, got, want)
		}
		if (find.re != nil) != (find.simple == nil) {
			t.Errorf("%s is compiled twice, or not at all", expr)
		}
	}
}
