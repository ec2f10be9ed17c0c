package read

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

const root = "../../.."

// TestRenderIsHelms renders environments and values as the tool does, and with
// `helm template`: the configurations are the same, whatever the values are.
func TestRenderIsHelms(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"common.yaml":          "defaults: {phase: AUTHN, vars: {a: x, b: y, gone: z}, labels: {team: one}}\ncommonLabels: {app.kubernetes.io/component: ours}\n",
		"dev/release.yaml":     "image: {digest: \"sha256:0123456789012345678901234567890123456789012345678901234567890123\"}\n",
		"dev/rules/a.yaml":     "workloads: {a: {patterns: [{match: {path: {exact: /a}}, rewrite: {path: /b}}], vars: {n: 3000000, f: 0.5, t: true, l: [1, b], e: \"\"}}}\n",
		"dev/rules/b.yaml":     "workloads: {b: {patterns: [{match: {path: {exact: /a}}, rewrite: {path: \"/${var.a}\"}}], headers: {response: {set: {x: \"<&>陽明\"}}}}, c: {enabled: false}}\n",
		"dev/rules/ignored.md": "",
		"dev/place.yaml":       "workloads: {a: {selector: {app: a}, vars: {gone: null, a: deep}, priority: 0}, b: {namespace: elsewhere, selector: {app: b}, labels: null}, d: null}\n",
		"over.yaml":            "defaults: {vars: {b: null}, labels: null}\nworkloads: {a: {patterns: [{match: {path: {exact: /over}}, rewrite: {path: /b}}]}}\n",
		"envoyfilter.yaml":     "delivery: EnvoyFilter\nworkloads: {a: {phase: UNSPECIFIED_PHASE}, b: {phase: UNSPECIFIED_PHASE}}\n",
		"extension.yaml":       "delivery: TrafficExtension\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	chart := filepath.Join(root, "charts/wasm-rewrite")

	files := []string{"common.yaml", "dev/release.yaml", "dev/rules/a.yaml", "dev/rules/b.yaml", "dev/place.yaml"}
	for name, over := range map[string][]string{
		"environment": nil, "over": {"over.yaml"}, "EnvoyFilter": {"envoyfilter.yaml"}, "TrafficExtension": {"extension.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Chart: chart, Release: "r", Namespace: "n", Set: []string{"workloads.a.vars.set=1"}}

			args := []string{"template", "r", chart, "--namespace", "n", "--set", o.Set[0]}
			for _, file := range over {
				o.Values = append(o.Values, filepath.Join(dir, file))
			}

			for _, file := range append(files[:len(files):len(files)], over...) {
				args = append(args, "--values", filepath.Join(dir, file))
			}

			got, err := Input(filepath.Join(dir, "dev"), o)
			if err != nil {
				t.Fatal(err)
			}
			if got.Refusals != nil {
				t.Fatalf("refused: %+v", got.Refusals)
			}
			var manifest, messages bytes.Buffer
			command := exec.Command(helm(t), args...)
			command.Stdout, command.Stderr = &manifest, &messages
			if err := command.Run(); err != nil {
				t.Fatalf("helm: %v\n%s", err, &messages)
			}

			file := filepath.Join(t.TempDir(), "manifest.yaml")
			if err := os.WriteFile(file, manifest.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}

			want, err := Input(file, Options{})
			if err != nil {
				t.Fatal(err)
			}

			for i := range got.Workloads {
				got.Workloads[i].Name, got.Workloads[i].Places = "", nil
			}

			for i := range want.Workloads {
				want.Workloads[i].Name, want.Workloads[i].Places = "", nil
			}
			if len(got.Workloads) != 2 || !reflect.DeepEqual(got.Workloads, want.Workloads) {
				t.Errorf("the tool renders\n%s\nhelm\n%s", show(got), show(want))
			}
		})
	}
}

// TestPackagedChart renders with the chart as it is published.
func TestPackagedChart(t *testing.T) {
	dir := t.TempDir()
	values := filepath.Join(dir, "values.yaml")
	if err := os.WriteFile(values, []byte("workloads: {a: {selector: {app: a}, patterns: [{match: {path: {exact: /a}}, rewrite: {path: /b}}]}}"),
		0o644); err != nil {
		t.Fatal(err)
	}

	chart := filepath.Join(root, "charts/wasm-rewrite")
	out, err := exec.Command(helm(t), "package", chart, "--destination", dir, "--version", "1.2.3").CombinedOutput()
	if err != nil {
		t.Fatalf("helm: %v\n%s", err, out)
	}

	want, err := Input(values, Options{Chart: chart})
	if err != nil {
		t.Fatal(err)
	}

	got, err := Input(values, Options{Chart: filepath.Join(dir, "wasm-rewrite-1.2.3.tgz")})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Workloads) != 1 || !reflect.DeepEqual(got.Workloads, want.Workloads) {
		t.Errorf("the package gives\n%s\nthe folder\n%s", show(got), show(want))
	}
}

func helm(t *testing.T) string {
	t.Helper()

	file, err := filepath.Abs(filepath.Join(root, "build/bin/helm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		t.Fatal("there is no build/bin/helm: `make helm` makes it")
	}
	return file
}

func show(in *input.Input) (text string) {
	for _, w := range in.Workloads {
		text += w.Plugin + " " + w.Phase + " " + string(w.Config) + "\n"
	}
	return text
}
