//go:build !js

package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	wasmsys "github.com/tetratelabs/wazero/sys"
)

// maxPages is the memory Envoy grants a module, in pages of 64 KiB: 1 GiB.
const maxPages = 16384

// Module is a compiled filter. Every VM made of it shares its machine code and
// nothing else. It is safe for concurrent use.
type Module struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	alloc    string
}

// Compile checks a module as Envoy does when it loads one, and compiles it. The
// error names every import that Envoy does not provide. cache keeps machine
// code between calls; nil means none. Close the module after its VMs.
func Compile(ctx context.Context, wasm []byte, cache wazero.CompilationCache) (*Module, error) {
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithMemoryLimitPages(maxPages)
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}

	m := &Module{runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	if err := m.load(ctx, wasm); err != nil {
		return nil, errors.Join(err, m.Close(ctx))
	}
	return m, nil
}

func (m *Module) load(ctx context.Context, wasm []byte) error {
	var err error
	if m.compiled, err = m.runtime.CompileModule(ctx, wasm); err != nil {
		return fmt.Errorf("not a WebAssembly module: %w", err)
	}
	if err := checkImports(m.compiled); err != nil {
		return err
	}

	exports := m.compiled.ExportedFunctions()
	m.alloc, err = allocator(len(m.compiled.ExportedMemories()) > 0, func(name string) bool { return exports[name] != nil })
	if err != nil {
		return err
	}

	env := m.runtime.NewHostModuleBuilder("env")
	for name, f := range hostFunctions {
		env.NewFunctionBuilder().
			WithGoModuleFunction(f.entry(name), f.params(), []api.ValueType{api.ValueTypeI32}).
			Export(name)
	}
	env.NewFunctionBuilder().WithFunc(func(uint32) {}).Export("emscripten_notify_memory_growth")
	if _, err := env.Instantiate(ctx); err != nil {
		return err
	}

	_, err = wasi_snapshot_preview1.Instantiate(ctx, m.runtime)

	return err
}

// Close frees the module and every VM made of it.
func (m *Module) Close(ctx context.Context) error { return m.runtime.Close(ctx) }

func checkImports(m wazero.CompiledModule) error {
	var imports [][2]string
	for _, f := range m.ImportedFunctions() {
		module, name, _ := f.Import()
		imports = append(imports, [2]string{module, name})
	}
	return notProvided(imports)
}

func (f hostFunction) entry(name string) api.GoModuleFunc {
	return func(ctx context.Context, module api.Module, stack []uint64) {
		vm := ctx.Value(vmKey{}).(*VM)
		status, err := f.answer(ctx, vm, name, module.Memory(), stack)
		if err != nil {
			panic(err) // becomes a trap
		}

		stack[0] = uint64(status)
	}
}

// machine is an instance that wazero runs.
type machine struct {
	memory
	module api.Module
}

func (m *Module) instantiate(ctx context.Context, vm *VM) (instance, error) {
	config := wazero.NewModuleConfig().
		WithName(""). // anonymous: any number of VMs in one runtime
		WithStartFunctions().
		WithStdout(output{vm, LevelInfo}).
		WithStderr(output{vm, LevelError}).
		WithRandSource(vm.opts.Random).
		WithSysNanotime().
		WithWalltime(func() (int64, int32) {
			now := vm.opts.Clock()
			return now.Unix(), int32(now.Nanosecond())
		}, wasmsys.ClockResolution(time.Microsecond))
	module, err := m.runtime.InstantiateModule(ctx, m.compiled, config)
	if err != nil {
		return nil, err
	}

	return &machine{module.Memory(), module}, nil
}

func (m *machine) exports(name string) bool { return m.module.ExportedFunction(name) != nil }

func (m *machine) call(ctx context.Context, name string, args ...uint64) (uint64, error) {
	results, err := m.module.ExportedFunction(name).Call(ctx, args...)
	if err != nil {
		if exit := (*wasmsys.ExitError)(nil); errors.As(err, &exit) && ctx.Err() != nil {
			err = fmt.Errorf("it did not return: %w", ctx.Err())
		}
		return 0, err
	}
	if len(results) == 0 {
		return 0, nil
	}

	return results[0], nil
}

func (m *machine) close(ctx context.Context) error { return m.module.Close(ctx) }
