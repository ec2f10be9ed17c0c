package regex_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/regex"
)

// hostile are regexes with texts on which engines that go back take forever, or
// as long as the square of the text.
var hostile = []struct{ expr, text string }{
	{`a.*z|a`, strings.Repeat("a", 58_000)}, {`legacy/.*/edit|legacy`, strings.Repeat("/legacy", 8000)}, {`(?:a.*){300}z|a`, strings.Repeat("a", 400)},
	{`(a?){300}b`, strings.Repeat("a", 5000)}, {`(?:(a)|(b)|(c)|[abc])*d`, strings.Repeat("abc", 18_000)}, {`(|a)*b`, strings.Repeat("a", 50_000)},
	{`.*é.*ü.*x`, strings.Repeat("éü", 14_000)}, {`(((((((((a))))))))|b)*c`, strings.Repeat("a", 50_000)}, {`((a.*)(b.*))*z|a|b`, strings.Repeat("ab", 29_000)},
	{`(?:a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p)*z`, strings.Repeat("abcdefghijklmnop", 3600)}, {`(?i)/([a-z]+)/17/(view|edit)$`, strings.Repeat("/item/17/views", 4100)},
	{`(?:(?:(?:a*)*)*)*b`, strings.Repeat("a", 50_000)}, {`^(?:[a-z]*b)+$`, strings.Repeat("ab", 20_000) + "/"}, {`(.*)(.*)(.*)(.*)x`, strings.Repeat("a", 3000)},
}

// bound is how many steps a search takes at most: each instruction once at each
// place, or less often than that four times as much.
func bound(r *regex.Regex, text string) int { return 16 + 4*(r.Size()+4)*(len(text)+2) }

// boundHolds checks the bound, and that a search that has fewer steps finds the
// same or says that they were not enough.
func boundHolds(t *testing.T, m *regex.Machine, r *regex.Regex, expr, text string) {
	t.Helper()

	loc, cut := make([]int, 2*(r.Groups()+1)), make([]int, 2*(r.Groups()+1))
	steps := plenty
	found := m.Find(r, &steps, text, 0, loc)
	used := plenty - steps
	if most := bound(r, text); used > most {
		t.Fatalf("%q on %.60q (%d bytes) takes %d steps, want at most %d", expr, text, len(text), used, most)
	}

	for _, left := range []int{0, used / 3, used - 1, used, used + 1} {
		steps := left

		got := m.Find(r, &steps, text, 0, cut)
		switch {
		case left >= used && (got != found || steps < 0):
			t.Fatalf("%q on %.60q with %d steps of %d: %v, %d left", expr, text, left, used, got, steps)
		case steps < 0 && got, steps >= 0 && got != found, got && !slices.Equal(cut, loc):
			t.Fatalf("%q on %.60q with %d steps of %d: %v %v, want %v %v", expr, text, left, used, got, cut, found, loc)
		case steps < -len(text)-len(loc)-2*regex.MaxProgram:
			t.Fatalf("%q on %.60q with %d steps: %d beyond", expr, text, left, -steps)
		}
	}
}

func FuzzSteps(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.expr, h.text[:min(len(h.text), 40)], 20)
	}

	m := &regex.Machine{}
	f.Fuzz(func(t *testing.T, expr, text string, times int) {
		if len(expr) > 100 || len(text) > 50 || times < 0 || times > 40 {
			return
		}
		if r, reason := regex.Compile(expr, false); reason == "" {
			boundHolds(t, m, r, expr, strings.Repeat(text, times))
		}
	})
}

func TestStepsAreBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(3, uint64(*seed)))

	m := &regex.Machine{}
	for range *rounds / 4 {
		expr := randomRegex(random, 2)
		if r, reason := regex.Compile(expr, false); reason == "" {
			boundHolds(t, m, r, expr, strings.Repeat(randomText(random), 1+random.IntN(20)))
		}
	}
}

// Whatever the regex and the text are, all searches of a text together end with
// the budget.
func TestBudgetEnds(t *testing.T) {
	m := &regex.Machine{}
	for _, h := range hostile {
		r, reason := regex.Compile(h.expr, false)
		if reason != "" {
			t.Fatal(reason)
		}

		loc := make([]int, 2*(r.Groups()+1))
		const budget = 100_000

		steps, found := budget, 0
		for w := (regex.Walk{}); m.Next(r, &steps, h.text, &w, loc); {
			found++
		}
		if steps < -len(h.text)-regex.MaxProgram {
			t.Errorf("%s: %d steps beyond the budget of %d", h.expr, -steps, budget)
		}
		if steps < 0 {
			if m.Find(r, &steps, "abc", 0, nil) {
				t.Errorf("%s: a search without steps finds something", h.expr)
			}
		}
	}
}

// A search allocates nothing, once the machine has what the regex and the text
// need.
func TestSearchAllocatesNothing(t *testing.T) {
	m := &regex.Machine{}
	for _, h := range hostile {
		r, _ := regex.Compile(h.expr, false)
		loc := make([]int, 2*(r.Groups()+1))
		if n := testing.AllocsPerRun(3, func() {
			steps := 1 << 20
			m.Find(r, &steps, h.text, 0, loc)
			m.Find(r, &steps, h.text, 0, nil)
		}); n > 0 {
			t.Errorf("%s: %v allocations a search", h.expr, n)
		}
	}
}

// The largest regexes compile quickly, and to what their size says.
func TestCompileIsBounded(t *testing.T) {
	for _, expr := range []string{
		strings.Repeat("((a?){2}){140}x", 1), strings.Repeat("a?", 500), strings.Repeat("[a-z]*", 170), strings.Repeat("(", 100) + strings.Repeat("a*)*", 100),
		strings.Repeat("(a|b)*", 170), strings.Repeat("x|", 511), strings.Repeat("(?:a|é)+?", 100), "[" + strings.Repeat("üéà", 170) +
			"]", strings.Repeat("a", 1024), "(?:" + strings.Repeat("a|", 300) + "b){3}",
	} {
		r, reason := regex.Compile(expr, true)
		if reason != "" {
			r, reason = regex.Compile(expr, false)
		}
		if reason != "" {
			t.Errorf("%.40s: %s", expr, reason)
			continue
		}
		if r.Size() > regex.MaxProgram {
			t.Errorf("%.40s: size %d", expr, r.Size())
		}
	}
}
