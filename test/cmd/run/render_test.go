package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck holds what somebody reads whose rules cannot run: all of it, with its place.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct{ rules, want string }{
		"two errors": {
			"workloads:\n  a:\n    selector: {app: a}\n    patterns:\n    - {name: shoes, match: {path: {regex: '^/a('}}, rewrite: {path: /b}}\n    - {match: {path: {exact: a}}, rewrite: {path: /b}}\n",
			"error: FILE:5:36: workload a: patterns[0] (shoes).match.path.regex: \"^/a(\": missing closing ) [invalid]\nerror: FILE:6:23: workload a: patterns[1].match.path.exact: \"a\": never matches: a path begins with / [invalid]",
		},
		"a tab":       {"workloads:\n\ta: {}\n", "error: FILE:2:1: a tab: YAML is indented with spaces alone [yaml]\n  2 | →a: {}\n    | ^"},
		"nothing":     {"# to do\n", "is empty, so there is nothing to run"},
		"workload":    {"workload:\n  a: {}\n", "error: FILE:1:1: workload: the key is workloads: a map of names to workloads"},
		"plain rules": {"patterns: []\n", "has plain rules, and the chart wants to know where they run"},
		"fine":        {"workloads: {a: {selector: {app: a}, patterns: [{match: {path: {exact: /a}}, rewrite: {path: /b}}]}}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(file, []byte(c.rules), 0o644); err != nil {
				t.Fatal(err)
			}

			got := ""
			if err := check(options{rules: file, chart: "../../../charts/wasm-rewrite"}); err != nil {
				got = strings.ReplaceAll(err.Error(), file, "FILE")
			}
			if !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}
