// Command layout puts the functions that requests enter first in a module, in the order in which they are entered, so
// that what a request takes is together. It finds them by sending requests through the module, and prints how much
// code each kind of request enters, and in how many pages that lies, before and after.
//
// usage: layout IN OUT
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/wasm-rewrite/wasm-rewrite/internal/wasm"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: layout IN OUT")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "layout: %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in, out string) error {
	module, err := os.ReadFile(in)
	if err != nil {
		return err
	}

	ordered, before, err := layOut(ctx, module)
	if err != nil {
		return err
	}

	// What is counted after it is what the new module does, not what it ought to do.
	after, err := enter(ctx, ordered)
	if err != nil {
		return err
	}
	if err := compare(os.Stdout, module, ordered, before, after); err != nil {
		return err
	}

	return os.WriteFile(out, ordered, 0o644)
}

// layOut gives a module in which each function that the requests enter has its place where it is first entered, and the
// others follow as they were. before is what each kind of request enters of the module as it was.
func layOut(ctx context.Context, module []byte) (ordered []byte, before [][]int, err error) {
	if before, err = enter(ctx, module); err != nil {
		return nil, nil, err
	}

	var first []int
	for _, index := range slices.Concat(before...) {
		if !slices.Contains(first, index) {
			first = append(first, index)
		}
	}

	ordered, err = wasm.Reorder(module, first)

	return ordered, before, err
}

// compare prints what each kind of request enters of a module as it was and as it is.
func compare(w io.Writer, was, is []byte, before, after [][]int) error {
	fmt.Fprintf(w, "  %-26s %9s %9s %7s %7s\n", "a request enters", "functions", "bytes", "pages", "before")

	for i, s := range scenarios {
		if len(before[i]) != len(after[i]) {
			return errors.New("in the new order, requests take another path")
		}

		old, err := count(was, before[i])
		if err != nil {
			return err
		}

		now, err := count(is, after[i])
		if err != nil {
			return err
		}

		fmt.Fprintf(w, "  %-26s %9d %9d %7d %7d\n", s.name, len(after[i]), now.bytes, now.pages, old.pages)
	}

	return nil
}

// taken is how much of a module's code functions take, and how many pages of 4 KiB they touch.
type taken struct{ bytes, pages int }

func count(module []byte, path []int) (t taken, err error) {
	bodies, err := wasm.Bodies(module)
	if err != nil {
		return t, err
	}

	const size = 4096

	pages := map[int]bool{}
	for _, index := range path {
		body := bodies[index]

		t.bytes += body.Bytes
		for page := body.At / size; page <= (body.At+body.Bytes-1)/size; page++ {
			pages[page] = true
		}
	}

	t.pages = len(pages)

	return t, nil
}
