package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"wasm-rewrite": main})
}

// TestScripts runs testdata/script: every message of the tool is there.
func TestScripts(t *testing.T) {
	root := root(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("CHART", filepath.Join(root, "charts", "wasm-rewrite"))
			env.Setenv("MODULE", module(t))
			text, err := os.ReadFile(module(t))
			if err != nil {
				return err
			}
			env.Setenv("SHA256", fmt.Sprintf("%x", sha256.Sum256(text)))
			server := httptest.NewServer(registryAnd(filepath.Join(env.WorkDir, "server")))
			env.Defer(server.Close)
			env.Setenv("SERVER", server.Listener.Addr().String())

			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// size FILE BYTES makes something that looks like a module.
			"size": func(ts *testscript.TestScript, _ bool, args []string) {
				bytes, err := strconv.Atoi(args[1])
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), append([]byte("\x00asm"), make([]byte, bytes-4)...), 0o644))
			},
			// older FILE makes a filter that does not know the key onUnsafe yet.
			"older": func(ts *testscript.TestScript, _ bool, args []string) {
				module := strings.ReplaceAll(ts.ReadFile(ts.Getenv("MODULE")), "onUnsafe", "onUnsaid")
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(module), 0o644))
			},
			// trapping FILE makes a module that takes every configuration and traps at the first request.
			"trapping": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(trapping), 0o644))
			},
			// expand FILE… puts the server's address, the filter's checksum and the digest of what was pushed last into files.
			"expand": func(ts *testscript.TestScript, _ bool, args []string) {
				for _, name := range args {
					text := strings.NewReplacer("$SERVER", ts.Getenv("SERVER"), "$DIGEST", ts.Getenv("DIGEST"), "$SHA256", ts.Getenv("SHA256")).Replace(ts.ReadFile(name))
					ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
				}
			},
			// push IMAGE TYPE FILE pushes an image with one layer to the server.
			"push": func(ts *testscript.TestScript, _ bool, args []string) {
				digest, err := push(ts.Getenv("SERVER")+"/"+args[0], types.MediaType(args[1]), []byte(ts.ReadFile(args[2])))
				ts.Check(err)
				ts.Setenv("DIGEST", digest)
			},
			// chart IMAGE pushes the chart to the server, with the tag as its version.
			"chart": func(ts *testscript.TestScript, _ bool, args []string) {
				c, err := loader.Load(ts.Getenv("CHART"))
				ts.Check(err)

				_, c.Metadata.Version, _ = strings.Cut(args[0], ":")
				c.Metadata.AppVersion = c.Metadata.Version
				file, err := chartutil.Save(c, ts.MkAbs("."))
				ts.Check(err)
				_, err = push(ts.Getenv("SERVER")+"/"+args[0], read.ChartLayer, []byte(ts.ReadFile(file)))
				ts.Check(err)
			},
			// exits CODE COMMAND…
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)

				code := 0
				var exit *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
					code = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if code != want {
					ts.Fatalf("exit code %d, want %d", code, want)
				}
			},
		},
	})
}

// registryAnd serves a registry of images, which lets nobody in under private/, and next to it what is in a folder, as an
// API server does: in JSON, under the paths of the files.
func registryAnd(folder string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v2/", registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	mux.HandleFunc("/v2/private/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })

	files := http.FileServer(http.Dir(folder))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		files.ServeHTTP(w, r)
	})
	return mux
}

func push(image string, layer types.MediaType, content []byte) (digest string, err error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return "", err
	}

	made, err := mutate.AppendLayers(empty.Image, static.NewLayer(content, layer))
	if err != nil {
		return "", err
	}

	sum, err := made.Digest()
	if err != nil {
		return "", err
	}

	return sum.String(), remote.Write(reference, made)
}

// root is the folder of the repository.
func root(t *testing.T) string {
	t.Helper()

	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func module(t *testing.T) string {
	t.Helper()
	file := filepath.Join(root(t), "build", "plugin.wasm")
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("there is no build/plugin.wasm: `make build` makes it")
	}
	return file
}

