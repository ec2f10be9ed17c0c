package regex_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/regex"
)

// plenty is a budget that no search of these tests uses up.
const plenty = 1 << 40

// same compares what is found in a text with what Go's regexp finds: the
// leftmost match with its groups, without them, and every match.
func same(t *testing.T, m *regex.Machine, r *regex.Regex, re *regexp.Regexp, text string) {
	t.Helper()

	loc := make([]int, 2*(r.Groups()+1))
	steps := plenty
	want := re.FindStringSubmatchIndex(text)
	found := m.Find(r, &steps, text, 0, loc)
	if steps < 0 {
		t.Fatalf("%q in %q: the steps are used up", re, text)
	}
	if found != (want != nil) || found && !slices.Equal(loc, want) {
		t.Fatalf("%q in %q: %v %v, want %v", re, text, found, loc, want)
	}
	if found := m.Find(r, &steps, text, 0, nil); found != (want != nil) {
		t.Fatalf("%q matches %q: %v, want %v", re, text, found, want != nil)
	}

	literal, fold, begins := r.Literal()
	if want != nil {
		match := text[want[0]:want[1]]
		if fold {
			match = asciiLower(match)
		}
		if !strings.Contains(match, literal) || begins && (want[0] > 0 || !strings.HasPrefix(match, literal)) {
			t.Fatalf("%q matches %q, which lacks %q (without case: %v, at the beginning: %v)", re, text, literal, fold, begins)
		}
	}

	var all [][]int
	for w := (regex.Walk{}); m.Next(r, &steps, text, &w, loc); {
		all = append(all, slices.Clone(loc))
	}
	if want := re.FindAllStringSubmatchIndex(text, -1); !slices.EqualFunc(all, want, slices.Equal[[]int]) {
		t.Fatalf("all of %q in %q: %v, want %v", re, text, all, want)
	}
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// leftOut reports whether a reason is one of those that Go's regexp does not have.
func leftOut(reason string) bool {
	for _, own := range []string{"Unicode classes", "the case of letters outside ASCII", "nested deeper than", "instructions, the limit is",
		"bytes, the limit is"} {
		if strings.Contains(reason, own) {
			return true
		}
	}
	return false
}

// compare compiles an expression both ways and compares what is found in texts.
func compare(t *testing.T, m *regex.Machine, expr string, texts ...string) bool {
	t.Helper()

	r, reason := regex.Compile(expr, false)
	re, err := regexp.Compile(expr)
	if reason != "" {
		if err == nil && !leftOut(reason) {
			t.Fatalf("%q is refused: %s", expr, reason)
		}
		return false
	}
	if err != nil {
		t.Fatalf("%q is taken, regexp says: %v", expr, err)
	}
	if !slices.Equal(r.Names(), re.SubexpNames()) {
		t.Fatalf("%q: names %q, want %q", expr, r.Names(), re.SubexpNames())
	}

	for _, text := range texts {
		same(t, m, r, re, text)
	}

	return true
}

func FuzzRegex(f *testing.F) {
	for _, expr := range []string{
		`banana/([0-9]*)`, `^/api/v[0-9]+/(.*)$`, `^/(?P<a>[a-z0-9-]+)/(.*)`, `a*`, `a?b`, `[^/]+/x`, `.*`, `(?i)/Foo`, `/$`, `$`, `^`, ``,
		`[a-z]+1`, `a[a-z]*1`, `(a)(b*)`, `(?s).*`, `\d+`, `[[:alpha:]]+=`, `é+`, `[a-c]{2}/`, `x*y?z`, `(a*)*`, `(|a)*b`, `(?:(a)|b)*?c`,
		`(?i)straSSe|ok`, `\bfoo\B`, `(?m)^a$`, `(?U)a+?b*`, `\Qa.b\E+`, `[^\x00-\x{10FFFF}]`, `(?:a|ab)(?:c|bcd)(d*)`, `^(foo|bar)(/|$)(.*)`, `((a?){2}){3}b`,
		`\pL`, `(?=a)`, `a++`, `(?<a-b>x)`, `\1`, `(?i)é`,
	} {
		for _, text := range []string{"", "/banana/418", "/api/v2/x/y", "aab", "/é/x", "\xff/x", "abc1", "FOO/foo", "a\nb", "a\vb\x00c", "\u212a\u017f", "abbcd"} {
			f.Add(expr, text)
		}
	}

	m := &regex.Machine{}
	f.Fuzz(func(t *testing.T, expr, text string) {
		if len(expr) <= 200 && len(text) <= 500 {
			compare(t, m, expr, text)
		}
	})
}

// randomRegex makes a regex: of few letters, so that texts match it.
func randomRegex(random *rand.Rand, depth int) (expr string) {
	pieces := []string{
		"a", "b", "[ab]", "ab", "a|b", "[^a]", "/", "k", "s", "K", "S", "ks", "é", `\x{80}`, `\x{7f}`, `\x{fffd}`, `\x00`, `\n`, ".", "(?s:.)", "(?i:a)", "(?i:ak)", "(?i:/Ab)", "(?i:[a])", "(?i:[j-t])",
		"[^/]", "[a-b]", "[^ab]", "[0-9]", `[\x{7f}-\x{80}]`, `[\x{80}-\x{10ffff}]`, `[\x{7f}-\x{10ffff}]`, `[\x{81}-\x{10ffff}]`, `[a\x{82}-\x{10ffff}]`,
		`[a-\x{10fffe}]`, `[^\x{10ffff}]`, `[\x00-a]`, "(?:ab|ba)", "(?:aab|ab)", "()", "(?:)", `\b`, `\B`, "^", "$", "(?m:^)", "(?m:$)", `\w`, `\W`, `(?i:\w)`, `(?i:\W)`, `[[:^alpha:]]`, `é|a`, `[é-ü]`,
	}
	repeats := []string{"", "", "", "", "", "*", "*", "+", "+", "?", "{2}", "{0,2}", "*?", "+?", "??", "{1,}", "{2,}?", "{0}", "{1,3}?"}

	switch random.IntN(4) {
	case 0:
		pieces = pieces[:3+random.IntN(4)]
	case 1:
		pieces = pieces[:10]
	}
	if random.IntN(5) == 0 {
		expr = []string{"^", "^", "^", "^^", "^*", "(?m)^", "(?i)", "(?U)", "(?s)"}[random.IntN(9)]
	}

	for range 1 + random.IntN(4) {
		piece := pieces[random.IntN(len(pieces))]
		if depth > 0 && random.IntN(3) == 0 {
			piece = randomRegex(random, depth-1)
		}
		if random.IntN(2) == 0 {
			piece = []string{"(", "(?:", "(", "(?:", "(?i:", "(?U:"}[random.IntN(6)] + piece + ")"
		}

		expr += piece + repeats[random.IntN(len(repeats))]
		if random.IntN(6) == 0 {
			expr += "|"
		}
	}
	if random.IntN(5) == 0 {
		expr += []string{"$", "$", "$", "()$", "$$", "$a", "$*", "(?m:$)"}[random.IntN(8)]
	}

	return expr
}

func randomText(random *rand.Rand) (text string) {
	pieces := []string{"a", "a", "b", "b", "A", "B", "/", "k", "s", "K", "S", "\u212a", "\u017f", "é", "\u0080", "\u0081", "\u0082", "\x7f", "\x80",
		"\xff", "\ufffd", "\x00", "\n", "1", "\xe2\x84", "\U0010ffff"}

	n := 2 + random.IntN(4)*(len(pieces)-2)/3
	for range random.IntN(14) {
		text += pieces[random.IntN(n)]
	}
	return text
}

// What chance makes is found as Go's regexp finds it.
func TestRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, uint64(*seed)))
	m := &regex.Machine{}

	taken := 0
	for range *rounds {
		expr := randomRegex(random, 2)
		if len(expr) > 300 {
			continue
		}

		texts := make([]string, 8)
		for i := range texts {
			texts[i] = randomText(random)
		}
		if compare(t, m, expr, texts...) {
			taken++
		}
	}
	if taken < *rounds/2 {
		t.Errorf("only %d of %d were taken", taken, *rounds)
	}
	if utf8.RuneError != '\ufffd' {
		t.Error("U+FFFD")
	}
}
