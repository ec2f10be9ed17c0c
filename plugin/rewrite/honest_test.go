package rewrite_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// An honest request takes a small part of the budget, even a large one on 1,000
// patterns of all kinds.
func TestHonestRequestsNeverMeetTheBudget(t *testing.T) {
	var patterns []string
	for i := range 125 {
		patterns = append(patterns,
			fmt.Sprintf(`{"match": {"path": {"exact": "/e%d"}}, "rewrite": {"path": "/x"}}`, i),
			fmt.Sprintf(`{"match": {"path": {"prefix": "/p%d"}}, "rewrite": {"path": "/x"}}`, i),
			fmt.Sprintf(`{"match": {"path": {"regex": "^/r%d/([a-z]+)/(.*)$"}}, "rewrite": {"path": "/x/$2/$1"}}`, i),
			fmt.Sprintf(`{"match": {"path": {"regex": "(?i)/(view|edit)/[0-9]+/%d$"}}, "redirect": {"path": "/x/$1"}}`, i),
			fmt.Sprintf(`{"match": {"host": {"suffix": ".h%d"}}, "redirect": {"path": "/x"}}`, i),
			fmt.Sprintf(`{"match": {"headers": [{"name": "x-%d", "regex": "^v%d(.*)$"}]}, "headers": {"request": {"set": {"x-b": "1"}}}}`, i%60, i),
			fmt.Sprintf(`{"match": {"query": [{"name": "q%d", "exact": "%d"}]}, "rewrite": {"query": {"remove": ["q%d"]}}}`, i%100, i+1000, i),
			fmt.Sprintf(`{"match": {"response": {"status": [5xx]}, "methods": ["PUT"]}, "headers": {"response": {"set": {"x-%d": "1"}}}}`, i))
	}

	stream := load(t, strings.ReplaceAll(`{"patterns": [`+strings.Join(patterns, ",")+`]}`, "5xx", `"5xx"`)).NewStream()
	target := "/" + strings.Repeat("segment/view/17/", 450) + "?"
	var list []rewrite.Header

	for i := range 100 {
		target += fmt.Sprintf("q%d=%d&", i, i)
	}

	list = append(list, rewrite.Header{Name: ":path", Value: target}, rewrite.Header{Name: ":authority", Value: "a.example.com"},
		rewrite.Header{Name: ":method", Value: "GET"}, rewrite.Header{Name: ":scheme", Value: "https"})
	for i := range 60 {
		list = append(list, rewrite.Header{Name: fmt.Sprintf("x-%d", i), Value: strings.Repeat("value ", 20)})
	}
	stream.Request(&source{list: list})
	used := rewrite.Budget - stream.Steps()
	t.Logf("%d of %d steps", used, rewrite.Budget)
	if used > rewrite.Budget/2 {
		t.Errorf("%d of %d steps", used, rewrite.Budget)
	}
}
