package host

import (
	"context"
	"os"
	"testing"
)

// pluginBytes reads the module that the project builds.
func pluginBytes(t *testing.T) []byte {
	t.Helper()
	wasm, err := os.ReadFile("../../build/plugin.wasm")
	if err != nil {
		t.Fatalf("%v: run make build", err)
	}
	return wasm
}

// pluginModule compiles it.
func pluginModule(t *testing.T) *Module {
	t.Helper()
	module, err := Compile(t.Context(), pluginBytes(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close(context.Background()) })
	return module
}

// pluginVM starts it.
func pluginVM(t *testing.T) *VM {
	t.Helper()
	vm, err := pluginModule(t).New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return vm
}
