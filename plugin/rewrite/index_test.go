package rewrite

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The index leaves out no pattern that matches: with it, every path meets the
// fate that it meets when all patterns are tried, which they are under Trace.
func TestIndexChangesNothing(t *testing.T) {
	parts := []string{"/", "/a", "/ab", "/abc/", "api", "/api/v1", "banana", "418", "%41", "é", "", "/x/y/z", "x"}
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) (s string) {
		for range n {
			s += parts[random.IntN(len(parts))]
		}
		return s
	}
	for round := range 300 {
		var patterns []string
		for range minIndexed + random.IntN(40) {
			matcher := []string{
				fmt.Sprintf(`{"exact": %q}`, "/"+text(2)), fmt.Sprintf(`{"prefix": %q}`, "/"+text(1)),
				fmt.Sprintf(`{"prefix": %q, "ignoreCase": true}`, "/"+text(1)),
				fmt.Sprintf(`{"regex": %q}`, text(1)+"([0-9]*)"), fmt.Sprintf(`{"regex": %q}`, "^/"+text(1)+"(.*)"),
				fmt.Sprintf(`{"regex": %q}`, text(1)+"|"+text(1)), fmt.Sprintf(`{"regex": %q}`, "("+text(2)+")+$"),
			}[random.IntN(7)]
			then := []string{"stop", "next"}[random.IntN(2)]
			if random.IntN(10) == 0 {
				patterns = append(patterns, `{"match": {"methods": ["PUT"]}, "respond": {"status": 204}}`)
			}
			patterns = append(patterns, fmt.Sprintf(`{"match": {"path": %s}, "rewrite": {"path": %q, "replace": "whole"}, "then": %q}`, matcher, "/x"+text(2), then))
		}
		rules, err := Load([]byte(`{"onUnsafe": "keep", "patterns": [` + strings.Join(patterns, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			path := "/" + text(1+random.IntN(4))
			outcome := func(trace bool) string {
				s := rules.NewStream()
				if trace {
					s.Trace = func(Step) {}
				}
				out := s.Request(onlyPath(path))
				text, _ := json.Marshal([]any{out.Edits, out.Acted, out.Counts})
				return string(text)
			}
			if with, without := outcome(false), outcome(true); with != without {
				t.Fatalf("round %d, path %q: %s with the index, %s without\n%s", round, path, with, without, strings.Join(patterns, "\n"))
			}
		}
	}
}

// Of many patterns few are tried.
func TestIndexIsNarrow(t *testing.T) {
	var patterns []string
	for i := range 1000 {
		matcher := []string{`{"exact": "/shop/item%d"}`, `{"prefix": "/shop/item%d"}`, `{"regex": "^/shop/item%d/([a-z]+)$"}`, `{"regex": "item%d/([0-9]+)"}`}[i%4]
		patterns = append(patterns, fmt.Sprintf(`{"match": {"path": `+matcher+`}, "rewrite": {"path": "/x"}}`, 1000+i))
	}
	rules, err := Load([]byte(`{"patterns": [` + strings.Join(patterns, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/shop/item1999/7", "/shop/item1998/abc", "/shop/item1000", "/cart/checkout/overview"} {
		if list := rules.index.candidates(path, nil); len(list) > 30 || !slices.IsSorted(list) {
			t.Errorf("%s: %d candidates", path, len(list))
		}
	}
}

// onlyPath is a request of which nothing but the path is asked.
type onlyPath string

func (p onlyPath) Header(string) (string, bool, bool) { return string(p), true, true }
func (p onlyPath) Headers() ([]Header, bool) {
	return []Header{{":path", string(p)}, {":method", "GET"}, {":scheme", "http"}, {":authority", "h"}}, true
}
