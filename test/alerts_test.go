package test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

const (
	alerts = "metrics: {prometheusRule: {enabled: true}}\n"
	oci    = "image: {digest: '" + someDigest + "'}\n"
)

// prometheusRule is the one that values render to.
func prometheusRule(t *testing.T, values ...string) unstructured.Unstructured {
	t.Helper()

	var rules []unstructured.Unstructured
	for _, object := range chart.Objects(t, chart.MustRender(t, append([]string{alerts}, values...)...)) {
		if object.GetKind() == "PrometheusRule" {
			rules = append(rules, object)
		}
	}
	if len(rules) != 1 {
		t.Fatalf("rendered %d PrometheusRules, want 1", len(rules))
	}

	return rules[0]
}

// ruleFile writes a PrometheusRule's rules as Prometheus itself reads them.
func ruleFile(t *testing.T, rule unstructured.Unstructured, folder string) string {
	t.Helper()

	text, err := yaml.Marshal(rule.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}

	file := filepath.Join(folder, "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}

	return file
}

// promtool's unit tests of the alerts.
func TestAlerts(t *testing.T) {
	testAlerts(t, "testdata/alerts.yaml", oci, gatedRules)
}

func TestAlertsOfEnvoyGateway(t *testing.T) {
	testAlerts(t, "testdata/alerts-policy.yaml", chart.ReadFile(t, filepath.Join(chart.Dir, "ci/envoyextensionpolicy-values.yaml")))
}

// testAlerts runs a file of promtool's unit tests on the rules that values render to.
func testAlerts(t *testing.T, file string, values ...string) {
	t.Helper()

	folder := t.TempDir()
	ruleFile(t, prometheusRule(t, values...), folder)
	tests := filepath.Join(folder, "alerts.yaml")
	if err := os.WriteFile(tests, []byte(chart.ReadFile(t, file)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), made.File(t, "build/bin/promtool"), "test", "rules", tests).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// Every alert of every delivery is one that Prometheus takes, and has a test of its own.
func TestAlertsAreValidAndTested(t *testing.T) {
	tested := chart.ReadFile(t, "testdata/alerts.yaml") + chart.ReadFile(t, "testdata/alerts-policy.yaml")
	for _, file := range chart.CIValues(t) {
		rule := prometheusRule(t, chart.ReadFile(t, file))
		if out, err := exec.CommandContext(t.Context(), made.File(t, "build/bin/promtool"), "check", "rules",
			ruleFile(t, rule, t.TempDir())).CombinedOutput(); err != nil {
			t.Errorf("%s: promtool: %v\n%s", file, err, out)
		}

		groups, _, _ := unstructured.NestedSlice(rule.Object, "spec", "groups")

		names := map[string]bool{}
		for _, one := range groups[0].(map[string]any)["rules"].([]any) {
			names[one.(map[string]any)["alert"].(string)] = true
		}

		for name := range names {
			if !strings.Contains(tested, "alertname: "+name+"\n    exp_alerts:") {
				t.Errorf("alert %s has no test that it fires", name)
			}
		}

		want := []string{"WasmRewriteFallback", "WasmRewriteFetchFailed", "WasmRewriteRevisionsDiffer", "WasmRewriteUnsafe", "WasmRewriteVMFailed"}
		if strings.Contains(file, "envoyfilter") {
			want = want[1:] // nothing is fetched
		}
		if strings.Contains(file, "envoyextensionpolicy") {
			want = []string{"WasmRewriteRevisionMissing", "WasmRewriteRevisionsDiffer", "WasmRewriteUnsafe", "WasmRewriteUpdateRefused", "WasmRewriteVMFailed"}
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(names))); diff != "" {
			t.Errorf("%s: alerts (-want +got):\n%s", file, diff)
		}
	}
}

func TestAlertsAreOffByDefaultAndSelectable(t *testing.T) {
	for _, values := range []string{gatedRules, alerts} {
		for _, object := range chart.Objects(t, chart.MustRender(t, chart.Module, values)) {
			if object.GetKind() == "PrometheusRule" {
				t.Errorf("%s: rendered a PrometheusRule", values)
			}
		}
	}

	rule := prometheusRule(t, oci, gatedRules, "metrics: {prometheusRule: {labels: {release: prometheus}}}")
	if got := rule.GetLabels()["release"]; got != "prometheus" {
		t.Errorf("label release is %q, want prometheus", got)
	}
}
