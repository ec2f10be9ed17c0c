package test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/wasm"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// What the module may be, because Envoy compiles all of it in every proxy that starts, and holds a whole function in
// memory while it does: `make size` shows what that comes to.
const (
	maxModule = 280_000 // bytes
	maxWeight = 3_000   // of one function: its locals times its blocks
)

func TestModuleIsSmall(t *testing.T) {
	info, err := os.Stat(made.Module(t))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxModule {
		t.Errorf("the module has %d bytes, want at most %d", info.Size(), maxModule)
	}
}

func TestFunctionsAreSmall(t *testing.T) {
	module, err := os.ReadFile(made.Module(t))
	if err != nil {
		t.Fatal(err)
	}

	functions, err := wasm.Functions(module)
	if err != nil {
		t.Fatal(err)
	}
	if len(functions) < 100 {
		t.Errorf("the module has %d functions: they were not read", len(functions))
	}

	for _, f := range functions {
		if f.Weight() > maxWeight {
			t.Errorf("%s has %d locals × %d blocks = %d, want at most %d: have its parts compiled on their own (go:noinline)", f.Name, f.Locals, f.Blocks,
				f.Weight(), maxWeight)
		}
	}
}

func TestModuleBuiltElsewhereHasTheSameBytes(t *testing.T) {
	want, err := os.ReadFile(made.Module(t))
	if err != nil {
		t.Fatal(err)
	}

	elsewhere := filepath.Join(t.TempDir(), "another", "folder")
	for _, part := range []string{"plugin", "cmd/layout", "internal", "go.mod", "go.sum"} {
		copyTo(t, filepath.Join(made.Root, part), filepath.Join(elsewhere, part))
	}

	// What Go has compiled does not get into the module; only TinyGo's cache has to be another.
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}

	out := filepath.Join(elsewhere, "plugin.wasm")
	// A cache of its own: what the first build left behind must not be what makes the second one equal. TinyGo names an
	// instance of a generic function by whichever package is compiled first, so an instance for int32 in one package and
	// for rune, the same type, in another makes modules that differ; byte and uint8 likewise. Write such a type otherwise.
	build := exec.CommandContext(t.Context(), filepath.Join(elsewhere, "plugin/toolchain/build.sh"), filepath.Join(made.Root, "build/tinygo"), elsewhere, out)
	build.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir(), "GOCACHE="+strings.TrimSpace(string(cache)))
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}

	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("two builds of the same sources differ: %d bytes here, %d bytes there", len(want), len(got))
	}
}

// copyTo copies a file, or a folder without what no build reads.
func copyTo(t *testing.T, from, to string) {
	t.Helper()

	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Dir(filepath.Join(to, relative)), 0o755)
		}

		info, err := entry.Info()
		if err != nil {
			return err
		}

		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}

		target := filepath.Join(to, relative)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}

		return os.WriteFile(target, data, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
}
