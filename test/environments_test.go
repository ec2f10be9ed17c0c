package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// place is what environments/<name>/place.yaml says of where an environment runs.
type place struct {
	Global struct {
		Destination  destination
		PromotedFrom string
	}
	Workloads map[string]struct{ Namespace string }
}

type destination struct{ Server, Namespace string }

func places(t *testing.T) map[string]place {
	t.Helper()

	files, err := filepath.Glob("../environments/*/place.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("environments/*/place.yaml: %v, %d files", err, len(files))
	}

	all := map[string]place{}
	for _, file := range files {
		var p place
		readYAML(t, file, &p)
		all[filepath.Base(filepath.Dir(file))] = p
	}

	return all
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// valuesFiles are an environment's, as argocd/applicationset.yaml lists them.
func valuesFiles(name string, p place) []string {
	folder := filepath.Join("../environments", name)

	files := []string{"../environments/common.yaml", filepath.Join(folder, "release.yaml")}
	for workload := range p.Workloads {
		files = append(files, filepath.Join(folder, "rules", workload+".yaml"))
	}
	return append(files, filepath.Join(folder, "place.yaml"))
}

func valuesFlags(name string, p place) (flags []string) {
	for _, file := range valuesFiles(name, p) {
		flags = append(flags, "--values", file)
	}
	return flags
}

const neverPublished = "is all zeros: this image was never published; write the digest that make publish prints"

func TestEveryEnvironmentRenders(t *testing.T) {
	for name, p := range places(t) {
		t.Run(name, func(t *testing.T) {
			args := []string{"--namespace", p.Global.Destination.Namespace}

			// The images of this repository's own environments were never published, which the chart says.
			if _, err := chart.Template(t, "wasm-rewrite", append(args, valuesFlags(name, p)...)...); err == nil ||
				!strings.Contains(err.Error(), "- image.digest: "+neverPublished) || !strings.Contains(err.Error(), "- verify.image.digest: "+neverPublished) {
				t.Errorf("all zeros as digests: %v, want both said to be never published", err)
			}

			args = append(args, "--set", "image.digest="+someDigest, "--set", "verify.image.digest="+someDigest)
			out, err := chart.Template(t, "wasm-rewrite", append(args, valuesFlags(name, p)...)...)
			if err != nil {
				t.Fatal(err)
			}

			var rendered []string

			gate := false
			for _, object := range chart.Objects(t, out) {
				if object.GetKind() != "WasmPlugin" {
					gate = gate || object.GetKind() == "Pod" && object.GetName() == "wasm-rewrite-verify-before"
					continue
				}
				var plugin extensions.WasmPlugin
				chart.Typed(t, object, &plugin, &plugin.Spec)
				rendered = append(rendered, plugin.Name)
				if plugin.Namespace != p.Global.Destination.Namespace {
					t.Errorf("%s is in namespace %q, want %q", plugin.Name, plugin.Namespace, p.Global.Destination.Namespace)
				}
			}
			slices.Sort(rendered)
			if !gate {
				t.Error("no Pod checks the release before it: verify.before is off")
			}

			var want []string
			for workload := range p.Workloads {
				want = append(want, "wasm-rewrite-"+workload)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, rendered); diff != "" {
				t.Errorf("WasmPlugins (-wanted +rendered):\n%s", diff)
			}
		})
	}
}

func TestTheTestsOfEveryEnvironmentPassInTheFilter(t *testing.T) {
	tool, module := made.File(t, "build/bin/wasm-rewrite"), made.Module(t)
	for name := range places(t) {
		out, err := exec.CommandContext(t.Context(), tool, "test", filepath.Join("../environments", name), "--chart", chart.Dir, "--wasm", module,
			"--min-coverage", "100").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Argo CD reads the rules of those workloads that place.yaml names.
func TestEnvironmentsAreWhole(t *testing.T) {
	all := places(t)
	for name, p := range all {
		files, err := filepath.Glob(filepath.Join("../environments", name, "rules/*.yaml"))
		if err != nil {
			t.Fatal(err)
		}

		for _, file := range files {
			workload := strings.TrimSuffix(filepath.Base(file), ".yaml")
			if _, ok := p.Workloads[workload]; !ok {
				t.Errorf("environments/%s/place.yaml does not name %s, so Argo CD does not read %s", name, workload, file)
			}
			var values struct{ Workloads map[string]any }
			readYAML(t, file, &values)
			if len(values.Workloads) != 1 || values.Workloads[workload] == nil {
				t.Errorf("%s holds other workloads than %s", file, workload)
			}
		}
		if before := p.Global.PromotedFrom; before != "" {
			if _, ok := all[before]; !ok || before == name {
				t.Errorf("environments/%s/place.yaml: global.promotedFrom: %q is no other environment", name, before)
			}
		}
	}
}

// The names of the repository and of the registry in argocd/ and environments/, however they are spelled.
var (
	repositoryName = regexp.MustCompile(`(?i)[^\s"']*github\.com[^\s"'},]*`)
	registryName   = regexp.MustCompile(`(?i)[^\s"']*ghcr\.io[^\s"'},]*`)
	imageName      = regexp.MustCompile(`wasm-rewrite/wasm-rewrite`)
)

// make own puts a user's names everywhere, since each has one spelling.
func TestOwn(t *testing.T) {
	copied := t.TempDir()
	for _, folder := range []string{"argocd", "environments"} {
		if err := os.CopyFS(filepath.Join(copied, folder), os.DirFS(filepath.Join("..", folder))); err != nil {
			t.Fatal(err)
		}
	}

	before := namesIn(t, copied)
	for _, found := range repositoryName.FindAllString(before, -1) {
		if found != "https://github.com/wasm-rewrite/wasm-rewrite" {
			t.Errorf("the repository is spelled %s, want https://github.com/wasm-rewrite/wasm-rewrite", found)
		}
	}

	for _, found := range registryName.FindAllString(before, -1) {
		if found != "oci://ghcr.io/wasm-rewrite/charts/wasm-rewrite" && found != "ghcr.io" {
			t.Errorf("the registry is spelled %s, want oci://ghcr.io/wasm-rewrite/charts/wasm-rewrite", found)
		}
	}

	own := func(repository, registry string) (string, error) {
		out, err := exec.CommandContext(t.Context(), filepath.Join(copied, "argocd/own.sh"), repository, registry).CombinedOutput()
		return string(out), err
	}
	for _, names := range [][2]string{
		{"https://git.example.com/shop/rules.git", "registry.example.com:5000/shop/rules"},
		{"git@git.example.com:shop/rules.git", "registry.example.com"},
	} {
		if out, err := own(names[0], names[1]); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}

		after := namesIn(t, copied)
		for _, old := range []*regexp.Regexp{repositoryName, registryName, imageName} {
			if found := old.FindAllString(after, -1); found != nil {
				t.Errorf("after own.sh %v there still is %q", names, found)
			}
		}

		for _, text := range []string{names[0], "oci://" + names[1] + "/charts/wasm-rewrite"} {
			if !strings.Contains(after, text) {
				t.Errorf("after own.sh %v there is no %s", names, text)
			}
		}
		var common struct {
			Image struct{ Registry, Repository string }
		}
		readYAML(t, filepath.Join(copied, "environments/common.yaml"), &common)
		if got, want := common.Image.Registry+"/"+common.Image.Repository, names[1]+"/wasm-rewrite"; got != want {
			t.Errorf("after own.sh %v the image is %s, want %s", names, got, want)
		}
	}
	if out, err := own("https://github.com/wasm-rewrite/wasm-rewrite", "ghcr.io/wasm-rewrite"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if diff := cmp.Diff(before, namesIn(t, copied)); diff != "" {
		t.Errorf("and back again (-before +after):\n%s", diff)
	}

	for _, names := range [][2]string{{"", ""}, {"rules", "oci://ghcr.io/me"}, {"https://a b", "ghcr.io/Me"},
		{"https://git.example.com/{{.path.basename}}", "ghcr.io/{{.x}}"}, {"git@git.example.com:me/$(id)", "ghcr.io/me,x"}, {"https://x/`id`", "x]"}} {
		out, err := own(names[0], names[1])
		if err == nil || !strings.Contains(out, "REPO="+names[0]+": want ") || !strings.Contains(out, "REGISTRY="+names[1]+": want ") {
			t.Errorf("own.sh %q: %v\n%s\nwant both refused", names, err, out)
		}
	}

	// What is refused does nothing to a terminal.
	out, err := own("https://x/\x1b[2J\u009b2J\u202e", "\u009b\n::error::x")
	if err == nil || strings.ContainsAny(out, "\x1b\u009b\u202e") || strings.Contains(out, "\n::") {
		t.Errorf("own.sh says %q, %v", out, err)
	}
}

// namesIn is the text of all YAML below a folder.
func namesIn(t *testing.T, folder string) string {
	t.Helper()

	var all strings.Builder
	for _, pattern := range []string{"argocd/*.yaml", "environments/*.yaml", "environments/*/*.yaml", "environments/*/rules/*.yaml"} {
		names, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}

		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString("# " + strings.TrimPrefix(name, folder) + "\n")
			all.Write(text)
		}
	}

	return all.String()
}
