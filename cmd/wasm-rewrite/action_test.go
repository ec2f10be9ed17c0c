package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// action is action.yml, as far as its steps need it.
type action struct {
	Inputs map[string]struct{ Default string }
	Runs   struct {
		Using string
		Steps []struct {
			ID, Shell, Run string
			Env            map[string]string
		}
	}
}

var expression = regexp.MustCompile(`\$\{\{ (inputs|steps)\.([a-z-]+)(?:\.outputs\.([a-z]+))? \}\}`)

// run runs the action's own steps as GitHub does, and gives what they print.
func (a action) run(t *testing.T, root, work string, inputs map[string]string) (printed string, code int) {
	t.Helper()

	outputs := map[string]string{}
	for _, step := range a.Runs.Steps {
		file := filepath.Join(work, "output")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}

		command := exec.Command(step.Shell, "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
		command.Dir = work

		command.Env = append(os.Environ(), "GITHUB_ACTION_PATH="+root, "GITHUB_OUTPUT="+file, "RUNNER_TEMP="+work)
		for name, value := range step.Env {
			command.Env = append(command.Env, name+"="+expression.ReplaceAllStringFunc(value, func(text string) string {
				m := expression.FindStringSubmatch(text)
				if m[1] == "steps" {
					return outputs[m[2]+"."+m[3]]
				}
				if given, ok := inputs[m[2]]; ok {
					return given
				}
				return a.Inputs[m[2]].Default
			}))
		}

		out, err := command.CombinedOutput()
		printed += string(out)
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return printed, exit.ExitCode()
		}
		if err != nil {
			t.Fatal(err)
		}

		written, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		for line := range strings.Lines(string(written)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			outputs[step.ID+"."+name] = value
		}
	}

	return printed, 0
}

// TestAction runs the steps of action.yml over rules with findings, over fine
// ones, and without what they need.
func TestAction(t *testing.T) {
	root := root(t)
	text, err := os.ReadFile(filepath.Join(root, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var a action
	if err := yaml.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}

	work := t.TempDir()
	tool := filepath.Join(work, "wasm-rewrite")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	for name, rules := range map[string]string{
		"bad.yaml": "patterns:\n- name: leave\n  match: {path: {exact: /leave}}\n  redirect: {host: \"${query.to}\"}\n",
		// What it names does nothing to the log.
		"hostile.yaml": `{"patterns": [{"name": "a", "\u001b[2J\u009b\u202e\n::error::b": 1}]}`,
		"fine.yaml":    "patterns:\n- name: shop\n  match: {path: {prefix: /shop}}\n  rewrite: {path: /}\n",
	} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(rules), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	for _, c := range []struct {
		name   string
		inputs map[string]string
		code   int
		want   string
	}{
		{"findings", map[string]string{"paths": "fine.yaml bad.yaml", "binary": tool, "sarif": "kept.sarif"}, 1, "::warning file=bad.yaml,line=4,col=14,title=client-chooses-host::patterns[0].redirect.host: "},
		{"not failing", map[string]string{"paths": "bad.yaml", "binary": tool, "fail-on": "error"}, 0, "1 workload: 0 errors, 1 warning, 0 info"},
		{"fine", map[string]string{"paths": "fine.yaml", "binary": tool}, 0, "nothing found"},
		{"paths on lines of their own", map[string]string{"paths": "fine.yaml\nbad.yaml\n", "binary": tool}, 1, "2 workloads: 0 errors, 1 warning"},
		{"hostile text", map[string]string{"paths": "hostile.yaml", "binary": tool}, 1, "::error file=hostile.yaml,line=1,"},
		{"no such file", map[string]string{"paths": "nowhere.yaml", "binary": tool}, 2, "there is no such file"},
		{"no paths", map[string]string{"paths": " ", "binary": tool}, 2, "paths: want files"},
		{"a tag", map[string]string{"paths": "fine.yaml", "image": "ghcr.io/me/cli:latest"}, 2, "by its digest"},
		{"unsigned", map[string]string{"paths": "fine.yaml", "image": "ghcr.io/me/cli@sha256:0"}, 2, "who signed the image"},
		{"no program", map[string]string{"paths": "fine.yaml", "binary": "/nowhere"}, 2, "there is no program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			printed, code := a.run(t, root, work, c.inputs)
			if code != c.code || !strings.Contains(printed, c.want) {
				t.Errorf("exit code %d, want %d; want %q in\n%s", code, c.code, c.want, printed)
			}
			if strings.ContainsAny(printed, "\x1b\u009b\u202e") || strings.Contains(printed, "\n::error::b") {
				t.Errorf("prints %q", printed)
			}
		})
	}

	sarif, err := os.ReadFile(filepath.Join(work, "kept.sarif"))
	if err != nil || !strings.Contains(string(sarif), `"version": "2.1.0"`) {
		t.Errorf("%v: %s", err, sarif)
	}
}

// TestCalled holds the name under which kubectl runs the tool as its plugin.
func TestCalled(t *testing.T) {
	for program, want := range map[string]string{"/usr/local/bin/kubectl-wasm_rewrite": "kubectl wasm-rewrite", "/usr/bin/wasm-rewrite": ""} {
		if got := called(program); got != want {
			t.Errorf("%s: %q, want %q", program, got, want)
		}
	}
}
