package wasm

import (
	"errors"
	"fmt"
)

// The sections that are read.
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionExport   = 7
	sectionStart    = 8
	sectionElement  = 9
	sectionCode     = 10
)

// Instructions.
const (
	end  = 0x0b
	call = 0x10
)

var errCut = errors.New("not a WebAssembly module, cut short, or of instructions that no module of ours has")

// sections calls a function with each section of a module, in the module's order.
func sections(data []byte, each func(id byte, contents []byte) error) error {
	if len(data) < 8 || string(data[:4]) != "\x00asm" {
		return errCut
	}

	for r := (reader{data: data[8:]}); len(r.data) > 0; {
		id := r.byte()
		contents := r.bytes(r.number())
		if r.bad {
			return r.err(id)
		}
		if err := each(id, contents); err != nil {
			return err
		}
	}

	return nil
}

// reader reads the parts of a module; bad says that it was cut short, or holds
// what is not known.
type reader struct {
	data []byte
	bad  bool
}

// err says in which section it went bad.
func (r *reader) err(section byte) error {
	if r.bad {
		return fmt.Errorf("section %d: %w", section, errCut)
	}
	return nil
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

// imports skips the section of imports and counts them.
func (r *reader) imports() int {
	count := r.count()
	for range count {
		r.bytes(r.number())
		r.bytes(r.number())
		r.bad = r.bad || r.byte() != 0 // TinyGo's modules import functions alone
		r.number()
	}

	return count
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

// count reads how many things follow; each takes at least a byte.
func (r *reader) count() int {
	n := r.number()
	if n > len(r.data) {
		r.bad, n = true, 0
	}
	return n
}