// many writes 1,000 patterns of all kinds and a test for each.
func many(t *testing.T) string {
	t.Helper()

	var patterns, tests strings.Builder
	for i := range 1000 {
		match, path, from, to := "", "", "", ""
		switch i % 4 {
		case 0:
			match, path = fmt.Sprintf(`regex: "^/svc%d/v([0-9]+)/(.*)$"`, i), fmt.Sprintf("/api%d/$1/$2", i)
			from, to = fmt.Sprintf("/svc%d/v2/x", i), fmt.Sprintf("/api%d/2/x", i)
		case 1:
			match, path = fmt.Sprintf("prefix: /pre%d", i), fmt.Sprintf("/n%d", i)
			from, to = fmt.Sprintf("/pre%d/a", i), fmt.Sprintf("/n%d/a", i)
		case 2:
			match, path = fmt.Sprintf("exact: /ex%d", i), fmt.Sprintf("/y%d", i)
			from, to = fmt.Sprintf("/ex%d", i), fmt.Sprintf("/y%d", i)
		case 3:
			match, path = fmt.Sprintf(`regex: "(?i)^/(?P<a>[a-z]+)/item%d/(?P<b>[^/]+)"`, i), "/z/${a}/${b}"
			from, to = fmt.Sprintf("/Ab/item%d/c", i), "/z/Ab/c"
		}
		fmt.Fprintf(&patterns, "- name: p%d\n  match: {path: {%s}}\n  rewrite: {path: \"%s\"}\n", i, match, path)
		fmt.Fprintf(&tests, "- name: t%d\n  request: {path: %s}\n  expect: {pattern: p%d, path: %s}\n", i, from, i, to)
	}

	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte("patterns:\n"+patterns.String()+"tests:\n"+tests.String()), 0o644); err != nil {
		t.Fatal(err)
	}

	return file
}

// built is the command line, made as a release is.
func built(t *testing.T) string {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "wasm-rewrite")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", tool, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return tool
}

// TestMemory lints what is made to take memory, and asks the kernel how much it was.
func TestMemory(t *testing.T) {
	const limit = 300 << 10 // KiB

	tool := built(t)
	for _, worst := range rewritetest.WorstConfigs() {
		t.Run(worst.Name, func(t *testing.T) {
			rules := filepath.Join(t.TempDir(), "rules.json")
			if err := os.WriteFile(rules, []byte(worst.Config), 0o600); err != nil {
				t.Fatal(err)
			}

			command := exec.Command(tool, "lint", "--fail-on", "never", rules)
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}

			usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
			if !ok {
				t.Fatal("the system does not say what a process took")
			}
			t.Logf("%d MiB at most, and %v of CPU", usage.Maxrss>>10, command.ProcessState.UserTime())
			if usage.Maxrss > limit {
				t.Errorf("took %d MiB, the limit is %d", usage.Maxrss>>10, limit>>10)
			}
		})
	}
}

// TestTimes measures the tool's time on a CPU: what it waits for one on a busy machine is not its own.
func TestTimes(t *testing.T) {
	tool := built(t)

	rules := many(t)
	for _, c := range []struct {
		name  string
		limit time.Duration
		args  []string
	}{
		{"start", 50 * time.Millisecond, []string{"--version"}},
		{"lint of 1,000 patterns", time.Second, []string{"lint", rules}},
		{"1,000 tests of 1,000 patterns", time.Second, []string{"test", rules}},
	} {
		t.Run(c.name, func(t *testing.T) {
			best := time.Duration(1<<63 - 1)
			// What runs at the same time slows the CPU itself down too.
			for range 20 {
				command := exec.Command(tool, c.args...)
				if out, err := command.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if best = min(best, command.ProcessState.UserTime()+command.ProcessState.SystemTime()); best <= c.limit {
					break
				}
			}
			t.Logf("took %v, the limit is %v", best, c.limit)
			if best > c.limit {
				t.Fail()
			}
		})
	}
}

// trapping is a WebAssembly module in binary form, section by section.
const trapping = "\x00asm\x01\x00\x00\x00" +
	// The types.
	"\x01\x1b\x05\x60\x00\x00\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7f\x60\x02\x7f\x7f\x00\x60\x03\x7f\x7f\x7f\x01\x7f" +
	// The functions: the ABI's version, the allocator, one that says yes, one that does nothing, one that traps.
	"\x03\x06\x05\x00\x01\x02\x03\x04" +
	// The memory.
	"\x05\x03\x01\x00\x01" +
	// The exports.
	"\x07\x9d\x01\x07" +
	"\x06memory\x02\x00" +
	"\x17proxy_abi_version_0_2_0\x00\x00" +
	"\x18proxy_on_memory_allocate\x00\x01" +
	"\x11proxy_on_vm_start\x00\x02" +
	"\x12proxy_on_configure\x00\x02" +
	"\x17proxy_on_context_create\x00\x03" +
	"\x18proxy_on_request_headers\x00\x04" +
	// The code.
	"\x0a\x15\x05\x02\x00\x0b\x04\x00A\x10\x0b\x04\x00A\x01\x0b\x02\x00\x0b\x03\x00\x00\x0b"
