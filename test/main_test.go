// Package test runs the filter where it lives: in a real Envoy, with what the
// chart renders. Every program it needs is made by make, once; a program that
// cannot be made fails the tests that need it.
package test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/logger"
	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

const chart = "charts/wasm-rewrite"

// renderedPlugin is what istiod makes of the one WasmPlugin that the chart
// renders with a file of values.
func renderedPlugin(t *testing.T, values string) envoy.Plugin {
	t.Helper()
	// terratest runs the helm that it finds on PATH.
	t.Setenv("PATH", filepath.Dir(made.Helm(t))+string(os.PathListSeparator)+os.Getenv("PATH"))
	options := &helm.Options{ValuesFiles: []string{filepath.Join(made.Root, chart, values)}, Logger: logger.Discard}
	manifest, err := helm.RenderTemplateContextE(t, t.Context(), options, filepath.Join(made.Root, chart), "wasm-rewrite", []string{"templates/wasmplugin.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	var object extensions.WasmPlugin
	helm.UnmarshalK8SYaml(t, manifest, &object)
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
