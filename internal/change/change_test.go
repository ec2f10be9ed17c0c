package change

import (
	"slices"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

func TestValuesThatDifferAreNamedByTheirPaths(t *testing.T) {
	object := map[string]any{"a": map[string]any{"b": "x", "c": 1.0}}
	for _, c := range []struct {
		name    string
		was, is any
		want    []string
	}{
		{"the same", object, object, nil},
		{"nothing and nothing", map[string]any(nil), map[string]any{}, nil},
		{"one that is new", map[string]any(nil), object, []string{`a none → {"b":"x","c":1}`}},
		{"one that is gone", object, map[string]any(nil), []string{`a {"b":"x","c":1} → none`}},
		{"one that is deeper", object, map[string]any{"a": map[string]any{"b": "y", "c": 1.0}}, []string{`a.b "x" → "y"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Values("", c.was, c.is); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRulesAreToldPatternByPattern(t *testing.T) {
	was := &input.Workload{Config: []byte(`{"revision": "1", "patterns": [{"name": "a", "rewrite": {"path": "/x"}}, {"name": "b"}, {"name": "c"}, {}], "headers": null}`)}
	is := &input.Workload{Config: []byte(`{"revision": "2", "patterns": [{"name": "c"}, {"name": "a", "rewrite": {"path": "/y"}}, {"name": "d"}], "onUnsafe": "keep"}`)}
	got, err := Rules(was, is)
	if err != nil {
		t.Fatal(err)
	}

	want := []string{
		`changed  a: rewrite.path "/x" → "/y"`,
		"new      d",
		"gone     b",
		"gone     pattern-3",
		"order    c, a",
		`changed  onUnsafe none → "keep"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if _, err := Rules(was, &input.Workload{Config: []byte("[")}); err == nil {
		t.Error("a configuration that is no JSON is no error")
	}
	if got, err := Rules(&input.Workload{Config: []byte("null")}, nil); err != nil || got != nil {
		t.Errorf("of none and none: %q, %v", got, err)
	}
}

func TestDifferencesAreWhatAClientOrAnUpstreamSees(t *testing.T) {
	answered := exchange.Seen{Client: exchange.Response(410, []message.Header{{Name: "x-a", Value: "1"}})}
	request := exchange.Request("GET", "http", "example.com", "/b", nil)
	passed := exchange.Seen{Upstream: &request, Client: exchange.Response(200, nil)}
	got := Differences(answered, passed)
	want := []Difference{{"outcome", "answered with 410", "goes upstream"}, {"response header x-a", "1", ""}}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Differences(passed, passed); got != nil {
		t.Errorf("of the same: %q", got)
	}
}
