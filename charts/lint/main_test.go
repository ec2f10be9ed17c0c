package main

import (
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string // "" for none
	}{
		{"in order", "{{- if .a }}\n  {{- range .b }}\nx: {{ if . }}1{{ else }}2{{ end }}\n  {{- end }}\n{{- else }}\n{{- end }}", ""},
		{"a tab", "a:\tb", "1: has a tab: indent with blanks"},
		{"a blank at the end", "a: b ", "1: ends in a blank"},
		{"a long line", "{{ .a }}: " + strings.Repeat("{{ .b }}", 20), "1: has 170 characters, more than 160"},
		{"a long text", `{{ fail "` + strings.Repeat("x", 200) + `" }}`, ""},
		{"an odd indentation", "{{ if .a }}\n   {{- if .b }}\n   {{- end }}\n{{- end }}",
			"2: is indented by 3 blanks: want an even number\n3: is indented by 3 blanks: want an even number"},
		{"an end elsewhere", "{{ if .a }}\nb\n  {{- end }}", "3: end is indented by 2 blanks, and the block of line 1 by 0"},
		{"an else elsewhere", "{{ if .a }}\n  {{- else }}\n{{- end }}", "2: else is indented by 2 blanks, and the block of line 1 by 0"},
		{"a block without its end", "a\n{{ if .a }}\nb", "2: a block without its end"},
		{"an end without a block", "{{ end }}", "1: end without a block"},
	} {
		if got := strings.Join(template(c.text, false), "\n"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// The chart's own templates have no fault.
func TestTemplatesOfTheChart(t *testing.T) {
	faults, err := folder("../wasm-rewrite/templates")
	if err != nil || len(faults) > 0 {
		t.Errorf("%v\n%s", err, strings.Join(faults, "\n"))
	}
}
