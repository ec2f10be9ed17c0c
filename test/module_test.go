package test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// maxModule is the most that the module may weigh, in bytes: Envoy compiles all of it in every proxy that starts.
const maxModule = 600_000

// What the module may ask of a host: the part of Proxy-Wasm ABI 0.2.0 and of WASI that every host of that ABI has.
var imports = []string{
	"env.proxy_add_header_map_value",
	"env.proxy_define_metric",
	"env.proxy_get_buffer_bytes",
	"env.proxy_get_current_time_nanoseconds",
	"env.proxy_get_header_map_pairs",
	"env.proxy_get_header_map_value",
	"env.proxy_get_property",
	"env.proxy_increment_metric",
	"env.proxy_log",
	"env.proxy_record_metric",
	"env.proxy_remove_header_map_value",
	"env.proxy_replace_header_map_value",
	"env.proxy_send_local_response",
	"env.proxy_set_effective_context",
	"wasi_snapshot_preview1.args_get",
	"wasi_snapshot_preview1.args_sizes_get",
	"wasi_snapshot_preview1.clock_time_get",
	"wasi_snapshot_preview1.environ_get",
	"wasi_snapshot_preview1.environ_sizes_get",
	"wasi_snapshot_preview1.fd_close",
	"wasi_snapshot_preview1.fd_fdstat_get",
	"wasi_snapshot_preview1.fd_seek",
	"wasi_snapshot_preview1.fd_write",
	"wasi_snapshot_preview1.proc_exit",
	"wasi_snapshot_preview1.random_get",
}

func TestModuleExportsWhatTheHostCallsAndNothingElse(t *testing.T) {
	module := compiled(t)
	var got []string
	for name := range module.ExportedFunctions() {
		got = append(got, name)
	}
	for name := range module.ExportedMemories() {
		got = append(got, name)
	}
	list, err := os.ReadFile(filepath.Join(made.Root, "plugin/toolchain/exports.json"))
	if err != nil {
		t.Fatal(err)
	}
	var roots []struct{ Export string }
	if err := json.Unmarshal(list, &roots); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, root := range roots {
		want = append(want, root.Export)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the module exports\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestModuleImportsOnlyWhatEveryHostHas(t *testing.T) {
	for _, function := range compiled(t).ImportedFunctions() {
		from, name, _ := function.Import()
		if !slices.Contains(imports, from+"."+name) {
			t.Errorf("the module imports %s.%s", from, name)
		}
	}
}

func TestModuleIsSmall(t *testing.T) {
	info, err := os.Stat(made.Module(t))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxModule {
		t.Errorf("the module has %d bytes, want at most %d", info.Size(), maxModule)
	}
}

func TestModuleBuiltElsewhereHasTheSameBytes(t *testing.T) {
	want, err := os.ReadFile(made.Module(t))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "another", "folder")
	for _, part := range []string{"plugin", "go.mod", "go.sum"} {
		copyTo(t, filepath.Join(made.Root, part), filepath.Join(elsewhere, part))
	}
	out := filepath.Join(elsewhere, "plugin.wasm")
	// A cache of its own: what the first build left behind must not be what makes the second one equal. TinyGo names an
	// instance of a generic function by whichever package is compiled first, so an instance for int32 in one package and
	// for rune, the same type, in another makes modules that differ; byte and uint8 likewise. Write such a type otherwise.
	build := exec.CommandContext(t.Context(), filepath.Join(elsewhere, "plugin/toolchain/build.sh"), filepath.Join(made.Root, "build/tinygo"), elsewhere, out)
	build.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
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

func compiled(t *testing.T) wazero.CompiledModule {
	t.Helper()
	code, err := os.ReadFile(made.Module(t))
	if err != nil {
		t.Fatal(err)
	}
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { _ = runtime.Close(t.Context()) })
	module, err := runtime.CompileModule(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	return module
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
