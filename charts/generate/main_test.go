package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

func TestMadeFilesAreUpToDate(t *testing.T) {
	g := generator{chart: "../wasm-rewrite", config: "../../plugin/rewrite/config.go", bin: "../../build/bin"}
	if err := run(g, true); err != nil {
		t.Error(err)
	}
}

// What the schema allows or refuses at a place with limits, Parse must allow or
// refuse too.
func TestLimitsAreThoseOfParse(t *testing.T) {
	tried := 0
	limits(rewrite.Language(), "", "%s", func(path, text string, of *rewrite.Type) {
		good, bad := values(rules{}.of(of, ""))

		tried += len(good) + len(bad)
		for _, value := range good {
			if err := parse(t, text, value); err != nil {
				t.Errorf("the schema allows %s: %v, Parse does not: %v", path, value, err)
			}
		}

		for _, value := range bad {
			if parse(t, text, value) == nil {
				t.Errorf("the schema refuses %s: %v, Parse allows it", path, value)
			}
		}
	})
	if tried < 60 {
		t.Errorf("%d values were tried: this test reads the language wrongly", tried)
	}
}

// limits visits every type of the language that is not an object, with a
// configuration whose %s is a value of it.
func limits(of *rewrite.Type, path, text string, visit func(path, text string, of *rewrite.Type)) {
	put := func(format string, args ...any) string {
		return strings.Replace(text, "%s", fmt.Sprintf(format, args...), 1)
	}
	switch of.Form {
	case rewrite.Object, rewrite.WordOrObject:
		others := ""
		for _, key := range of.Keys {
			if key.Type.Missing != "" && key.Type.Form == rewrite.Text {
				others += fmt.Sprintf(",%q:%q", key.Name, "x")
			}
		}

		for _, key := range of.Keys {
			rest := strings.Replace(others, fmt.Sprintf(",%q:%q", key.Name, "x"), "", 1)
			limits(key.Type, path+"."+key.Name, put("{%q:%%s%s}", key.Name, rest), visit)
		}
	case rewrite.List:
		limits(of.Elem, path+"[]", put("[%%s]"), visit)
		if of.Empty != "" {
			visit(path, text, of)
		}
	case rewrite.Map:
		limits(of.Elem, path+".x", put(`{"x":%%s}`), visit)
	default:
		visit(path, text, of)
	}
}

// values gives some that a schema allows, and some that it does not.
func values(of schema) (good, bad []any) {
	words, _ := of["enum"].([]any)
	for _, word := range words {
		good = append(good, word)
		bad = append(bad, fmt.Sprint(word)+"x")
	}
	if low, ok := of["minimum"].(int); ok {
		high := of["maximum"].(int)
		good = append(good, low, high)
		bad = append(bad, low-1, high+1)
	}
	if of["minItems"] == 1 {
		bad = append(bad, []any{})
	}

	switch of["type"] {
	case "string":
		bad = append(bad, 1, true, []any{"x"}, map[string]any{})
	case "boolean":
		good, bad = append(good, true, false), append(bad, "true", 1)
	case "integer", "number":
		bad = append(bad, "1", true)
	}

	return good, bad
}

// parse gives Parse's error with a value put into a configuration.
func parse(t *testing.T, text string, value any) error {
	t.Helper()

	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}

	_, err = rewrite.Parse([]byte(strings.Replace(text, "%s", string(encoded), 1)))
	return err
}

func TestExampleInValuesMustFollowWorkloads(t *testing.T) {
	got, err := uncommented([]byte("a: 1\n# -- what\nworkloads: {} # @schema x\n# workloads:\n#   httpbin:\n#     # -- on\n#     enabled: true\n"))
	if want := "a: 1\n# -- what\nworkloads: # @schema x\n  httpbin:\n    # -- on\n    enabled: true\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}

	for _, values := range []string{"a: 1\n", "\nworkloads: {}\nb: 2\n# workloads:\n", "\nworkloads: {}\n# workloads:\n#   x:\nb: 2\n"} {
		if _, err := uncommented([]byte(values)); err == nil {
			t.Errorf("%q was accepted", values)
		}
	}
}
