package environment

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
)

// Render makes the environment's workloads with a chart, in a copy of its folder that is in dir.
func (e *Environment) Render(chart, dir string) (*input.Input, error) {
	root, err := os.MkdirTemp(dir, "environments")
	if err != nil {
		return nil, err
	}
	if err := e.Write(root); err != nil {
		return nil, err
	}

	// What is not promoted is as it was read.
	for file, text := range map[string][]byte{filepath.Join(root, e.Name, "place.yaml"): e.place, filepath.Join(root, "common.yaml"): e.common} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, err
		}
	}

	return read.Input(filepath.Join(root, e.Name), read.Options{
		Chart: chart, Namespace: e.Place.Global.Destination.Namespace,
		// The copy is gone when its name is read.
		Shown: func(file string) string { return strings.Replace(file, root, filepath.Dir(e.Dir), 1) },
	})
}
