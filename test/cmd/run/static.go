package main

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// static is a plugin as an Envoy without a control plane wants it: one of http_filters, before the router.
func static(p envoy.Plugin) (string, error) {
	text, err := yaml.Marshal([]any{map[string]any{"name": p.PluginName, "typed_config": envoy.Wasm(p).Config}})
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.PluginName, err)
	}

	return string(text), nil
}

// showStatic prints all of them.
func showStatic(plugins []envoy.Plugin) error {
	fmt.Print("\nIn the static configuration of an Envoy of your own, among http_filters and before the router:\n\n")

	for _, p := range plugins {
		text, err := static(p)
		if err != nil {
			return err
		}
		fmt.Println("  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  "))
	}

	return nil
}
