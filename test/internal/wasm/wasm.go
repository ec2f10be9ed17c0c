// Package wasm counts what a compiler of WebAssembly has to do for each function
// of a module: V8 holds a graph of a whole function in memory while it compiles
// it, and that grows with its locals times its blocks, not with its bytes.
package wasm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Function is one function of a module.
type Function struct {
	Name   string // from the name section or its export; else its index
	Bytes  int
	Locals int // with its parameters
	Blocks int // blocks, loops and ifs
}

// Weight is what V8's memory for it grows with.
func (f *Function) Weight() int { return f.Locals * f.Blocks }

// The sections that are read.
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionExport   = 7
	sectionCode     = 10
)

var errCut = errors.New("not a WebAssembly module, cut short, or of instructions that no module of ours has")

// module is what is known of one so far.
type module struct {
	params   []int // of the types
	types    []int // of the functions
	imported int
	names    map[int]string
	list     []Function
}

// Functions gives the functions of a module, the heaviest first.
func Functions(data []byte) ([]Function, error) {
	if len(data) < 8 || string(data[:4]) != "\x00asm" {
		return nil, errCut
	}

	m := &module{names: map[int]string{}}
	for r := (reader{data: data[8:]}); len(r.data) > 0; {
		id := r.byte()
		section := reader{data: r.bytes(r.number())}
		m.section(id, &section)
		if r.bad || section.bad {
			return nil, fmt.Errorf("section %d: %w", id, errCut)
		}
	}

	for i := range m.list {
		m.list[i].Name = cmp.Or(m.names[m.imported+i], fmt.Sprintf("function %d", m.imported+i))
	}
	slices.SortStableFunc(m.list, func(a, b Function) int { return cmp.Compare(b.Weight(), a.Weight()) })

	return m.list, nil
}

func (m *module) section(id byte, r *reader) {
	switch id {
	case sectionType:
		for range r.number() {
			r.byte() // of a function
			params := r.number()
			r.bytes(params)
			r.bytes(r.number())

			m.params = append(m.params, params)
		}
	case sectionImport:
		for range r.number() {
			r.bytes(r.number())
			r.bytes(r.number())
			r.bad = r.bad || r.byte() != 0 // TinyGo's modules import functions alone
			r.number()
			m.imported++
		}
	case sectionFunction:
		for range r.number() {
			m.types = append(m.types, r.number())
		}
	case sectionExport:
		for range r.number() {
			name, kind, index := string(r.bytes(r.number())), r.byte(), r.number()
			if kind == 0 {
				m.names[index] = name
			}
		}
	case sectionCode:
		for i := range r.number() {
			body := reader{data: r.bytes(r.number())}
			m.function(i, &body)
			r.bad = r.bad || body.bad
		}
	case sectionCustom:
		m.custom(r)
	}
}

// custom reads the names of functions, where there are some.
func (m *module) custom(r *reader) {
	if string(r.bytes(r.number())) != "name" {
		return
	}

	for len(r.data) > 0 {
		id := r.byte()
		part := reader{data: r.bytes(r.number())}
		if id != 1 {
			continue
		}

		for range part.number() {
			index := part.number()
			m.names[index] = string(part.bytes(part.number()))
		}

		r.bad = r.bad || part.bad
	}
}

func (m *module) function(i int, body *reader) {
	if i >= len(m.types) || m.types[i] >= len(m.params) {
		body.bad = true
		return
	}

	f := Function{Bytes: len(body.data), Locals: m.params[m.types[i]]}
	for range body.number() {
		f.Locals += body.number()
		body.byte()
	}

	for len(body.data) > 0 && !body.bad {
		if body.instruction() {
			f.Blocks++
		}
	}

	m.list = append(m.list, f)
}

// reader reads the parts of a module; bad says that it was cut short, or holds
// what is not known.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.bad = true
		return 0
	}

	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.data) {
		r.bad, r.data = true, nil
		return nil
	}

	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

// number reads a number in LEB128; of a signed one only the length counts here.
func (r *reader) number() int {
	n := uint64(0)
	for shift := 0; shift < 70; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return int(uint32(n))
		}
	}

	r.bad = true

	return 0
}

// instruction skips one and reports whether it opens a block.
func (r *reader) instruction() (block bool) {
	switch op := r.byte(); {
	case op == 0x02 || op == 0x03 || op == 0x04: // block, loop, if
		r.number()
		return true
	case op == 0x0e: // br_table
		for range min(r.number(), len(r.data)) + 1 {
			r.number()
		}
	case op == 0x11: // call_indirect
		r.number()
		r.number()
	case op == 0x0c || op == 0x0d || op == 0x10 || op >= 0x20 && op <= 0x24 || op >= 0x3f && op <= 0x42:
		r.number() // br, br_if, call, a variable, the memory, a constant
	case op >= 0x28 && op <= 0x3e: // a load or store
		r.number()
		r.number()
	case op == 0x43:
		r.bytes(4)
	case op == 0x44:
		r.bytes(8)
	case op == 0xfc:
		r.prefixed()
	case op > 0xc4 || op >= 0x06 && op < 0x0b || op >= 0x12 && op < 0x1a || op > 0x1b && op < 0x20 || op > 0x24 && op < 0x28:
		r.bad = true
	}

	return false
}

// prefixed skips a conversion that saturates or an operation on memory.
func (r *reader) prefixed() {
	switch op := r.number(); {
	case op < 8:
	case op == 8 || op == 10: // memory.init, memory.copy
		r.number()
		r.number()
	case op == 9 || op == 11: // data.drop, memory.fill
		r.number()
	default:
		r.bad = true
	}
}
