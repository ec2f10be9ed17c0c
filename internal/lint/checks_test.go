package lint

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// TestChecks runs each check's own examples: it reports the one, and not the
// other. Nothing else that breaks rules is in either.
func TestChecks(t *testing.T) {
	// What rules alone cannot show is in the command line's scripts.
	elsewhere := []Check{Refused, Phase, Module, Unknown, RouteChosen, ConfigLong, Everywhere, Placed}
	for _, a := range Checks {
		t.Run(string(a.Check), func(t *testing.T) {
			if a.Short == "" || a.Why == "" {
				t.Error("says nothing of itself")
			}
			if a.Bad == "" && a.Good == "" {
				if !slices.Contains(elsewhere, a.Check) {
					t.Error("has no examples")
				}
				return
			}
			if found := found(t, a.Bad); !slices.ContainsFunc(found, func(f Finding) bool { return f.Check == a.Check }) {
				t.Errorf("is not reported of\n%s\n%+v", a.Bad, found)
			}

			for _, f := range found(t, a.Good) {
				if f.Check == a.Check || f.Severity == SeverityError {
					t.Errorf("is reported of\n%s\n%+v", a.Good, f)
				}
			}
		})
	}
}

// TestPageIsMade holds docs/lint.md against the checks.
func TestPageIsMade(t *testing.T) {
	page, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != Page() {
		t.Error("docs/lint.md is not what the checks say: run make generate")
	}
}

// found are the findings of plain rules.
func found(t *testing.T, rules string) []Finding {
	t.Helper()

	in, err := input.Text("rules.yaml", []byte(rules), input.Rules)
	if err != nil {
		findings, rest := Unreadable(err)
		if rest != nil {
			t.Fatal(rest)
		}
		return findings
	}

	return Lint(in)
}

// TestConfigLong puts ${config} into a request header, of rules of each size.
func TestConfigLong(t *testing.T) {
	for _, c := range []struct {
		size     int
		severity Severity
	}{{1 << 10, ""}, {9 << 10, SeverityWarning}, {70 << 10, SeverityError}} {
		rules := "vars: {notes: " + strings.Repeat("x", c.size) + "}\nheaders: {request: {set: {x-config: \"${config}\"}}}\n"

		var got Severity
		for _, f := range found(t, rules) {
			if f.Check == ConfigLong && f.Path == "headers.request.set.x-config" {
				got = f.Severity
			}
		}
		if got != c.severity {
			t.Errorf("%d bytes: %q, want %q", c.size, got, c.severity)
		}
	}
}

// TestKept reports what requests are refused for: the engine refuses them, too.
func TestKept(t *testing.T) {
	for _, c := range []struct {
		patterns int
		severity Severity
	}{{20, ""}, {200, SeverityWarning}} {
		rules := "patterns:\n" + strings.Repeat("- {match: {response: {status: [404]}}, headers: {response: {remove: [x-a]}}}\n", c.patterns)

		var got Severity
		for _, f := range found(t, rules) {
			if f.Check == Kept {
				got = f.Severity
			}
		}
		if got != c.severity {
			t.Errorf("%d patterns: %q, want %q", c.patterns, got, c.severity)
		}
	}
}
