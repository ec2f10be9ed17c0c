package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/wasm"
)

func plugin(t *testing.T) []byte {
	t.Helper()

	module, err := os.ReadFile("../../build/plugin.wasm")
	if err != nil {
		t.Fatalf("%v: run make build", err)
	}

	return module
}

// What the build makes is laid out by the requests of this program: laid out again, it stays as it is.
func TestThePluginIsLaidOut(t *testing.T) {
	module := plugin(t)

	again, _, err := layOut(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, module) {
		t.Error("build/plugin.wasm is in another order than that in which requests enter its functions: run make build")
	}
}

// Whatever the order was, the same requests make the same one of it.
func TestWhatRequestsEnterComesFirst(t *testing.T) {
	module := plugin(t)

	bodies, err := wasm.Bodies(module)
	if err != nil {
		t.Fatal(err)
	}

	// The last function first: nothing of a request's way is where it was.
	var backwards []int
	for index := range bodies {
		backwards = append(backwards, index)
	}
	slices.Sort(backwards)
	first := backwards[0]
	slices.Reverse(backwards)

	turned, err := wasm.Reorder(module, backwards)
	if err != nil {
		t.Fatal(err)
	}

	ordered, before, err := layOut(t.Context(), turned)
	if err != nil {
		t.Fatal(err)
	}

	after, err := enter(t.Context(), ordered)
	if err != nil {
		t.Fatal(err)
	}

	// The first kind of request enters the first functions, one after the other; the others no more than all of them have.
	next := first
	for _, path := range after {
		for _, index := range path {
			if index > next {
				t.Fatalf("a request enters function %d next, want %d at most", index, next)
			}
			if index == next {
				next++
			}
		}
	}

	for i, s := range scenarios {
		if len(before[i]) < 10 || len(before[i]) != len(after[i]) {
			t.Errorf("%s: it enters %d functions of one order and %d of the other", s.name, len(before[i]), len(after[i]))
		}

		now, err := count(ordered, after[i])
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && now.pages > now.bytes/4096+1 {
			t.Errorf("%s: %d bytes lie in %d pages", s.name, now.bytes, now.pages)
		}
	}
}

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.wasm")
	if err := run(t.Context(), "../../build/plugin.wasm", out); err != nil {
		t.Fatal(err)
	}

	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, plugin(t)) {
		t.Error("the module is laid out differently when it is laid out again")
	}
}

func TestOfWhatIsNoFilter(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in.wasm")
	if err := os.WriteFile(in, []byte("\x00asm\x01\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}

	err := run(t.Context(), in, in)
	if err == nil || !strings.Contains(err.Error(), "not a Proxy-Wasm filter") {
		t.Errorf("%v", err)
	}
}
