package test

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// project is one of argocd/project.yaml.
type project struct {
	Metadata struct{ Name string }
	Spec     struct {
		Destinations               []destination
		NamespaceResourceWhitelist []struct{ Group, Kind string }
	}
}

// Each environment has a project of its own: what is written in dev reaches dev's namespace and nothing else. The kinds of
// the gates, which run programs and give rights, are allowed where there are gates.
func TestEachEnvironmentHasAProjectOfItsOwn(t *testing.T) {
	text, err := os.ReadFile("../argocd/project.yaml")
	if err != nil {
		t.Fatal(err)
	}

	projects := map[string]project{}
	for _, document := range strings.Split(string(text), "\n---\n") {
		var p project
		if err := yaml.Unmarshal([]byte(document), &p); err != nil {
			t.Fatal(err)
		}

		projects[p.Metadata.Name] = p
	}

	all := places(t)
	for name, place := range all {
		p, ok := projects["wasm-rewrite-"+name]
		if !ok {
			t.Errorf("argocd/project.yaml has no project wasm-rewrite-%s", name)
			continue
		}
		if diff := cmp.Diff([]destination{place.Global.Destination}, p.Spec.Destinations); diff != "" {
			t.Errorf("the project of %s (-its place +what is allowed):\n%s", name, diff)
		}

		before, after := gatesOf(t, name)
		for kind, needed := range map[string]bool{"Pod": before || after, "ServiceAccount": after, "Role": after, "RoleBinding": after} {
			allowed := slices.ContainsFunc(p.Spec.NamespaceResourceWhitelist, func(k struct{ Group, Kind string }) bool { return k.Kind == kind })
			if allowed != needed {
				t.Errorf("the project of %s allows the kind %s: %v; a gate that is on needs it: %v", name, kind, allowed, needed)
			}
		}
	}
	if len(projects) != len(all) {
		t.Errorf("there are projects for %q, want one for each of %q", slices.Sorted(maps.Keys(projects)), slices.Sorted(maps.Keys(all)))
	}
}

// gatesOf reports which gates an environment's files switch on.
func gatesOf(t *testing.T, name string) (before, after bool) {
	t.Helper()
	var values struct {
		Verify struct{ Before, After struct{ Enabled bool } }
	}
	readYAML(t, "../environments/common.yaml", &values)
	readYAML(t, "../environments/"+name+"/place.yaml", &values)
	return values.Verify.Before.Enabled, values.Verify.After.Enabled
}

// patched is what the ApplicationSet makes of the files of an environment. Argo CD renders with Sprig's functions and
// missingkey=error, too; the real one does it in test/gitops.
func patched(t *testing.T, basename string, workloads map[string]any) (string, error) {
	t.Helper()
	var set struct {
		Spec struct{ TemplatePatch string }
	}
	readYAML(t, "../argocd/applicationset.yaml", &set)
	parsed, err := template.New("patch").Funcs(sprig.TxtFuncMap()).Option("missingkey=error").Parse(set.Spec.TemplatePatch)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{
		"path":      map[string]any{"path": "environments/" + basename, "basename": basename},
		"global":    map[string]any{"chart": map[string]any{"version": "0.1.0"}},
		"workloads": workloads,
	})

	return out.String(), err
}

func TestOneApplicationReadsTheFilesOfItsEnvironment(t *testing.T) {
	text, err := patched(t, "dev", map[string]any{"search": nil, "checkout": nil})
	if err != nil {
		t.Fatal(err)
	}
	var patch struct {
		Spec struct {
			Sources []struct {
				RepoURL, TargetRevision, Ref string
				Helm                         struct{ ValueFiles []string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &patch); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(patch.Spec.Sources) != 2 || patch.Spec.Sources[0].TargetRevision != "0.1.0" || patch.Spec.Sources[1].Ref != "values" {
		t.Errorf("the sources are %+v", patch.Spec.Sources)
	}

	want := []string{
		"$values/environments/dev/rules/checkout.yaml", "$values/environments/dev/rules/search.yaml",
		"$values/environments/common.yaml", "$values/environments/dev/release.yaml", "$values/environments/dev/place.yaml",
	}
	if diff := cmp.Diff(want, patch.Spec.Sources[0].Helm.ValueFiles); diff != "" {
		t.Errorf("the files of values (-wanted +rendered):\n%s", diff)
	}
}

func TestNoKeyOfAFileBecomesAnotherSource(t *testing.T) {
	for _, c := range []struct{ basename, workload, want string }{
		{"dev", "checkout.yaml\n      - repoURL: https://evil.example.com/x\n        path: .", "cannot be the name of a workload"},
		{"dev", "../../production/rules/checkout", "cannot be the name of a workload"},
		{"dev", "Checkout", "cannot be the name of a workload"},
		{"dev", "", "cannot be the name of a workload"},
		{"dev\n    - repoURL: x", "checkout", "cannot be the name of an environment"},
	} {
		text, err := patched(t, c.basename, map[string]any{c.workload: nil})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q of %q is no error, %v:\n%s", c.workload, c.basename, err, text)
		}
	}
}
