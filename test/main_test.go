// Package test runs the filter where it lives: in a real Envoy, with what the
// chart renders. Every program it needs is made by make, once; a program that
// cannot be made fails the tests that need it.
package test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// renderedPlugin is what istiod makes of the one WasmPlugin that the chart
// renders with a file of values.
func renderedPlugin(t *testing.T, values string) envoy.Plugin {
	t.Helper()
	manifest, err := chart.Template(t, "wasm-rewrite", "--values", filepath.Join(chart.Dir, values), "--show-only", "templates/wasmplugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object extensions.WasmPlugin
	if err := yaml.Unmarshal([]byte(manifest), &object); err != nil {
		t.Fatal(err)
	}

	return envoy.Plugin{
		Name:          "default." + object.Name,
		PluginName:    object.Spec.GetPluginName(),
		Module:        made.Module(t),
		Configuration: compactJSON(t, object.Spec.GetPluginConfig().AsMap()),
	}
}

// compactJSON writes v as istiod does: keys sorted, no spaces, no HTML escapes.
func compactJSON(t *testing.T, v any) string {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(text.String(), "\n")
}
