// Command exports gives a module's own callbacks the names of the ABI: an
// export filter_on_X takes the name proxy_on_X, and whoever had that name
// before, the SDK, loses it; and so does the filter to an export timed_on_X,
// with which a benchmark's module stands around it. Two functions of one
// exported name cannot be linked, and no tool of binaryen or wabt renames an
// export.
//
// usage: exports IN OUT
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
)

const (
	abi     = "proxy_"
	section = 7 // the export section
)

// owners are the prefixes of callbacks that take the ABI's names, the last one
// from those before it.
var owners = []string{"filter_", "timed_"}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: exports IN OUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "exports: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	module, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	for _, own := range owners {
		if module, err = rename(module, own); err != nil {
			return err
		}
	}
	return os.WriteFile(out, module, 0o644)
}

var errCut = errors.New("not a WebAssembly module, or cut short")

// rename rewrites the export section of a module.
func rename(module []byte, own string) ([]byte, error) {
	if len(module) < 8 || string(module[:4]) != "\x00asm" {
		return nil, errCut
	}
	out := bytes.NewBuffer(module[:8:8])
	for rest := module[8:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || uint64(len(rest)-1-n) < size {
			return nil, errCut
		}
		body := rest[1+n : 1+n+int(size)]
		rest = rest[1+n+int(size):]
		if id == section {
			var err error
			if body, err = renameSection(body, own); err != nil {
				return nil, err
			}
		}
		out.WriteByte(id)
		out.Write(binary.AppendUvarint(nil, uint64(len(body))))
		out.Write(body)
	}
	return out.Bytes(), nil
}

type export struct {
	name string
	rest []byte // its kind and index
}

func renameSection(body []byte, own string) ([]byte, error) {
	count, n := binary.Uvarint(body)
	if n <= 0 {
		return nil, errCut
	}
	body = body[n:]
	var list []export
	taken := map[string]bool{}
	for range count {
		size, n := binary.Uvarint(body)
		if n <= 0 || uint64(len(body)-n) < size+2 {
			return nil, errCut
		}
		name, rest := string(body[n:n+int(size)]), body[n+int(size):]
		_, width := binary.Uvarint(rest[1:])
		if width <= 0 {
			return nil, errCut
		}
		list = append(list, export{name, rest[:1+width]})
		body = rest[1+width:]
		if x, ok := strings.CutPrefix(name, own); ok {
			taken[abi+x] = true
		}
	}
	var kept []export
	for _, e := range list {
		if x, ok := strings.CutPrefix(e.name, own); ok {
			e.name = abi + x
		} else if taken[e.name] {
			continue
		}
		kept = append(kept, e)
	}
	out := binary.AppendUvarint(nil, uint64(len(kept)))
	for _, e := range kept {
		out = binary.AppendUvarint(out, uint64(len(e.name)))
		out = append(append(out, e.name...), e.rest...)
	}
	return out, nil
}
