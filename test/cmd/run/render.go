package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	extensions "istio.io/api/extensions/v1alpha1"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// render renders the chart with the user's values and returns what istiod would make of each WasmPlugin, ordered by
// name. The chart's own keys for delivery and module are set to the module at hand, so values need only workloads.
func render(ctx context.Context, o options) ([]envoy.Plugin, error) {
	module, err := filepath.Abs(o.module)
	if err != nil {
		return nil, err
	}
	if err := check(o); err != nil {
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
		return nil, fmt.Errorf("RULES=%s: helm cannot render the chart with it:\n%s", o.rules,
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
			return nil, fmt.Errorf("RULES=%s: the rendered chart is not YAML: %w", o.rules, err)
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

// check looks through the rules as `wasm-rewrite lint` does. What keeps them from being used is an error, with all of it;
// what is only doubtful is shown.
func check(o options) error {
	in, err := read.Input(o.rules, read.Options{Chart: o.chart})
	if findings, rest := lint.Unreadable(err); rest == nil && len(findings) > 0 {
		return refused(o, findings)
	}
	if err != nil {
		return fmt.Errorf("RULES: %w", err)
	}
	if in.Kind == input.Rules && in.Workloads[0].Config == nil {
		return fmt.Errorf("RULES=%s: is empty, so there is nothing to run. Write values of the chart:\n  workloads:\n    shop:\n      selector: "+
			"{app: shop}\n      patterns: …", o.rules)
	}
	if in.Kind == input.Rules {
		return fmt.Errorf("RULES=%s: has plain rules, and the chart wants to know where they run. Write them under a workload:\n  workloads:\n    "+
			"shop:\n      selector: {app: shop}\n      patterns: …", o.rules)
	}

	var errs []lint.Finding
	for _, f := range lint.Lint(in) {
		switch f.Severity {
		case lint.SeverityError:
			errs = append(errs, f)
		case lint.SeverityWarning:
			fmt.Fprint(os.Stderr, f)
		}
	}
	// What breaks requests is shown and runs, so that it can be seen.
	if slices.ContainsFunc(errs, func(f lint.Finding) bool { return slices.Contains(lint.Faulty, f.Check) }) {
		return refused(o, errs)
	}

	for _, f := range errs {
		fmt.Fprint(os.Stderr, f)
	}

	return nil
}

func refused(o options, findings []lint.Finding) error {
	var text strings.Builder
	fmt.Fprintf(&text, "RULES=%s: these rules are refused:", o.rules)

	for _, f := range findings {
		text.WriteString("\n" + strings.TrimSuffix(f.String(), "\n"))
	}
	return errors.New(text.String())
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
