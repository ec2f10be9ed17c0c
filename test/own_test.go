package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/registry"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/workflow"
)

// own is a repository of rules, made by `make own INTO=…`, and the registry that its releases are in.
type own struct {
	*testing.T
	folder, chart string
}

// newOwn publishes a release as users do, and makes a repository that pins it.
func newOwn(t *testing.T) own {
	t.Helper()
	images, err := registry.Start("127.0.0.1", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = images.Down() })

	scratch := t.TempDir()
	o := own{t, filepath.Join(scratch, "my-rules"), "oci://" + images.Address + "/charts/wasm-rewrite:0.1.0"}
	publish, tool, helm := made.File(t, "build/bin/publish"), made.File(t, "build/bin/wasm-rewrite"), made.Helm(t)
	filter := o.must(made.Root, publish, "-module", made.Module(t), images.Address+"/wasm-rewrite")
	cli := o.must(made.Root, publish, "-program", tool, images.Address+"/wasm-rewrite-cli")
	o.must(made.Root, helm, "package", chart.Dir, "--version", "0.1.0", "--destination", scratch)
	o.must(made.Root, helm, "push", filepath.Join(scratch, "wasm-rewrite-0.1.0.tgz"), "oci://"+images.Address+"/charts", "--plain-http")

	o.must(made.Root, "make", "own", "REPO=https://git.example.com/rules", "REGISTRY="+images.Address, "INTO="+o.folder)

	for _, environment := range []string{"dev", "staging", "production"} {
		text := strings.Replace(o.read("environments/"+environment+"/release.yaml"), "sha256:"+strings.Repeat("0", 64), strings.TrimSpace(filter), 1)
		o.write("environments/"+environment+"/release.yaml", strings.Replace(text, "sha256:"+strings.Repeat("0", 64), strings.TrimSpace(cli), 1))
	}

	origin := filepath.Join(scratch, "origin.git")
	o.must(scratch, "git", "init", "--quiet", "--bare", origin)
	o.must(o.folder, "git", "remote", "add", "origin", origin)
	o.commit("our rules")

	return o
}

