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
				fmt.Sprintf(`{"suffix": %q}`, text(1)+"x"), fmt.Sprintf(`{"suffix": %q, "ignoreCase": true}`, text(1)+"X"),
				fmt.Sprintf(`{"regex": %q}`, text(1)+"([0-9]*)"), fmt.Sprintf(`{"regex": %q}`, "^/"+text(1)+"(.*)"),
				fmt.Sprintf(`{"regex": %q}`, text(1)+"|"+text(1)), fmt.Sprintf(`{"regex": %q}`, "("+text(2)+")+$"),
			}[random.IntN(9)]
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
		matcher := []string{`{"exact": "/shop/item%d"}`, `{"prefix": "/shop/item%d"}`, `{"suffix": "/item%d.html"}`, `{"regex": "^/shop/item%d/([a-z]+)$"}`,
			`{"regex": "item%d/([0-9]+)"}`}[i%5]
		patterns = append(patterns, fmt.Sprintf(`{"match": {"path": `+matcher+`}, "rewrite": {"path": "/x"}}`, 1000+i))
	}

	rules, err := Load([]byte(`{"patterns": [` + strings.Join(patterns, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{"/shop/item1999/7", "/shop/item1998/abc", "/shop/item1000", "/shop/item1002.html", "/cart/checkout/overview"} {
		if list, _ := rules.index.candidates(path, nil); len(list) > 30 || !slices.IsSorted(list) {
			t.Errorf("%s: %d candidates", path, len(list))
		}
	}
}

// Each pattern is filed under what its path must hold, and tried where that is
// there; those that say nothing of their path are tried always.
func TestIndexFiles(t *testing.T) {
	patterns := []string{
		`"path": {"exact": "/a/b"}`, `"path": {"prefix": "/a"}`, `"path": {"regex": "^/a/(.*)"}`, `"path": {"regex": "banana([0-9]*)"}`, // 0 to 3
		`"path": {"exact": "/A", "ignoreCase": true}`, `"methods": ["GET"]`, `"path": {"exact": "/a/b"}}, "mode": "disabled", "sample": {"percent": 1`, // 4 to 6
		`"path": {"regex": "(a|b)c"}`, `"path": {"regex": "^[ab]/x"}`, `"path": {"regex": "ab[0-9]"}`, `"path": {"regex": "abc"}`, // 7 to 10
		`"path": {"regex": "^/b"}`, `"path": {"regex": "(?i)xyz/"}`, `"path": {"prefix": "/"}`, `"path": {"regex": "itemx1xshop"}`, // 11 to 14
		`"path": {"regex": "tem/x2x/shop"}`, `"path": {"regex": "item/x3xshop"}`, `"path": {"regex": "item/x4x/sho"}`, // 15 to 17
		`"path": {"suffix": ".js"}`, `"path": {"suffix": "/"}`, `"path": {"suffix": ".CSS", "ignoreCase": true}`, // 18 to 20
	}
	index := func(patterns []string) *index {
		rules, err := Load([]byte(`{"patterns": [{"rewrite": {"path": "/x", "replace": "whole"}, "match": {` +
			strings.Join(patterns, `}}, {"rewrite": {"path": "/x", "replace": "whole"}, "match": {`) + `}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return rules.index
	}
	if index(patterns[:minIndexed-1]) != nil || index(patterns[:8]) == nil || minIndexed != 8 {
		t.Error("an index for fewer than 8 patterns, or none for 8")
	}

	x := index(patterns)
	if want := []int{5, 7, 8, 9, 19}; !slices.Equal(x.always, want) {
		t.Errorf("%v are always tried, want %v", x.always, want)
	}

	for path, want := range map[string][]int{
		"/a/b": {0, 1, 2, 4, 13}, "/a": {1, 4, 13}, "/xbanana": {3, 13}, "/xabc": {10, 13}, "/b": {11, 13}, "": {13}, "/": {13}, "/XYZ/": {12, 13}, "/xYz/": {12, 13},
		"/tem/x2x/shop": {13, 15}, "/item/x3xshop": {13, 16}, "/item/shop": {13}, "/x.js": {13, 18}, "/x.css": {13, 20}, "/x.CSs": {13, 20},
	} {
		if got, _ := x.candidates(path, nil); !slices.Equal(got, want) {
			t.Errorf("%q: %v are tried, want %v", path, got, want)
		}
	}
}

// A path of which the patterns want nothing but the slash has them all.
func TestIndexOfRoots(t *testing.T) {
	rules, err := Load([]byte(`{"patterns": [` + strings.Repeat(`{"match": {"path": {"prefix": "/"}}, "rewrite": {"host": "a"}},`, minIndexed-1) +
		`{"match": {"path": {"prefix": "/"}}, "rewrite": {"host": "a"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := rules.index.candidates("/a", nil); len(got) != minIndexed {
		t.Errorf("%v are tried, want all", got)
	}
}

// onlyPath is a request of which nothing but the path is asked.
type onlyPath string

func (p onlyPath) Header(string) (string, bool, bool) { return string(p), true, true }
func (p onlyPath) Headers() ([]Header, bool) {
	return []Header{{":path", string(p)}, {":method", "GET"}, {":scheme", "http"}, {":authority", "h"}}, true
}
