package eg_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
)

// What the chart renders is what the API server takes with the controller's own CRDs, defaults and CEL rules.
func TestTheAPIServerTakesEveryFormOfAPolicy(t *testing.T) {
	t.Parallel()
	start(t)
	const ones = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

	const base = "delivery: EnvoyExtensionPolicy\nimage: {digest: '" + ones + "'}\nverify: {before: {enabled: false}}\n"
	for name, values := range map[string][]string{
		"the example":      {chart.ReadFile(t, filepath.Join(chart.Dir, "ci/envoyextensionpolicy-values.yaml"))},
		"each target":      {base, onEach("Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute")},
		"a section":        {base, strings.ReplaceAll(onEach("Gateway"), "name: x", "name: x, sectionName: web")},
		"a pull secret":    {base, onEach("HTTPRoute"), "image: {pullSecret: registry}"},
		"a module by HTTP": {base, onEach("HTTPRoute"), "{image: {digest: ''}, url: https://example.com/plugin.wasm, sha256: '" + strings.Repeat("0", 64) + "'}"},
		"the gate":         {base, onEach("HTTPRoute"), "verify: {before: {enabled: true}, image: {digest: '" + ones + "'}}"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &space{T: t, name: "default"}
			manifest := strings.ReplaceAll(chart.MustRender(t, values...), `namespace: "shop"`, "namespace: default")
			s.run("create", "--dry-run=server", "--filename", s.file(manifest))
		})
	}

	// A form that is wrong is refused, so that the test above can fail.
	s := &space{T: t, name: "default"}
	wrong := strings.ReplaceAll(chart.MustRender(t, base, onEach("HTTPRoute")), `"shop"`, "default")
	wrong = strings.ReplaceAll(wrong, "kind: HTTPRoute", "kind: Service")
	if out, err := s.kubectl(t.Context(), "create", "--dry-run=server", "--filename", s.file(wrong)); err == nil || !strings.Contains(out, "targetRef") {
		t.Errorf("a policy of a Service: %v\n%s", err, out)
	}
}

// onEach are values with a pattern on one target of each kind.
func onEach(kinds ...string) string {
	var targets []string
	for _, kind := range kinds {
		targets = append(targets, "{kind: "+kind+", name: x}")
	}
	return "workloads: {x: {targetRefs: [" + strings.Join(targets, ", ") + "], patterns: [{match: {path: {prefix: /a}}, rewrite: {path: /b}}]}}\n"
}
