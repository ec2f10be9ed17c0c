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
	in := map[string]string{
		"Config.OnUnsafe":      `{"onUnsafe":%s}`,
		"Pattern.Then":         `{"patterns":[{"then":%s}]}`,
		"Pattern.Mode":         `{"patterns":[{"mode":%s}]}`,
		"Match.Scheme":         `{"patterns":[{"match":{"scheme":%s}}]}`,
		"Match.Methods":        `{"patterns":[{"match":{"methods":%s}}]}`,
		"ResponseMatch.Status": `{"patterns":[{"match":{"response":{"status":%s}}}]}`,
		"Rewrite.Replace":      `{"patterns":[{"rewrite":{"replace":%s}}]}`,
		"Redirect.Replace":     `{"patterns":[{"redirect":{"replace":%s}}]}`,
		"Redirect.Scheme":      `{"patterns":[{"redirect":{"scheme":%s}}]}`,
		"Redirect.Query":       `{"patterns":[{"redirect":{"query":%s}}]}`,
		"Redirect.Status":      `{"patterns":[{"redirect":{"status":%s}}]}`,
		"Redirect.Port":        `{"patterns":[{"redirect":{"port":%s}}]}`,
		"Respond.Status":       `{"patterns":[{"respond":{"status":%s}}]}`,
		"Sample.Percent":       `{"patterns":[{"sample":{"percent":%s}}]}`,
	}
	for place, limit := range limits {
		t.Run(place, func(t *testing.T) {
			text, known := in[place]
			if !known {
				t.Fatal("has no configuration in this test")
			}
			var good, bad []any
			words, _ := limit["enum"].([]any)
			for _, word := range words {
				good = append(good, word)
				bad = append(bad, fmt.Sprint(word)+"x")
			}
			if low, ok := limit["minimum"].(int); ok {
				high := limit["maximum"].(int)
				good = append(good, low, high)
				bad = append(bad, low-1, high+1)
			}
			if limit["minItems"] == 1 {
				bad = append(bad, []any{})
			}
			for _, value := range good {
				if err := parse(t, text, value); err != nil {
					t.Errorf("the schema allows %v, Parse does not: %v", value, err)
				}
			}
			for _, value := range bad {
				if parse(t, text, value) == nil {
					t.Errorf("the schema refuses %v, Parse allows it", value)
				}
			}
		})
	}
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
