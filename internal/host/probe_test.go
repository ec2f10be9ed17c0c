package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// A probe is a module written by a test: straight-line programs of host calls
// with constant arguments, in WebAssembly's binary format. Every call writes the
// digit of its status ('0' + status) to a transcript, which is logged at the end
// of the callback, so that the same module shows in any host what it returned.
type probe struct {
	imports   []string // module.name
	callbacks []*program
	data      []byte
	extra     []string // exported without being called: func () -> ()
	without   map[string]bool
	cases     int // programs chosen by x-case so far
}

// Memory: constants from 1024, results of calls from 512 KiB, transcripts from
// 768 KiB, and from 1 MiB on what proxy_on_memory_allocate hands out.
const (
	constantsAt   = 1 << 10
	resultsAt     = 512 << 10
	transcriptsAt = 768 << 10
	heapAt        = 1 << 20
	memoryPages   = 1024
)

type program struct {
	probe  *probe
	name   string
	params int
	result bool
	code   []byte
	digits int
}

func newProbe() *probe { return &probe{without: map[string]bool{}} }

// on starts the program of a callback, whose parameters and result follow from
// its name.
func (p *probe) on(name string) *program {
	params := map[string]int{
		"_initialize": 0, "proxy_on_context_create": 2, "proxy_on_vm_start": 2, "proxy_on_configure": 2,
		"proxy_on_request_headers": 3, "proxy_on_response_headers": 3,
		"proxy_on_request_body": 3, "proxy_on_response_body": 3,
		"proxy_on_tick": 1, "proxy_on_done": 1, "proxy_on_log": 1, "proxy_on_delete": 1,
	}
	n, ok := params[name]
	if !ok {
		panic("unknown callback " + name)
	}

	g := &program{probe: p, name: name, params: n}
	g.result = name == "proxy_on_vm_start" || name == "proxy_on_configure" || name == "proxy_on_done" || n == 3
	p.callbacks = append(p.callbacks, g)

	return g
}

// str is a constant: its address and size, two arguments of a call.
type str string

// deref is the number at an address of memory, read when the call is made.
type deref uint32

// call calls env.name, or name if that names a module. Arguments are ints (32 bits), int64s, strs and derefs.
func (g *program) call(name string, args ...any) *program {
	g.i32(transcriptsAt + g.digits)

	g.digits++
	for _, a := range args {
		switch a := a.(type) {
		case int:
			g.i32(a)
		case int64:
			g.code = append(g.code, 0x42)
			g.code = sleb(g.code, a)
		case str:
			g.i32(constantsAt + len(g.probe.data))
			g.i32(len(a))
			g.probe.data = append(g.probe.data, a...)
		case deref:
			g.i32(int(a))
			g.code = append(g.code, 0x28, 2, 0) // i32.load
		default:
			panic(fmt.Sprintf("argument %T", a))
		}
	}

	g.code = append(g.code, 0x10)
	if !strings.Contains(name, ".") {
		name = "env." + name
	}

	g.code = uleb(g.code, uint64(g.probe.imported(name)))
	g.i32('0')
	g.code = append(g.code, 0x6a, 0x3a, 0, 0) // i32.add, i32.store8

	return g
}

// show makes a call that gives bytes or a number in the results area and logs
// the bytes. Its last two arguments are added.
func (g *program) show(name string, args ...any) *program {
	g.store(resultsAt, 0).store(resultsAt+4, 0)
	g.call(name, append(args, resultsAt, resultsAt+4)...)
	g.call("proxy_log", 2, deref(resultsAt), deref(resultsAt+4))
	g.digits-- // the status of the logging is not part of the transcript
	return g
}

// show4 and show8 make a call that writes a number to the results area, its last
// argument, and log its bytes.
func (g *program) show4(name string, args ...any) { g.showNumber(4, name, args) }
func (g *program) show8(name string, args ...any) { g.showNumber(8, name, args) }

func (g *program) showNumber(size int, name string, args []any) {
	g.store(resultsAt, 0).store(resultsAt+4, 0)
	g.call(name, append(slices.Clone(args), resultsAt)...)
	g.call("proxy_log", 2, resultsAt, size)
	g.digits--
}

func (g *program) store(at, v int) *program {
	g.i32(at)
	g.i32(v)
	g.code = append(g.code, 0x36, 2, 0)
	return g
}

// op adds raw instructions.
func (g *program) op(code ...byte) *program {
	g.code = append(g.code, code...)
	return g
}

