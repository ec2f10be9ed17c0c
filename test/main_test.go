// Package test runs the filter where it lives: in a real Envoy, with what the
// chart renders. Every program it needs is made by make, once; a program that
// cannot be made fails the tests that need it.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/gruntwork-io/terratest/modules/shell"
	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

const chart = "charts/wasm-rewrite"

// renderedPlugin is what istiod makes of the one WasmPlugin that the chart
// renders with a file of values.
func renderedPlugin(t *testing.T, values string) envoy.Plugin {
	t.Helper()
	manifest, err := helmTemplate(t, "wasm-rewrite", "--values", filepath.Join(made.Root, chart, values), "--show-only", "templates/wasmplugin.yaml")
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

// helmTemplate gives what `helm template` writes to stdout for the chart; an
// error is what it writes to stderr. terratest's own package for Helm does the
// same, but takes three minutes to compile: it brings all of AWS.
func helmTemplate(t *testing.T, release string, args ...string) (string, error) {
	t.Helper()
	command := &shell.Command{Command: made.Helm(t), Args: append([]string{"template", release, filepath.Join(made.Root, chart)}, args...), Logger: logger.Discard}
	stdout, err := shell.RunCommandContextAndGetStdOutE(t, t.Context(), command)
	var failed *shell.ErrWithCmdOutput
	if errors.As(err, &failed) {
		err = errors.New(failed.Output.Stderr())
	}
	return stdout, err
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
