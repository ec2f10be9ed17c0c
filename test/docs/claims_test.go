package docs_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// pages are the texts that people read, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()

	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "charts/wasm-rewrite/README.md", "argocd/own/README.md",
		"environments/*.yaml", "environments/*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(made.Root, pattern))
		if err != nil {
			t.Fatal(err)
		}

		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}

			all[strings.TrimPrefix(file, made.Root+"/")] = string(text)
		}
	}

	return all
}

// names are what a group of an expression takes from a text, each once.
func names(expression *regexp.Regexp, text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range expression.FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Fields(match[1]) {
			found[name] = true
		}
	}
	return found
}

// What a page tells people to type is there: targets of make, and commands of the command line.
func TestEveryCommandOnAPageIsThere(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(made.Root, "*/*.mk"))
	if err != nil {
		t.Fatal(err)
	}

	var makefiles strings.Builder
	for _, file := range append(files, filepath.Join(made.Root, "Makefile"), filepath.Join(made.Root, "argocd/own/Makefile")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		makefiles.Write(text)
	}

	targets := names(regexp.MustCompile(`(?m)^\.PHONY: (.*)$`), makefiles.String())

	help, err := exec.CommandContext(t.Context(), made.File(t, "build/bin/wasm-rewrite"), "help").Output()
	if err != nil {
		t.Fatal(err)
	}

	commands := names(regexp.MustCompile(`(?m)^  ([a-z]+)  +[A-Z]`), string(help))
	if len(targets) < 40 || len(commands) < 10 {
		t.Fatalf("there are %d targets and %d commands", len(targets), len(commands))
	}

	make := regexp.MustCompile("(?m)(?:^|`)make ((?:[a-z][a-z-]+ ?)+)")

	command := regexp.MustCompile("(?m)(?:^|[`/] ?|kubectl )wasm-rewrite ([a-z]+)(?:[ `]|$)")
	for page, text := range pages(t) {
		for name := range names(make, text) {
			if !targets[name] {
				t.Errorf("%s: make %s: there is no such target", page, name)
			}
		}

		for name := range names(command, text) {
			if !commands[name] {
				t.Errorf("%s: wasm-rewrite %s: there is no such command", page, name)
			}
		}
	}
}

// The chart's page lists the alerts that the chart makes, and no others.
func TestEveryAlertIsOnThePage(t *testing.T) {
	template, err := os.ReadFile(filepath.Join(made.Root, "charts/wasm-rewrite/templates/prometheusrule.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	alerts := slices.Sorted(maps.Keys(names(regexp.MustCompile(`(?m)^ +- alert: (\S+)$`), string(template))))
	told := slices.Sorted(maps.Keys(names(regexp.MustCompile("(?m)^\\| `(WasmRewrite[A-Za-z]+)` \\|"), pages(t)["charts/wasm-rewrite/README.md"])))
	if len(alerts) == 0 || !slices.Equal(alerts, told) {
		t.Errorf("the chart has the alerts %q, its page %q", alerts, told)
	}
}

// How long a measurement takes is said with the same words by its help and on its page.
func TestTheMinutesOfAMeasurement(t *testing.T) {
	help, err := os.ReadFile(filepath.Join(made.Root, "test/bench.mk"))
	if err != nil {
		t.Fatal(err)
	}

	cost := pages(t)["docs/cost.md"]
	for _, claim := range [][2]string{{"(10 minutes)", "`make bench` (10 minutes)"}, {"(two or three minutes)", "`make bench-quick` takes two or three"}} {
		if !strings.Contains(string(help), claim[0]) || !strings.Contains(cost, claim[1]) {
			t.Errorf("make help says %q: %v; docs/cost.md says %q: %v", claim[0], strings.Contains(string(help), claim[0]), claim[1], strings.Contains(cost, claim[1]))
		}
	}
}
