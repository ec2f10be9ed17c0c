//go:build !js

package host

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
)

// What the plugin shows to a proxy. TinyGo and the SDK export more; the build
// takes it away, because Envoy prefers an exported malloc and then never frees,
// and enters the VM for every callback that is there.
var pluginExports = []string{
	"_initialize",
	"memory",
	"proxy_abi_version_0_2_0",
	"proxy_on_configure",
	"proxy_on_context_create",
	"proxy_on_delete",
	"proxy_on_memory_allocate",
	"proxy_on_request_headers",
	"proxy_on_response_headers",
	"proxy_on_tick",
	"proxy_on_vm_start",
}

func compiledPlugin(t *testing.T) wazero.CompiledModule {
	t.Helper()

	ctx := context.Background()
	runtime := wazero.NewRuntime(ctx)
	t.Cleanup(func() { runtime.Close(ctx) })
	module, err := runtime.CompileModule(ctx, pluginBytes(t))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func TestThePluginExportsWhatItNeeds(t *testing.T) {
	module := compiledPlugin(t)
	exports := slices.Concat(
		slices.Collect(maps.Keys(module.ExportedFunctions())),
		slices.Collect(maps.Keys(module.ExportedMemories())))
	slices.Sort(exports)
	if !slices.Equal(exports, pluginExports) {
		t.Errorf("build/plugin.wasm exports\n%s\nwant\n%s", strings.Join(exports, " "), strings.Join(pluginExports, " "))
	}
}

// TestThePluginImportsWhatEveryHostHas keeps the plugin loadable by any host of
// ABI 0.2.0: nothing but its functions, with their types, and the WASI functions
// that the oldest supported Envoy provides.
func TestThePluginImportsWhatEveryHostHas(t *testing.T) {
	module := compiledPlugin(t)
	if err := checkImports(module); err != nil {
		t.Error(err)
	}

	for _, f := range module.ImportedFunctions() {
		from, name, _ := f.Import()

		known, ok := hostFunctions[name]
		switch {
		case from == "env" && !strings.HasPrefix(name, "proxy_"):
			t.Errorf("it imports env.%s, which belongs to no ABI", name)
		case ok && (!slices.Equal(f.ParamTypes(), known.params()) || len(f.ResultTypes()) != 1):
			t.Errorf("it imports %s with the type %v -> %v", name, f.ParamTypes(), f.ResultTypes())
		}
	}
	if n := len(module.ImportedMemories()); n != 0 {
		t.Errorf("it imports %d memories", n)
	}
}
