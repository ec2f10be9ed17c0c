package workflow_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// given are the variables that make takes from people and workflows.
func given(t *testing.T) (words, texts []string) {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(made.Root, "given.mk"))
	if err != nil {
		t.Fatal(err)
	}

	list := func(name string) []string {
		m := regexp.MustCompile(`(?m)^` + name + ` := (.*)$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("given.mk has no %s", name)
		}
		return strings.Fields(string(m[1]))
	}

	return list("given_words"), list("given_texts")
}

func TestNothingThatIsGivenToMakeIsRun(t *testing.T) {
	words, texts := given(t)
	mark := filepath.Join(t.TempDir(), "mark")
	payloads := []string{"$(shell touch " + mark + ")", "`touch " + mark + "`", "'; touch " + mark + "; '", `"; touch ` + mark + `; "`, "x$$(touch " +
		mark + ")", "x\ntouch " + mark, "${shell touch " + mark + "}"}

	run := func(t *testing.T, target, name, payload string, inEnvironment bool) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "make", target)
		command.Dir, command.Env = made.Root, environment()
		if inEnvironment {
			command.Env = append(command.Env, name+"="+payload)
		} else {
			command.Args = append(command.Args, name+"="+payload)
		}

		out, err := command.CombinedOutput()
		if _, there := os.Stat(mark); there == nil {
			t.Errorf("make %s with %s=%q ran it", target, name, payload)

			_ = os.Remove(mark) // for the next
		}
		if slices.Contains(words, name) && !strings.Contains(payload, "\n") && err == nil {
			t.Errorf("make %s with %s=%q is not refused: %s", target, name, payload, out)
		}
	}
	for _, name := range append(words, texts...) {
		t.Run(name, func(t *testing.T) {
			for _, payload := range payloads {
				// What is set for one target is in the environment of all.
				for _, inEnvironment := range []bool{false, true} {
					run(t, "help", name, payload, inEnvironment)
				}
			}
		})
	}
	t.Run("targets that read it", func(t *testing.T) {
		for _, payload := range payloads {
			run(t, "own", "REPO", payload, false)
			run(t, "own", "REPO", payload, true)
			run(t, "own", "INTO", payload, true)
			run(t, "ci-passed", "RESULTS", payload, true)
		}
	})
}

// A recipe has it from the environment: make would put it into the command as text.
func TestNoRecipeNamesWhatIsGiven(t *testing.T) {
	words, texts := given(t)
	files, err := filepath.Glob(filepath.Join(made.Root, "*/*.mk"))
	if err != nil {
		t.Fatal(err)
	}

	named := regexp.MustCompile(`(?:^|[^$])\$[({](` + strings.Join(append(words, texts...), "|") + `)[):}]`)
	// Only whether there is something is asked; or what has the form of words already.
	asked := regexp.MustCompile(`\$\(if \$\([A-Z]+\),|\$\(sort \$\(RESULTS\)\)|\$\(PLATFORMS:`)
	for _, file := range append(files, filepath.Join(made.Root, "Makefile"), filepath.Join(made.Root, "argocd/own/Makefile")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "\t") && named.MatchString(asked.ReplaceAllString(line, "")) {
				t.Errorf("%s:%d: %s: want it from the environment, quoted", filepath.Base(file), i+1, strings.TrimSpace(line))
			}
		}
	}
}

func TestTheFormOfWhatIsGivenIsChecked(t *testing.T) {
	for _, c := range []struct {
		args, env []string
		want      string // in what is said; "" where it is fine
	}{
		{[]string{"VERSION"}, []string{"VERSION=v1.2.3-rc.1"}, ""},
		{[]string{"VERSION"}, []string{"VERSION=1.2.3;touch x"}, "make release: VERSION=1.2.3\\;touch\\ x: want the version, as VERSION=1.2.3"},
		{[]string{"VERSION"}, nil, "make release: VERSION is not set; want the version, as VERSION=1.2.3"},
		{[]string{"FROM", "TO", "WORKLOAD?"}, []string{"FROM=dev", "TO=staging"}, ""},
		{[]string{"FROM", "TO", "WORKLOAD?"}, []string{"FROM=../dev", "TO=staging", "WORKLOAD=--unverified"}, "make release: WORKLOAD=--unverified: want the name of a workload"},
		{[]string{"FILTER"}, []string{"FILTER=sha256:" + strings.Repeat("0", 63)}, "want the digest of the image of the filter"},
		{[]string{"BASE"}, []string{"BASE=--output=x"}, "want the commit to compare with"},
		{[]string{"PULL_REQUEST"}, []string{"PULL_REQUEST=https://example.com/a/pull/1\x1b[2J"}, "want the URL of a pull request"},
	} {
		command := exec.CommandContext(t.Context(), filepath.Join(made.Root, ".github/given.sh"), c.args...)
		command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TARGET=release"}, c.env...)
		out, err := command.CombinedOutput()
		if (err == nil) != (c.want == "") || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "\x1b") {
			t.Errorf("given.sh %q with %q says %q, %v; want %q", c.args, c.env, out, err, c.want)
		}
	}
}