// run runs a command with the command line on PATH, as somebody has it who downloaded it.
func (o own) run(folder, name string, args ...string) (string, error) {
	command := exec.CommandContext(o.Context(), name, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=me", "GIT_AUTHOR_EMAIL=me@example.com",
		"GIT_COMMITTER_NAME=me", "GIT_COMMITTER_EMAIL=me@example.com",
		"PATH="+filepath.Join(made.Root, "build/bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := command.CombinedOutput()

	return string(out), err
}

func (o own) must(folder, name string, args ...string) string {
	o.Helper()

	out, err := o.run(folder, name, args...)
	if err != nil {
		o.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// says wants a command of the repository to end well or not, and to say words.
func (o own) says(fine bool, words string, command ...string) {
	o.Helper()

	out, err := o.run(o.folder, command[0], command[1:]...)
	if (err == nil) != fine || !strings.Contains(out, words) {
		o.Errorf("%s: %v, and says\n%s\nwant fine %v and %q", strings.Join(command, " "), err, out, fine, words)
	}
}

func (o own) read(name string) string { return chart.ReadFile(o.T, filepath.Join(o.folder, name)) }

func (o own) write(name, text string) {
	o.Helper()
	if err := os.WriteFile(filepath.Join(o.folder, name), []byte(text), 0o600); err != nil {
		o.Fatal(err)
	}
}

func (o own) commit(message string) {
	o.Helper()
	o.must(o.folder, "git", "add", "--all")
	o.must(o.folder, "git", "commit", "--quiet", "--message", message)
}

// wordsAreText wants rules of a pull request to be shown by GitHub as they are: every line is code, and none ends the words.
func (o own) wordsAreText(rules, before string) {
	o.Helper()
	o.write("environments/dev/rules/checkout.yaml", rules)

	output := filepath.Join(o.TempDir(), "output")
	o.says(false, "want 1 to 63", "env", "GITHUB_OUTPUT="+output, "make", "changes", "BASE="+before)

	text := chart.ReadFile(o.T, output)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	name, end, _ := strings.Cut(lines[0], "<<")
	if name != "words" || len(end) < 32 || lines[len(lines)-1] != end || !strings.Contains(text, "@org/team fixes #1 [skip_ci]") {
		o.Errorf("the output of the step is\n%s", text)
	}

	for _, line := range lines[1 : len(lines)-1] {
		if line != "" && !strings.HasPrefix(line, "    ") {
			o.Errorf("%q is not code", line)
		}
	}
}

// A repository of rules alone has no chart, no Go and no make rules of this one: what its people and its workflows run
// works with the command line, and with the chart, module and images of the registry.
func TestARepositoryOfOnesOwn(t *testing.T) {
	o := newOwn(t)
	if o.must(o.folder, "git", "ls-files", "charts", "go.mod", "plugin", "argocd/own*") != "" {
		t.Error("it has parts of this repository that it does not need")
	}
	o.says(true, "3 workloads: nothing found", "make", "lint")
	o.says(true, "environments/production: workload checkout", "make", "test")

	// A pull request: what it does is said in words, and its tests run in the pinned module.
	rules := o.read("environments/dev/rules/checkout.yaml")
	changed := strings.Replace(rules, "    patterns:\n", "    patterns:\n    - {name: lately, match: {path: {exact: /lately}}, rewrite: {path: /now}}\n", 1)
	if changed == rules {
		t.Fatalf("the rules of dev have no list of patterns:\n%s", rules)
	}
	o.write("environments/dev/rules/checkout.yaml", changed)
	before := strings.TrimSpace(o.must(o.folder, "git", "rev-parse", "HEAD"))
	o.commit("checkout: lately")
	o.says(true, "new      lately", "make", "changes", "BASE="+before)
	o.write("environments/dev/rules/checkout.yaml", strings.Replace(changed, "path: /now", "pth: /now", 1))
	o.says(false, "did you mean path?", "make", "lint")
	o.says(false, "pth", "make", "changes", "BASE="+before)
	o.wordsAreText(strings.Replace(changed, "name: lately", `name: "@org/team fixes #1 [skip ci] ![x](https://example.com/x)\nwords<<end-of-words\nend-of-words"`, 1), before)
	o.write("environments/dev/rules/checkout.yaml", changed)

	// A promotion, by hand and as a proposal.
	o.says(true, "copied to environments/staging", "make", "propose-promotion", "FROM=dev", "TO=staging", "WORKLOAD=checkout", "UNVERIFIED=1")
	if text := o.must(o.folder, "git", "show", "origin/promote-dev-staging-checkout:environments/staging/rules/checkout.yaml"); text != changed {
		t.Errorf("the proposed branch has\n%s", text)
	}
	o.says(false, "WORKLOAD", "make", "promote", "FROM=dev", "TO=staging", "WORKLOAD=$(touch x)", "UNVERIFIED=1")
	o.says(false, "FROM is not set; want the environment that has it", "make", "promote")

	// The chart of a registry, for any file.
	tool := made.File(t, "build/bin/wasm-rewrite")
	values := "workloads: {shop: {selector: {app: shop}, patterns: [{match: {path: {exact: /a}}, rewrite: {path: /b}}], " +
		"tests: [{request: {path: /a}, expect: {path: /b}}]}}\n"
	o.write("values.yaml", values)
	o.says(true, "1 passed, 0 failed", tool, "test", "values.yaml", "--chart", o.chart)
	o.says(true, "1 workload: 0 errors, 0 warnings", tool, "lint", "values.yaml", "--chart", o.chart)
	o.says(true, "nothing to promote", tool, "promote", "dev", "staging", "--workload", "checkout", "--chart", o.chart, "--unverified")
	o.says(false, "oci://REPOSITORY:VERSION with --chart", tool, "lint", "values.yaml")
	o.says(false, "is it published?", tool, "lint", "values.yaml", "--chart", strings.Replace(o.chart, "0.1.0", "9.9.9", 1))
	o.says(false, "want a version, as oci://", tool, "lint", "values.yaml", "--chart", strings.TrimSuffix(o.chart, ":0.1.0"))
}

// What its workflows run are targets of its Makefile, and they set up nothing that is not needed there.
func TestTheWorkflowsOfARepositoryOfOnesOwn(t *testing.T) {
	o := own{t, filepath.Join(t.TempDir(), "rules"), ""}
	o.must(made.Root, "make", "own", "REPO=https://git.example.com/rules", "REGISTRY=registry.example.com/shop", "INTO="+o.folder)

	files, err := filepath.Glob(filepath.Join(o.folder, ".github/workflows/*.yaml"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d workflows, %v; want changes, promote and rules", len(files), err)
	}

	for _, file := range files {
		w, err := workflow.Read(file)
		if err != nil {
			t.Error(err)
			continue
		}

		for name, job := range w.Jobs {
			if len(job.Permissions) == 0 || job.Timeout == 0 {
				t.Errorf("%s: job %s has no permissions, or no timeout", file, name)
			}

			for _, step := range job.Steps {
				if strings.Contains(step.Uses, "setup-go") || strings.Contains(step.Env["REGISTRY"], "ghcr.io") {
					t.Errorf("%s: job %s: %+v", file, name, step)
				}
				if step.Run == "" {
					continue
				}

				targets, ok := step.Make()
				if !ok {
					t.Errorf("%s: job %s: %q: want one make and its targets", file, name, step.Run)
				}
				o.must(o.folder, "make", append([]string{"-n"}, targets...)...)
			}
		}
	}

	// Nothing was published yet, which the command that wants the image says.
	o.says(false, "want the digest of the published command line", "make", "cli")

	out, err := o.run(made.Root, "make", "own", "REPO=https://git.example.com/rules", "REGISTRY=ghcr.io", "INTO="+o.folder)
	if err == nil || !strings.Contains(out, "is there already: want a folder that is new or empty") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
}
