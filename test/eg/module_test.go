package eg_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// The module by HTTP, from an address within the cluster's own network.
func TestTheModuleComesByHTTPToo(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.install("seed", rules(418), ungated, fmt.Sprintf("{url: %q, sha256: %q}", serve(t), sum(t)))
	s.becomes("shop", "/banana", http.StatusTeapot)
}

// serve serves the module over HTTP where the controller reaches it, and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	start(t)

	listener, err := net.Listen("tcp", bed.HostIP+":0")
	if err != nil {
		t.Fatal(err)
	}

	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, made.Module(t))
	})}
	t.Cleanup(func() { _ = server.Close() })

	go func() { _ = server.Serve(listener) }()

	return "http://" + listener.Addr().String() + "/plugin.wasm"
}

func module(t *testing.T) []byte {
	t.Helper()
	module, err := os.ReadFile(made.Module(t))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func sum(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%x", sha256.Sum256(module(t)))
}

// otherModule is the filter with another digest: a custom section, which changes nothing, is added to it.
func otherModule(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	// Section 0 of 6 bytes: a name of 5.
	if err := os.WriteFile(file, append(bytes.Clone(module(t)), "\x00\x06\x05other"...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
