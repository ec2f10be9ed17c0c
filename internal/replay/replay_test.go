package replay

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/accesslog"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

func side(name string, workloads ...input.Workload) *input.Input {
	return &input.Input{Name: name, Workloads: workloads}
}

func workload(name, config string) input.Workload {
	return input.Workload{Name: name, Config: []byte(config)}
}

const (
	before = `{"patterns": [{"name": "old", "match": {"path": {"prefix": "/shop"}}, "rewrite": {"path": "/v1"}}]}`
	after  = `{"patterns": [{"name": "new", "match": {"path": {"prefix": "/shop"}}, "rewrite": {"path": "/v2"}},
		{"name": "gone", "match": {"path": {"exact": "/old"}}, "respond": {"status": 410}}]}`

	log = `GET /shop/a
GET /shop/a
GET /shop/b
no request at all
GET /old
GET /same
`
)

func TestALogIsPutThroughOldAndNewRules(t *testing.T) {
	requests, err := accesslog.Read(strings.NewReader(log), "http")
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name          string
		before, after string
		examples      int
		want          string
	}{
		{"groups are told by the patterns that acted, the most frequent first", before, after, 1, `old → new: 3 requests, 2 different
  GET http://example.com/shop/a (2)
    - path: /v1/a
    + path: /v2/a
  and 1 more
no pattern → gone: 1 request, 1 different
  GET http://example.com/old (1)
    - outcome: goes upstream
    + outcome: answered with 410
5 requests, 4 changed
1 line without a request, the first is line 4
`},
		{"nothing is told of rules that do the same", before, strings.Replace(before, `"old"`, `"other-name"`, 1), 3,
			"5 requests, 0 changed\n1 line without a request, the first is line 4\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pair, err := Match(side("a.yaml", workload("", c.before)), side("b.yaml", workload("", c.after)))
			if err != nil {
				t.Fatal(err)
			}

			report, err := pair.Compare(requests, c.examples)
			if err != nil {
				t.Fatal(err)
			}

			var text strings.Builder
			report.Text(&text)
			if text.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", &text, c.want)
			}
		})
	}
}

func TestOnlyOneSideHasTheWorkload(t *testing.T) {
	requests, err := accesslog.Read(strings.NewReader("GET /shop/a\n"), "http")
	if err != nil {
		t.Fatal(err)
	}

	pair, err := Match(side("a.yaml"), side("b.yaml", workload("shop", after)))
	if err != nil {
		t.Fatal(err)
	}

	report, err := pair.Compare(requests, 3)
	if err != nil {
		t.Fatal(err)
	}

	data, err := json.Marshal(report)
	if want := `{"workload":"shop","changed":1,"groups":[{"old":[],"new":["new"],`; err != nil || !strings.Contains(string(data), want) {
		t.Errorf("%s, %v; want %s in it", data, err, want)
	}
}

func TestALogIsOfOneWorkload(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after *input.Input
		want          []string // in the error; none where there is a pair
	}{
		{"the only ones belong together, whatever their names are", side("a.yaml", workload("x", before)), side("b.yaml", workload("y", after)), nil},
		{"nothing is in either", side("a.yaml"), side("b.yaml"), []string{"a.yaml and b.yaml hold no workload"}},
		{"several want a name", side("a.yaml", workload("x", before)), side("b.yaml", workload("x", before), workload("y", after)),
			[]string{"hold x, y", "--workload"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Match(c.before, c.after)
			if (err != nil) != (c.want != nil) || slices.ContainsFunc(c.want, func(part string) bool { return !strings.Contains(err.Error(), part) }) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
