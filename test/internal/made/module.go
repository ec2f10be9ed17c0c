package made

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Module is the compiled filter.
func Module(t testing.TB) string { return File(t, "build/plugin.wasm") }

// ModuleBytes is what the compiled filter's file has.
func ModuleBytes(t testing.TB) []byte {
	t.Helper()
	module, err := os.ReadFile(Module(t))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// ModuleSHA256 is the filter's checksum, as values have it.
func ModuleSHA256(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("%x", sha256.Sum256(ModuleBytes(t)))
}

// OlderModule is the filter as it was before it knew a key of its configuration: another name of the same length is in the
// key's place.
func OlderModule(t testing.TB, key string) string {
	t.Helper()
	module := ModuleBytes(t)
	if !bytes.Contains(module, []byte(key)) {
		t.Fatalf("the module does not hold %q", key)
	}

	return moduleFile(t, bytes.ReplaceAll(module, []byte(key), []byte(strings.ToUpper(key))))
}

// OtherModule is the filter with another digest: a custom section, which changes nothing, is added to it.
func OtherModule(t testing.TB) string {
	t.Helper()
	// Section 0 of 6 bytes: a name of 5.
	return moduleFile(t, append(ModuleBytes(t), "\x00\x06\x05other"...))
}

func moduleFile(t testing.TB, module []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(file, module, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ServeModule serves the filter over HTTP at an address of this machine until the test ends, and returns its URL.
func ServeModule(t testing.TB, ip string) string {
	t.Helper()
	file := Module(t)
	return Serve(t, ip, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
}

// Serve answers over HTTP at an address of this machine until the test ends, and returns the URL where a module is asked for.
func Serve(t testing.TB, ip string, handler http.HandlerFunc) string {
	t.Helper()

	listener, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Fatal(err)
	}

	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: handler}
	t.Cleanup(func() { _ = server.Close() })

	go func() { _ = server.Serve(listener) }()

	return "http://" + listener.Addr().String() + "/plugin.wasm"
}
