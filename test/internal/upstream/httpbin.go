// Package upstream owns the server that requests reach after the filter: a real httpbin.
package upstream

import (
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
)

// Httpbin is one running httpbin.
type Httpbin struct {
	*process.Process
	// Address is the IP:port it listens on.
	Address string
}

// Start starts binary, a go-httpbin, on a free port of 127.0.0.1 and returns once it serves.
func Start(ctx context.Context, binary string) (*Httpbin, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}

	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p, err := process.Start(ctx, config(binary, address))
	if err != nil {
		return nil, err
	}

	return &Httpbin{p, address}, nil
}

// MustStart is Start for a test, which stops httpbin and shows the end of its log if the test failed.
func MustStart(t testing.TB, binary string) *Httpbin {
	t.Helper()

	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}

	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return &Httpbin{process.MustStart(t, config(binary, address)), address}
}

func config(binary, address string) process.Config {
	host, port, _ := net.SplitHostPort(address)
	return process.Config{
		Name:  "httpbin",
		Path:  binary,
		Args:  []string{"-host", host, "-port", port},
		Ready: process.HTTP("http://" + address + "/status/200"),
	}
}
