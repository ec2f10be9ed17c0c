package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// What docs/moving-in.md tells to do is done: each section's commands run on
// its objects, rewrite what they should, and the chart renders what comes out.
func TestMovingInRuns(t *testing.T) {
	text := movingIn(t)
	tool, helm := made.File(t, "build/bin/wasm-rewrite"), made.Helm(t)
	blocks := regexp.MustCompile("(?m)^```(yaml|sh)\n((?:.*\n)*?)```$").FindAllStringSubmatch(text, -1)
	var objects, image string

	ran := 0
	for _, b := range blocks {
		if b[1] == "yaml" {
			objects = b[2]
			if strings.HasPrefix(objects, "# image.yaml\n") {
				image = strings.ReplaceAll(objects, "…", strings.Repeat("1", 64))
			}
			continue
		}
		ran++
		name, _, _ := strings.Cut(strings.TrimPrefix(objects, "# "), "\n")
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "objects"), []byte(objects), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "image.yaml"), []byte(image), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(made.Root, "charts"), filepath.Join(dir, "charts")); err != nil {
				t.Fatal(err)
			}
			// The cluster has the section's objects, and an installation is what would be applied.
			around := fmt.Sprintf("kubectl() { cat objects; }\nwasm-rewrite() { %q \"$@\"; }\nhelm() { %q template \"${@:3}\"; }\n", tool, helm)
			command := exec.CommandContext(t.Context(), "bash", "-euc", around+b[2])
			command.Dir = dir
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}

			if !strings.Contains(string(out), "/orders") || !regexp.MustCompile("kind: (WasmPlugin|EnvoyExtensionPolicy)").Match(out) {
				t.Errorf("no rewritten path and no object of the chart in\n%s", out)
			}
			if name == "virtualservice.yaml" && !strings.Contains(string(out), `namespace: "istio-ingress"`) {
				t.Errorf("no object where the gateway's Pods are in\n%s", out)
			}
		})
	}
	if ran != 4 {
		t.Errorf("%d sections have commands, want 4", ran)
	}
}

func movingIn(t *testing.T) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(made.Root, "docs/moving-in.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The patterns in the table of docs/moving-in.md are patterns.
func TestMovingInTable(t *testing.T) {
	rows := 0
	for line := range strings.Lines(movingIn(t)) {
		cells := regexp.MustCompile("`(\\{(?:match|headers): [^`]*\\})`").FindStringSubmatch(line)
		if cells == nil || !strings.HasPrefix(line, "| ") {
			continue
		}
		rows++
		config, err := yaml.YAMLToJSON([]byte("patterns:\n- " + cells[1] + "\n"))
		if err != nil {
			t.Errorf("%s: %v", cells[1], err)
			continue
		}
		if _, err := rewrite.Load(config); err != nil {
			t.Errorf("%s: %v", cells[1], err)
		}
	}
	if rows < 10 {
		t.Errorf("%d patterns in the table, want 10 at least", rows)
	}
}
