//go:build js

package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall/js"
)

// Module is a compiled filter, which the browser runs. Nothing here can stop a
// module that does not return: whoever must be able to runs all of this in a
// worker and ends that.
type Module struct {
	compiled js.Value // WebAssembly.Module
	alloc    string
}

// Compile checks a module as Envoy does when it loads one, and compiles it. The
// error names every import that Envoy does not provide. There is no cache here.
func Compile(_ context.Context, wasm []byte, _ any) (m *Module, err error) {
	defer thrown(&err, "not a WebAssembly module")
	bytes := js.Global().Get("Uint8Array").New(len(wasm))
	js.CopyBytesToJS(bytes, wasm)
	about := js.Global().Get("WebAssembly").Get("Module")
	m = &Module{compiled: about.New(bytes)}
	var imports [][2]string
	list := about.Call("imports", m.compiled)
	for i := range list.Length() {
		one := list.Index(i)
		imports = append(imports, [2]string{one.Get("module").String(), one.Get("name").String()})
	}
	if err := notProvided(imports); err != nil {
		return nil, err
	}
	exports, hasMemory := map[string]bool{}, false
	list = about.Call("exports", m.compiled)
	for i := range list.Length() {
		one := list.Index(i)
		exports[one.Get("name").String()] = one.Get("kind").String() == "function"
		hasMemory = hasMemory || one.Get("kind").String() == "memory"
	}
	m.alloc, err = allocator(hasMemory, func(name string) bool { return exports[name] })
	return m, err
}

// Close frees the module.
func (m *Module) Close(context.Context) error { return nil }

// thrown makes an error of what JavaScript throws.
func thrown(err *error, what string) {
	switch r := recover().(type) {
	case nil:
	case js.Error:
		*err = fmt.Errorf("%s: %w", what, r)
	default:
		panic(r)
	}
}

// page is an instance that the browser runs.
type page struct {
	vm      *VM
	ctx     context.Context // of the call at hand
	module  js.Value        // its exports
	failed  error           // what a host function made of the call at hand
	imports []js.Func
}

func (m *Module) instantiate(_ context.Context, vm *VM) (_ instance, err error) {
	p := &page{vm: vm}
	env := map[string]any{"emscripten_notify_memory_growth": p.function(func([]uint64) uint64 { return 0 })}
	for name, f := range hostFunctions {
		env[name] = p.function(func(args []uint64) uint64 {
			status, err := f.answer(p.ctx, vm, name, p, args)
			if err != nil {
				p.failed = errors.Join(p.failed, err)
				status = StatusInternalFailure
			}
			return uint64(status)
		})
	}
	system := map[string]any{}
	for _, name := range wasiFunctions {
		system[name] = p.function(func(args []uint64) uint64 { return p.wasi(name, args) })
	}
	defer thrown(&err, "")
	made := js.Global().Get("WebAssembly").Get("Instance").New(m.compiled, map[string]any{"env": env, wasi: system})
	p.module = made.Get("exports")
	return p, nil
}

// function makes a function that the module can import. A 64-bit argument
// arrives as BigInt, and all that pass here fit a number.
func (p *page) function(run func(args []uint64) uint64) js.Func {
	number := js.Global().Get("Number")
	f := js.FuncOf(func(_ js.Value, args []js.Value) any {
		list := make([]uint64, len(args))
		for i, arg := range args {
			list[i] = uint64(int64(number.Invoke(arg).Float()))
		}
		return run(list)
	})
	p.imports = append(p.imports, f)
	return f
}

func (p *page) exports(name string) bool {
	return p.module.Get(name).Type() == js.TypeFunction
}

func (p *page) call(ctx context.Context, name string, args ...uint64) (result uint64, err error) {
	defer thrown(&err, "it trapped")
	before := p.ctx
	p.ctx = ctx
	defer func() { p.ctx = before }()
	list := make([]any, len(args))
	for i, arg := range args {
		list[i] = float64(arg)
	}
	if v := p.module.Call(name, list...); v.Type() == js.TypeNumber {
		result = uint64(uint32(int64(v.Float()))) // JavaScript shows 32 bits with a sign
	}
	err, p.failed = p.failed, nil
	return result, err
}

func (p *page) close(context.Context) error {
	for _, f := range p.imports {
		f.Release()
	}
	return nil
}

// at gives bytes of the module's memory; false where they lie outside.
func (p *page) at(at, size uint32) (js.Value, bool) {
	buffer := p.module.Get("memory").Get("buffer")
	if uint64(at)+uint64(size) > uint64(buffer.Get("byteLength").Float()) {
		return js.Value{}, false
	}
	return js.Global().Get("Uint8Array").New(buffer, at, size), true
}

func (p *page) Read(at, size uint32) ([]byte, bool) {
	from, ok := p.at(at, size)
	if !ok {
		return nil, false
	}
	b := make([]byte, size)
	js.CopyBytesToGo(b, from)
	return b, true
}

func (p *page) write(at uint32, b []byte) bool {
	to, ok := p.at(at, uint32(len(b)))
	if ok {
		js.CopyBytesToJS(to, b)
	}
	return ok
}

func (p *page) WriteString(at uint32, s string) bool { return p.write(at, []byte(s)) }

func (p *page) WriteUint32Le(at, v uint32) bool {
	return p.write(at, binary.LittleEndian.AppendUint32(nil, v))
}

func (p *page) WriteUint64Le(at uint32, v uint64) bool {
	return p.write(at, binary.LittleEndian.AppendUint64(nil, v))
}

// The results of WASI that are given here.
const (
	wasiOK    = 0
	wasiFault = 21
	wasiNoSys = 52
)

// wasi is what a filter needs of WASI: clock, chance, and words to say before
// it traps.
func (p *page) wasi(name string, args []uint64) uint64 {
	ok := true
	switch name {
	case "args_sizes_get", "environ_sizes_get":
		ok = p.WriteUint32Le(uint32(args[0]), 0) && p.WriteUint32Le(uint32(args[1]), 0)
	case "args_get", "environ_get", "sched_yield":
	case "clock_time_get":
		ok = p.WriteUint64Le(uint32(args[2]), uint64(p.vm.opts.Clock().UnixNano()))
	case "random_get":
		if _, ok := p.at(uint32(args[0]), uint32(args[1])); !ok {
			return wasiFault
		}
		b := make([]byte, uint32(args[1]))
		if _, err := io.ReadFull(p.vm.opts.Random, b); err != nil {
			return wasiNoSys
		}
		ok = p.write(uint32(args[0]), b)
	case "fd_write":
		return p.print(args)
	default:
		return wasiNoSys
	}
	if !ok {
		return wasiFault
	}
	return wasiOK
}

// print logs what the module writes to stdout or stderr: a list of addresses
// and sizes.
func (p *page) print(args []uint64) uint64 {
	level := map[uint64]Level{1: LevelInfo, 2: LevelError}[args[0]]
	list, ok := p.Read(uint32(args[1]), uint32(args[2])*8)
	if level == 0 || !ok {
		return wasiFault
	}
	var said strings.Builder
	for ; len(list) > 0; list = list[8:] {
		b, ok := p.Read(binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:]))
		if !ok {
			return wasiFault
		}
		said.Write(b)
	}
	if _, err := (output{p.vm, level}).Write([]byte(said.String())); err != nil || !p.WriteUint32Le(uint32(args[3]), uint32(said.Len())) {
		return wasiFault
	}
	return wasiOK
}
