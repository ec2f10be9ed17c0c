package workflow_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/workflow"
)

// Each job's commands are asked of make as the job asks for them, in the order of the job, with its environment. make
// says what it would run (-n) and fails where a target or what it is made from is not there; what a release's jobs really
// do is seen by test/release.
func TestEveryCommandOfAJobIsATargetOfMake(t *testing.T) {
	for _, w := range all(t) {
		order, err := w.Order()
		if err != nil {
			t.Fatal(err)
		}

		for _, name := range order {
			job := w.Jobs[name]
			for _, step := range job.Steps {
				if step.Run == "" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", filepath.Base(w.File), name, step.Run), func(t *testing.T) {
					if _, ok := step.Make(); !ok {
						t.Fatalf("%q: want one make and its targets, and values in env", step.Run)
					}

					_, words, _ := strings.Cut(step.Run, "make ")
					command := exec.CommandContext(t.Context(), "make", append([]string{"-n"}, strings.Fields(words)...)...)
					command.Dir = made.Root

					command.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
						return strings.HasPrefix(entry, "MAKE") || strings.HasPrefix(entry, "MFLAGS=")
					})
					for _, env := range []map[string]string{job.Env, step.Env} {
						for name := range env {
							value := "1.2.3"
							if name == "ISTIO" {
								value = "1.31" // make has rules for what is there
							}

							command.Env = append(command.Env, name+"="+value)
						}
					}
					if out, err := command.CombinedOutput(); err != nil {
						t.Errorf("make -n %s: %v\n%s", words, err, out)
					}
				})
			}
		}
	}
}

func TestAWorkflowGrantsNothingWithoutAReason(t *testing.T) {
	grant := regexp.MustCompile(`^      [a-z-]+: (read|write)\b`)
	for _, w := range all(t) {
		if w.Permissions == nil || len(w.Permissions) != 0 {
			t.Errorf("%s: permissions: %v; want {} at the top, grants at the jobs", w.File, w.Permissions)
		}

		for name, job := range w.Jobs {
			if len(job.Permissions) == 0 {
				t.Errorf("%s: job %s: no permissions; say at least contents: read, with the reason", w.File, name)
			}
			if job.Uses == "" && job.Timeout == 0 {
				t.Errorf("%s: job %s: no timeout-minutes, so a hanging one takes six hours", w.File, name)
			}
		}

		for number, line := range lines(t, w.File) {
			if grant.MatchString(line) && !strings.Contains(line, " # ") {
				t.Errorf("%s:%d: %s: want the reason behind a #", w.File, number+1, strings.TrimSpace(line))
			}
		}
	}
}

func TestActionsArePinnedByCommitWithTheirVersion(t *testing.T) {
	pinned := regexp.MustCompile(`uses: [a-z0-9-]+/[a-z0-9/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\b`)

	commits := map[string]string{}
	for _, w := range all(t) {
		for number, line := range lines(t, w.File) {
			if !strings.Contains(line, "uses: ") || strings.Contains(line, "uses: ./") {
				continue
			}
			if !pinned.MatchString(line) {
				t.Errorf("%s:%d: %s: want owner/action@<40 hexadecimal digits> # v1.2.3", w.File, number+1, strings.TrimSpace(line))
				continue
			}

			_, action, _ := strings.Cut(line, "uses: ")
			name, commit, _ := strings.Cut(action, "@")
			commit, _, _ = strings.Cut(commit, " # zizmor")
			if other, ok := commits[name]; ok && other != commit {
				t.Errorf("%s:%d: %s is pinned as %s, and as %s elsewhere", w.File, number+1, name, commit, other)
			}

			commits[name] = commit
		}
	}
}

// What people type, and what a pull request brings, must not become part of a command.
func TestNoExpressionStandsInACommand(t *testing.T) {
	for _, w := range all(t) {
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				if strings.Contains(step.Run, "${{") {
					t.Errorf("%s: job %s: %q: want the value in env", w.File, name, step.Run)
				}
			}
		}
	}
}

// A branch requires the check of this name alone.
func TestOneJobOfCIWaitsForAllOthers(t *testing.T) {
	w, err := workflow.Read(filepath.Join(made.Root, ".github/workflows/ci.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	job := w.Jobs["ci"]
	if job == nil {
		t.Fatal("there is no job ci")
	}

	others := slices.DeleteFunc(slices.Sorted(maps.Keys(w.Jobs)), func(name string) bool { return name == "ci" })
	if needs := slices.Sorted(slices.Values(job.Needs)); !slices.Equal(needs, others) {
		t.Errorf("ci needs %v, want %v", needs, others)
	}
	if job.If != "always()" {
		t.Errorf("if: %q; a job that is skipped counts as green", job.If)
	}

	for results, green := range map[string]bool{
		"success success success": true, "success failure success": false, "success cancelled success": false, "success skipped success": false, "": false,
	} {
		command := exec.CommandContext(t.Context(), "make", "ci-passed")
		command.Dir, command.Env = made.Root, append(environment(), "RESULTS="+results)
		if out, err := command.CombinedOutput(); (err == nil) != green {
			t.Errorf("make ci-passed after %q: %v\n%s", results, err, out)
		}
	}
}

func TestWhatAnExpressionNamesHasToBeThere(t *testing.T) {
	values := workflow.Values{"inputs.tag": "1.2.3", "vars.REGISTRY": ""}
	for text, want := range map[string]string{
		"v${{ inputs.tag }}":                 "v1.2.3",
		"${{ vars.REGISTRY || inputs.tag }}": "1.2.3",
		"plain":                              "plain",
	} {
		if got, err := values.Expand(text); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := values.Expand("${{ inputs.tga }}"); err == nil || !strings.Contains(err.Error(), "inputs.tga") {
		t.Errorf("an unknown name: %v", err)
	}
}

// environment is this one, without what a make that runs the tests hands on.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "MAKE") || strings.HasPrefix(entry, "MFLAGS=")
	})
}

func all(t *testing.T) []*workflow.Workflow {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(made.Root, ".github/workflows/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}

	var list []*workflow.Workflow
	for _, file := range files {
		w, err := workflow.Read(file)
		if err != nil {
			t.Fatal(err)
		}

		list = append(list, w)
	}

	return list
}

func lines(t *testing.T, file string) []string {
	t.Helper()

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}
