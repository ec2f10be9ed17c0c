package answers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	inputs "github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
)

// layered has what the defaults and a workload say of the same keys, with nulls and values that count as nothing
// elsewhere.
const layered = `url: file:///plugin.wasm
defaults:
  phase: AUTHN
  vars: {a: 1, b: {c: x}, gone: 2}
  patternHeader: x-all
  lint: {ignore: {phase: said elsewhere}}
workloads:
  one:
    selector: {app: one}
    vars: {b: {d: y}, gone: null, zero: 0, no: false, empty: ""}
    patternHeader: ""
    patterns: [{match: {path: {prefix: /a}}, rewrite: {path: /b}}]
    tests: [{request: {path: /a}, expect: {path: /b}}]
  off: {enabled: false, selector: {app: off}}
  nothing: null
`

// The page has no Helm: what it takes a workload's rules to be is what the chart makes of them.
func TestValuesAreReadAsTheChartReadsThem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "layered.yaml")
	if err := os.WriteFile(file, []byte(layered), 0o644); err != nil {
		t.Fatal(err)
	}

	files := []string{file}
	for _, pattern := range []string{"../../docs/recipes/*.yaml", "../../charts/wasm-rewrite/ci/*.yaml"} {
		more, err := filepath.Glob(pattern)
		if err != nil || len(more) == 0 {
			t.Fatal(pattern, err)
		}

		files = append(files, more...)
	}

	for _, file := range files {
		want, err := inputs.Input(file, inputs.Options{Chart: "../../charts/wasm-rewrite"})
		if err != nil {
			t.Fatal(err)
		}

		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		got, err := read(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Workloads) != len(want.Workloads) {
			t.Errorf("%s: %d workloads, the chart makes %d", file, len(got.Workloads), len(want.Workloads))
			continue
		}

		for i, w := range want.Workloads {
			g := got.Workloads[i]
			if g.Name != w.Name || g.Phase != w.Phase && w.Phase != "" || !reflect.DeepEqual(g.Tests, w.Tests) || !reflect.DeepEqual(g.Ignored, w.Ignored) {
				t.Errorf("%s: %+v, the chart makes %+v", file, g, w)
			}
			if !reflect.DeepEqual(rules(t, g.Config), rules(t, w.Config)) {
				t.Errorf("%s: %s, the chart makes %s", file, g.Config, w.Config)
			}
		}
	}
}

// rules are a configuration without its revision, which the chart writes.
func rules(t *testing.T, config []byte) (all map[string]any) {
	t.Helper()
	if err := json.Unmarshal(config, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "revision")
	return all
}

// What is marked as a capture is what the engine writes for it.
func TestCapturesAreTheEngines(t *testing.T) {
	const values = `
vars: {d: a.b}
patterns:
- match:
    path: {regex: "/(É|x)*/((y)z)?([0-9]+)", ignoreCase: false}
    host: {regex: '^(?P<tenant>[a-z]+)\.${var.d}$'}
  headers: {request: {set: {x-1: "$1", x-2: "$2", x-3: "$3", x-4: "$4", x-tenant: "${tenant}"}}}
`
	d := &Desk{}
	a := d.try(t.Context(), &Question{Values: values, Method: "GET", URL: "http://Blue.a.b:80/-/xx/42", Status: "200"})
	if a.Problem != "" || len(a.Explanation.Request) != 1 {
		t.Fatalf("%+v", a)
	}
	if a.Steps.Used <= 0 || a.Steps.Used >= a.Steps.Budget/100 {
		t.Errorf("a short request takes %d steps of %d", a.Steps.Used, a.Steps.Budget)
	}

	s := a.Explanation.Request[0]

	want := map[string]string{}
	for _, c := range s.Captures {
		want["x-"+strings.Trim(c.Name, "${}")] = c.Value
	}

	got := map[string]string{}
	for _, c := range s.Changes {
		got[c.Name] = c.Value
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("captures %v, the engine wrote %v", want, got)
	}
	if len(s.Path.Spans) != 2 || s.Path.Spans[0] != (span{4, 5, "$1"}) || s.Path.Spans[1] != (span{6, 8, "$4"}) {
		t.Errorf("marked %v in %q", s.Path.Spans, s.Path.Text)
	}
}
