package chart_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

func TestChartSchemaIsDraft7(t *testing.T) {
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(chart.ReadFile(t, filepath.Join(chart.Dir, "values.schema.json"))))
	if err != nil {
		t.Fatal(err)
	}

	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	if err := compiler.AddResource("values.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	if _, err := compiler.Compile("values.schema.json"); err != nil {
		t.Error(err)
	}
	// Every object says what may be in it.
	var strict func(path string, schema any)
	strict = func(path string, schema any) {
		s, ok := schema.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := s["properties"].(map[string]any); ok {
			if s["additionalProperties"] != false && path != ".workloads" && path != ".workloads.*.selector" {
				t.Errorf("%s lets unknown keys through", path)
			}

			for key, property := range properties {
				strict(path+"."+key, property)
			}
		}
		strict(path+".*", s["additionalProperties"])
		strict(path+"[]", s["items"])
	}
	strict("", schema)

	for name, definition := range schema.(map[string]any)["definitions"].(map[string]any) {
		strict(name, definition)
	}
}

func TestChartIsLintedAndPacked(t *testing.T) {
	program := made.Helm(t)

	run := func(args ...string) {
		output, err := exec.Command(program, args...).CombinedOutput()
		if err != nil {
			t.Errorf("helm %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
	for _, file := range append(chart.CIValues(t), os.DevNull) {
		run("lint", "--strict", chart.Dir, "--values", file)
	}

	folder := t.TempDir()
	run("package", chart.Dir, "--destination", folder)
	archive, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(archive) != 1 {
		t.Fatalf("packed %v, %v", archive, err)
	}

	packed, err := loader.Load(archive[0])
	if err != nil {
		t.Fatal(err)
	}

	var names []string
	for _, file := range packed.Raw {
		names = append(names, file.Name)
	}

	for _, name := range []string{"README.md", "values.schema.json", "values.yaml", "templates/NOTES.txt"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not in the package", name)
		}
	}

	for _, name := range []string{"README.md.gotmpl", "ci/seed-values.yaml"} {
		if slices.Contains(names, name) {
			t.Errorf("%s is in the package", name)
		}
	}
}

// Checked and rendered rules take a few times what Helm takes to read and print the same values.
func TestChartRendersManyWorkloadsInTime(t *testing.T) {
	const most = 4.5
	var values bytes.Buffer
	fmt.Fprint(&values, chart.Module, "workloads:\n")

	for w := range 200 {
		fmt.Fprintf(&values, "  team-%d:\n    selector: {app: app-%d}\n    vars: {domain: example.com}\n    patterns:\n", w, w)

		for p := range 20 {
			fmt.Fprintf(&values, "    - name: rule-%d\n      match: {path: {regex: '^/app-%d/%d/([0-9]+)/(?P<rest>.*)$'}, host: {regex: '^(?P<tenant>[a-z]+)[.]${var.domain}$'}}\n", p, w, p)
			fmt.Fprint(&values, "      rewrite: {path: '/v2/$1/${rest}', host: '${tenant}.internal'}\n      headers: {request: {set: {x-tenant: '${tenant}'}}}\n")
		}
	}

	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, values.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	plain := filepath.Join(t.TempDir(), "plain")
	for name, text := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: plain\nversion: 1.0.0\n",
		"templates/plain.yaml": "{{- range $name, $workload := .Values.workloads }}\n---\napiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\n" +
			"metadata: {name: {{ $name }}}\nspec: {{ toYaml $workload | nindent 2 }}\n{{- end }}\n",
	} {
		path := filepath.Join(plain, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// The time of the processor, with the two of a pair in turn, for other work on the machine lengthens it too.
	render := func(folder string) time.Duration {
		command := exec.Command(made.Helm(t), "template", chart.Release, folder, "--values", file)
		manifest, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		if objects := bytes.Count(manifest, []byte("\nkind: WasmPlugin\n")); objects != 200 {
			t.Fatalf("%s: rendered %d objects, want 200", folder, objects)
		}
		return command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	}

	ratio := math.Inf(1)
	for try := 0; try < 3 && ratio > most; try++ {
		ours, theirs := render(chart.Dir), render(plain)
		ratio = min(ratio, ours.Seconds()/theirs.Seconds())
		t.Logf("200 workloads of 20 patterns: %v; printed by a chart that looks at nothing: %v", ours, theirs)
	}
	if ratio > most {
		t.Errorf("200 workloads of 20 patterns took %.1f times what a chart takes that looks at nothing, want at most %.1f", ratio, most)
	}
}

// A null removes a key of the chart's own values too. What the templates need then is missed by name.
func TestChartSurvivesNullForEveryKey(t *testing.T) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(chart.ReadFile(t, filepath.Join(chart.Dir, "values.yaml"))), &values); err != nil {
		t.Fatal(err)
	}

	var keys []string
	for key, value := range values {
		keys = append(keys, key)

		of, _ := value.(map[string]any)
		for inner := range of {
			keys = append(keys, key+"."+inner)
		}
	}

	needed := []string{
		"delivery", "image", "image.registry", "image.repository", "image.pullPolicy", "module", "module.key", "module.mountPath",
		"envoyFilter", "envoyFilter.context", "envoyFilter.position", "rootNamespace",
		"verify", "verify.image", "verify.before", "verify.after",
	}

	const image = "image: {digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\nworkloads: {a: {}}\n"
	for _, key := range keys {
		t.Run(key, func(t *testing.T) {
			t.Parallel()

			outer, inner, nested := strings.Cut(key, ".")
			null := outer + ": null"
			if nested {
				null = outer + ": {" + inner + ": null}"
			}

			for _, delivery := range []string{"WasmPlugin", "EnvoyFilter"} {
				values := []string{image, "delivery: " + delivery, null}
				if key == "workloads" {
					values[0] = ""
				}

				_, err := chart.Render(t, values...)
				switch missing := "missing property '" + key[strings.LastIndexByte(key, '.')+1:] + "'"; {
				case err != nil && strings.Contains(err.Error(), missing) && slices.Contains(needed, key):
				case err != nil && key == "image.digest" && strings.Contains(err.Error(), "image.digest: is missing"):
				case err != nil || slices.Contains(needed, key):
					t.Errorf("delivery %s: %v", delivery, err)
				}
			}
		})
	}
}
