// Package wasm counts what a compiler of WebAssembly has to do for each function
// of a module: V8 holds a graph of a whole function in memory while it compiles
// it, and that grows with its locals times its blocks, not with its bytes.
package wasm

import (
	"cmp"
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
	m := &module{names: map[int]string{}}
	err := sections(data, func(id byte, contents []byte) error {
		r := reader{data: contents}
		m.section(id, &r)

		return r.err(id)
	})
	if err != nil {
		return nil, err
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
		m.imported = r.imports()
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
