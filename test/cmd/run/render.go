package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	extensions "istio.io/api/extensions/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// render renders the chart with the user's values and returns what istiod would make of each WasmPlugin, ordered by
// name. The chart's own keys for delivery and module are set to the module at hand, so values need only workloads.
func render(ctx context.Context, o options) ([]envoy.Plugin, error) {
	module, err := filepath.Abs(o.module)
	if err != nil {
		return nil, err
	}
	here, err := json.Marshal(map[string]any{
		"delivery": "WasmPlugin", "url": "file://" + module, "sha256": "", "image": map[string]any{"digest": "", "tag": ""},
	})
	if err != nil {
		return nil, err
	}
	var manifests, messages bytes.Buffer
	helm := exec.CommandContext(ctx, o.helm, "template", "wasm-rewrite", o.chart, "--values", o.rules, "--values", "-")
	helm.Stdin, helm.Stdout, helm.Stderr = bytes.NewReader(here), &manifests, &messages
	if err := helm.Run(); err != nil {
		return nil, fmt.Errorf("RULES=%s: helm cannot render the chart with it:\n%s\n`make cli` and `build/bin/wasm-rewrite lint %[1]s` name all that is wrong at once", o.rules,
			strings.TrimSpace(strings.ReplaceAll(messages.String(), "Use --debug flag to render out invalid YAML\n", "")))
	}
	var plugins []envoy.Plugin
	for _, document := range strings.Split("\n"+manifests.String(), "\n---\n") {
		var object struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
			Spec     json.RawMessage
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return nil, fmt.Errorf("RULES=%s: the rendered chart is no YAML: %w", o.rules, err)
		}
		if object.Kind != "WasmPlugin" {
			continue
		}
		var spec extensions.WasmPlugin
		if err := json.Unmarshal(object.Spec, &spec); err != nil {
			return nil, fmt.Errorf("RULES=%s: WasmPlugin %s is not as Istio wants it: %w", o.rules, object.Metadata.Name, err)
		}
		configuration, err := compactJSON(spec.GetPluginConfig().AsMap())
		if err != nil {
			return nil, err
		}
		plugins = append(plugins, envoy.Plugin{
			Name:          object.Metadata.Namespace + "." + object.Metadata.Name,
			PluginName:    spec.GetPluginName(),
			Module:        strings.TrimPrefix(spec.GetUrl(), "file://"),
			Configuration: configuration,
			FailurePolicy: failurePolicy(spec.GetFailStrategy()),
		})
	}
	if len(plugins) == 0 {
		return nil, fmt.Errorf("RULES=%s: there is no workload in it, so there is nothing to run", o.rules)
	}
	slices.SortFunc(plugins, func(a, b envoy.Plugin) int { return strings.Compare(a.PluginName, b.PluginName) })
	return plugins, nil
}

// compactJSON writes v as istiod does: keys sorted, no spaces, no HTML escapes.
func compactJSON(v any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

func failurePolicy(s extensions.FailStrategy) string {
	switch s {
	case extensions.FailStrategy_FAIL_OPEN:
		return "FAIL_OPEN"
	case extensions.FailStrategy_FAIL_RELOAD:
		return "FAIL_RELOAD"
	default:
		return "FAIL_CLOSED"
	}
}
