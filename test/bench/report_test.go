package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// fabricated are samples in which each target takes some µs over no filter, with
// noise of 1 µs.
func fabricated(s scenario, over func(target) float64) [][]float64 {
	random := rand.New(rand.NewPCG(3, 4))

	samples := make([][]float64, len(s.targets))
	for i, t := range s.targets {
		for range 40 {
			samples[i] = append(samples[i], 30+over(t)+random.NormFloat64())
		}
	}
	return samples
}

func made(over map[string]float64) report {
	of := func(t target) float64 { return over[t.contender.name] }

	var r report
	for _, s := range []scenario{
		seedScenario(everybody(), 8, 0), manyScenario("mixed", inPatterns, counts, 0),
	} {
		r.Scenarios = append(r.Scenarios, conclude(s, fabricated(s, of), 250))
	}
	r.judge()
	return r
}

func TestWhatIsLostComesFirst(t *testing.T) {
	r := made(map[string]float64{native: 3, empty: 5, ours: 8, lua: 6, rust: 16, seed: 20, seedDefault: 22, logging: 25})
	page := r.markdown()
	parts := strings.Split(page, "\n## ")
	if !strings.HasPrefix(parts[1], "Where wasm-rewrite loses\n") {
		t.Fatalf("the first section is %q", parts[1])
	}

	for _, want := range []string{"of Envoy itself", "of Lua; the goal is 0.9"} {
		if !strings.Contains(parts[1], want) {
			t.Errorf("what is lost does not name %q:\n%s", want, parts[1])
		}
	}
	if !strings.Contains(parts[3], "of Rust; the goal is 0.7") || !strings.Contains(parts[3], "of the seed; the goal is 0.6") {
		t.Errorf("what is won lacks Rust or the seed:\n%s", parts[3])
	}
	if !strings.Contains(parts[3], "mixed patterns: 1000 cost 1.0") {
		t.Errorf("what is won lacks the many patterns:\n%s", parts[3])
	}
}

func TestNoiseIsNoVerdict(t *testing.T) {
	for _, v := range made(map[string]float64{native: 8, ours: 8, lua: 8, rust: 8, seed: 8, seedDefault: 8, logging: 8}).Verdicts {
		if strings.HasSuffix(v.Text, "of Envoy itself") && v.Result != even {
			t.Errorf("equal, and the verdict is %s: %s", v.Result, v.Text)
		}
	}
}

func TestNearlyNothingHasNoRatio(t *testing.T) {
	r := made(map[string]float64{native: 0, ours: 8})
	x := r.Scenarios[0].row(native, 0, true)
	if x.Ours.Ratio != nil {
		t.Errorf("a ratio to nothing: %v", x.Ours.Ratio)
	}
	if d := x.Ours.Difference; d.Median < 7 || d.Median > 9 {
		t.Errorf("the difference is %v, not 8", d)
	}
}

func TestResultsAreWhole(t *testing.T) {
	r := made(map[string]float64{native: 3, empty: 5, ours: 8, lua: 10, rust: 13, seed: 15, seedDefault: 20, logging: 25})
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}

	pictures := r.pictures()
	for _, name := range []string{"cost.svg", "patterns.svg"} {
		n := elements(t, name, pictures[name])
		if n < 20 || strings.Contains(pictures[name], "NaN") || strings.Contains(pictures[name], "%!") {
			t.Errorf("%s: %d elements:\n%s", name, n, pictures[name])
		}
	}
}

// elements counts those of a picture, which must be well-formed.
func elements(t *testing.T, name, svg string) (n int) {
	t.Helper()

	for decoder := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, ok := token.(xml.StartElement); ok {
			n++
		}
	}
}

func TestLuaScriptsQuoteWhatLuaReadsOtherwise(t *testing.T) {
	script := work{
		patterns: []pattern{{"regex", "^/a-b/([0-9]*)$", "/c/$1"}},
		response: operations{set: map[string]string{"author": "陽\""}},
	}.lua()
	for _, want := range []string{`"^/a%-b/([0-9]*)$"`, `"/c/%1"`, `"\233\153\189\034"`} {
		if !strings.Contains(script, want) {
			t.Errorf("no %s in\n%s", want, script)
		}
	}
}
