// Package made gives tests the files that the Makefile makes, and makes those that are missing or stale.
package made

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Root is the folder of the Makefile.
var Root = func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../..")
}()

// Helm is the pinned helm.
func Helm(t testing.TB) string { return File(t, "build/bin/helm") }

// Httpbin is the pinned httpbin.
func Httpbin(t testing.TB) string { return File(t, "build/bin/httpbin") }

// Envoy is the Envoy that ENVOY or ENVOY_VERSION in the environment names, or else the pinned one.
func Envoy(t testing.TB) string { return File(t, Variable(t, "ENVOY")) }

var once sync.Map // target → func() error

// File is the path of a target of the Makefile, up to date. The test fails with make's output if it cannot be made.
func File(t testing.TB, target string) string {
	t.Helper()

	run, _ := once.LoadOrStore(target, sync.OnceValue(func() error { _, err := invoke(target); return err }))
	if err := run.(func() error)(); err != nil {
		t.Fatal(err)
	}
	if filepath.IsAbs(target) {
		return target
	}
	return filepath.Join(Root, target)
}

// Variable is the value of a variable of the Makefile or of versions.mk.
func Variable(t testing.TB, name string) string {
	t.Helper()

	value, err := invoke("print-" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(value)
}

// invoke runs make, one at a time on this machine: test binaries of several packages run at once.
func invoke(target string) (string, error) {
	if err := os.MkdirAll(filepath.Join(Root, "build"), 0o755); err != nil {
		return "", err
	}

	lock, err := os.Create(filepath.Join(Root, "build/.lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	command := exec.Command("make", "--no-print-directory", "--directory", Root, target)
	command.Stdout, command.Stderr = &stdout, &stderr
	// A make that runs the tests must not hand its flags and its job server to this one.
	command.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "MAKEFLAGS=") || strings.HasPrefix(entry, "MFLAGS=") || strings.HasPrefix(entry, "MAKELEVEL=")
	})
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("make %s: %w\n%s%s", target, err, &stdout, &stderr)
	}

	return stdout.String(), nil
}
