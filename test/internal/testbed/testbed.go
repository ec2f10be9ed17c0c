// Package testbed is the life of what the tests of one package share: a cluster, which the first of them starts, and
// which ends with the last of them or with an interrupt.
package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// Life is that of a package's test bed.
type Life struct {
	// Context is done when the run is interrupted.
	Context context.Context

	once sync.Once
	err  error
}

// Main runs a package's tests and then end, which ends what was started of the bed. It does not return.
func (l *Life) Main(m *testing.M, end func() error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	l.Context = ctx
	go func() {
		<-ctx.Done()
		// What end cannot reach any more dies with this process.
		_ = end()
		os.Exit(130)
	}()

	code := m.Run()
	if err := end(); err != nil {
		fmt.Fprintln(os.Stderr, err)

		code = 1
	}
	os.Exit(code)
}

// Start makes the bed, once. Where it could not be made, every test that needs it fails.
func (l *Life) Start(t *testing.T, start func() error) {
	t.Helper()
	l.once.Do(func() {
		// What is left where start ends the test itself, as for a program that cannot be built.
		l.err = errors.New("the test bed did not start: see the first test")
		l.err = start()
	})
	if l.err != nil {
		t.Fatal(l.err)
	}
}

// UseTools puts the project's own programs before all others on PATH: terratest runs the helm and the kubectl it finds there.
func UseTools() error {
	return os.Setenv("PATH", filepath.Join(made.Root, "build/bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// File writes text to a file that lives as long as the test.
func File(t testing.TB, text string) string {
	t.Helper()

	folder, err := os.MkdirTemp("", "testbed") //nolint:usetesting // helm takes a comma for the end of a file's name, and t.TempDir may have one
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = os.RemoveAll(folder) })

	name := filepath.Join(folder, "text.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	return name
}
