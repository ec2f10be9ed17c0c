package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"wasm-rewrite": main})
}

// TestScripts runs testdata/script: every message of the tool stands there.
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
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// size FILE BYTES makes something that looks like a module.
			"size": func(ts *testscript.TestScript, _ bool, args []string) {
				bytes, err := strconv.Atoi(args[1])
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), append([]byte("\x00asm"), make([]byte, bytes-4)...), 0o644))
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

// root is the folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
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

// within runs something a few times, until it takes no longer than limit once:
// what the machine does beside is not the subject.
func within(t *testing.T, limit time.Duration, run func() time.Duration) {
	t.Helper()
	best := time.Duration(1<<63 - 1)
	for range 5 {
		if best = min(best, run()); best <= limit {
			break
		}
	}
	t.Logf("took %v, the limit is %v", best, limit)
	if best > limit {
		t.Fail()
	}
}

func TestThousandPatternsAndTestsInTwoSeconds(t *testing.T) {
	file := many(t)
	within(t, 2*time.Second, func() time.Duration {
		begin := time.Now()
		for _, command := range []string{"lint", "test"} {
			var out bytes.Buffer
			if code := run([]string{command, file}, nil, &out, &out); code != exitFine {
				t.Fatalf("%s: exit code %d\n%s", command, code, &out)
			}
		}
		return time.Since(begin)
	})
}

func TestStartsInFiftyMilliseconds(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "wasm-rewrite")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", tool, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	within(t, 50*time.Millisecond, func() time.Duration {
		start := exec.Command(tool, "--version")
		if out, err := start.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// The time on a CPU: what it waits for one on a busy machine is not its own.
		return start.ProcessState.UserTime() + start.ProcessState.SystemTime()
	})
}
