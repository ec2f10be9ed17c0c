package wasm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Body is where the code of a function lies.
type Body struct {
	At, Bytes int // At counts from the first byte of the code section's contents
}

// Bodies gives where the functions of a module lie, by their index; the imported ones lie nowhere.
func Bodies(data []byte) (map[int]Body, error) {
	imported, found := 0, map[int]Body{}
	err := sections(data, func(id byte, contents []byte) error {
		r := reader{data: contents}
		switch id {
		case sectionImport:
			imported = r.imports()
		case sectionCode:
			for i := range r.count() {
				size := r.number()
				found[imported+i] = Body{len(contents) - len(r.data), size}
				r.bytes(size)
			}
		}

		return r.err(id)
	})

	return found, err
}

// Reorder puts functions first, in the order in which they are named; the others follow in the order they have. What a
// function does stays as it is: the numbers of those it calls are all that changes in it. Function names, which go by
// number, must have been stripped.
func Reorder(data []byte, first []int) ([]byte, error) {
	o := &order{first: first}
	out := append([]byte(nil), data[:min(len(data), 8)]...)
	err := sections(data, func(id byte, contents []byte) error {
		r := reader{data: contents}
		changed, err := o.section(id, &r)
		if err == nil {
			err = r.err(id)
		}
		if err != nil {
			return err
		}
		if changed == nil {
			changed = contents
		}

		out = append(out, id)
		out = appendBytes(out, changed)

		return nil
	})

	return out, err
}

// order is what is known of the new one so far.
type order struct {
	first    []int
	imported int
	old      []int // of a place in the new order, the place in the old one; imports are not counted
	renamed  []int // of an old index, the new one; imports are counted
}

// section gives the contents of a section in the new order; nil where they stay.
func (o *order) section(id byte, r *reader) ([]byte, error) {
	switch id {
	case sectionImport:
		o.imported = r.imports()
	case sectionFunction:
		return o.types(r)
	case sectionExport:
		return o.exports(r), nil
	case sectionStart:
		return binary.AppendUvarint(nil, o.index(r)), nil
	case sectionElement:
		return o.elements(r), nil
	case sectionCode:
		return o.bodies(r), nil
	case sectionCustom:
		if string(r.bytes(r.number())) == "name" {
			return nil, errors.New("the functions have names: strip them first")
		}
	}

	return nil, nil
}

// decide makes the order, now that it is known how many functions there are.
func (o *order) decide(functions int) error {
	if o.renamed != nil {
		return errors.New("a second section of functions")
	}

	taken := make([]bool, functions)

	for _, index := range o.first {
		i := index - o.imported
		if i < 0 || i >= functions || taken[i] {
			return fmt.Errorf("there is no function %d to be put first, or it is named twice", index)
		}

		taken[i] = true
		o.old = append(o.old, i)
	}

	for i := range functions {
		if !taken[i] {
			o.old = append(o.old, i)
		}
	}

	o.renamed = make([]int, o.imported+functions)
	for i := range o.imported {
		o.renamed[i] = i
	}

	for place, i := range o.old {
		o.renamed[o.imported+i] = o.imported + place
	}

	return nil
}

// index reads an old index and gives the new one.
func (o *order) index(r *reader) uint64 {
	old := r.number()
	if old >= len(o.renamed) {
		r.bad = true
		return 0
	}

	return uint64(o.renamed[old])
}

func (o *order) types(r *reader) ([]byte, error) {
	var types []int
	for range r.count() {
		types = append(types, r.number())
	}
	if err := o.decide(len(types)); err != nil {
		return nil, err
	}

	out := binary.AppendUvarint(nil, uint64(len(types)))
	for _, i := range o.old {
		out = binary.AppendUvarint(out, uint64(types[i]))
	}

	return out, nil
}

func (o *order) exports(r *reader) []byte {
	count := r.count()
	out := binary.AppendUvarint(nil, uint64(count))

	for range count {
		out = appendBytes(out, r.bytes(r.number()))

		kind := r.byte()
		index := uint64(0)
		if kind == 0 {
			index = o.index(r)
		} else {
			index = uint64(r.number())
		}

		out = binary.AppendUvarint(append(out, kind), index)
	}

	return out
}

// elements are what a table holds for indirect calls; of the kinds of segments, TinyGo's modules have the first.
func (o *order) elements(r *reader) []byte {
	segments := r.count()
	out := binary.AppendUvarint(nil, uint64(segments))

	for range segments {
		kind := r.byte()
		r.bad = r.bad || kind != 0
		out = append(out, kind)

		at := r.data
		for !r.bad && len(r.data) > 0 && r.data[0] != end {
			r.instruction()
		}
		r.byte()
		out = append(out, at[:len(at)-len(r.data)]...)

		functions := r.count()

		out = binary.AppendUvarint(out, uint64(functions))

		for range functions {
			out = binary.AppendUvarint(out, o.index(r))
		}
	}

	return out
}

func (o *order) bodies(r *reader) []byte {
	var list [][]byte
	for range r.count() {
		body := reader{data: r.bytes(r.number())}
		list = append(list, o.body(&body))
		r.bad = r.bad || body.bad
	}
	if r.bad || len(list) != len(o.old) {
		r.bad = true
		return nil
	}

	out := binary.AppendUvarint(nil, uint64(len(list)))
	for _, i := range o.old {
		out = appendBytes(out, list[i])
	}

	return out
}

// body gives a function with the new numbers of those it calls.
func (o *order) body(r *reader) []byte {
	all := r.data
	for range r.count() {
		r.number()
		r.byte()
	}

	out := append([]byte(nil), all[:len(all)-len(r.data)]...)
	for len(r.data) > 0 && !r.bad {
		before := r.data
		if before[0] == call {
			r.byte()
			out = binary.AppendUvarint(append(out, call), o.index(r))
			continue
		}

		r.instruction()
		out = append(out, before[:len(before)-len(r.data)]...)
	}

	return out
}

// appendBytes writes how many bytes there are, and the bytes.
func appendBytes(out, b []byte) []byte {
	return append(binary.AppendUvarint(out, uint64(len(b))), b...)
}