// transcript logs the statuses so far and starts over.
func (g *program) transcript() *program {
	n := g.digits
	g.call("proxy_log", 2, transcriptsAt, n)
	g.digits = 0
	return g
}

// when starts a block that runs if the address at at is that of bytes that begin
// with the four of id; close it with op(end).
func (g *program) when(at int, id string) *program {
	g.i32(at)
	g.code = append(g.code, 0x28, 2, 0, 0x28, 0, 0) // the address, the bytes
	g.i32(int(int32(binary.LittleEndian.Uint32([]byte(id)))))
	return g.op(0x46, 0x04, 0x40) // i32.eq, if
}

const end = 0x0b

// ret ends the program with its result.
func (g *program) ret(v int) { g.i32(v) }

func (g *program) i32(v int) {
	g.code = append(g.code, 0x41)
	g.code = sleb(g.code, int64(v))
}

func (p *probe) imported(name string) int {
	for i, known := range p.imports {
		if known == name {
			return i
		}
	}

	p.imports = append(p.imports, name)
	return len(p.imports) - 1
}

// signatures are the types of a module's functions, each once.
type signatures [][]byte

func (s *signatures) of(params, results []byte) uint64 {
	t := append([]byte{0x60}, vector(params)...)
	t = append(t, vector(results)...)

	i := slices.IndexFunc(*s, func(known []byte) bool { return string(known) == string(t) })
	if i < 0 {
		i = len(*s)
		*s = append(*s, t)
	}

	return uint64(i)
}

func i32s(n int) []byte { return bytes.Repeat([]byte{0x7f}, n) }

// bytes assembles the module.
func (p *probe) bytes() []byte {
	var types signatures

	var imports, functions, exports, codes [][]byte
	for _, name := range p.imports {
		module, field, _ := strings.Cut(name, ".")
		params, results := hostFunctions[field].params(), i32s(1)
		if module != "env" {
			params = hostFunction{signature: wasiSignatures[field]}.params()
		}
		if field == "proc_exit" {
			results = nil
		}

		entry := append(vector([]byte(module)), vector([]byte(field))...)
		imports = append(imports, uleb(append(entry, 0), types.of(params, results)))
	}

	define := func(name string, params int, results int, code []byte) {
		index := len(p.imports) + len(functions)
		functions = append(functions, uleb(nil, types.of(i32s(params), i32s(results))))
		codes = append(codes, vector(append(append([]byte{0}, code...), end)))
		if !p.without[name] {
			exports = append(exports, uleb(append(vector([]byte(name)), 0), uint64(index)))
		}
	}
	define("proxy_abi_version_0_2_0", 0, 0, nil)
	// global 0 is the next free address, kept a multiple of 8
	define("proxy_on_memory_allocate", 1, 1, []byte{
		0x23, 0, 0x23, 0, 0x20, 0, 0x6a, 0x41, 7, 0x6a, 0x41, 0x78, 0x71, 0x24, 0,
	})

	for _, g := range p.callbacks {
		results := 0
		if g.result {
			results = 1
		}
		define(g.name, g.params, results, g.code)
	}

	for _, name := range p.extra {
		define(name, 0, 0, nil)
	}
	if !p.without["memory"] {
		exports = append(exports, append(vector([]byte("memory")), 2, 0))
	}

	return assemble(types, imports, functions, exports, codes, p.data)
}

// assemble puts the sections one after the other.
func assemble(types, imports, functions, exports, codes [][]byte, constants []byte) []byte {
	module := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, content []byte) {
		module = append(module, id)
		module = append(module, vector(content)...)
	}
	section(1, entries(types))
	section(2, entries(imports))
	section(3, entries(functions))
	section(5, append([]byte{1, 0}, uleb(nil, memoryPages)...))
	section(6, append(sleb([]byte{1, 0x7f, 1, 0x41}, heapAt), end))
	section(7, entries(exports))
	section(10, entries(codes))

	data := append(sleb([]byte{1, 0, 0x41}, constantsAt), end)
	section(11, append(data, vector(constants)...))

	return module
}

var wasiSignatures = map[string]string{"fd_write": "iiii", "clock_time_get": "iIi", "proc_exit": "i"}

func entries(list [][]byte) []byte {
	b := uleb(nil, uint64(len(list)))
	for _, e := range list {
		b = append(b, e...)
	}
	return b
}

func vector(b []byte) []byte { return append(uleb(nil, uint64(len(b))), b...) }

func uleb(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func sleb(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}

		b = append(b, c|0x80)
	}
}
