package environment

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
)

// A registry or web server that takes a connection and then says nothing holds nobody for longer than a minute. The clock of
// this test is not the real one, so the minute passes at once.
func TestServersThatNeverAnswer(t *testing.T) {
	for _, c := range []struct {
		name, silent string // what is asked for without an answer, by its path
		fetch        func(context.Context, *Environment, string) error
		want         string
	}{
		{"chart, from the first request on", "/", chartOf, "the registry did not give the chart within 1m0s"},
		{"chart, its manifest", "/manifests/", chartOf, "the registry did not give the chart within 1m0s"},
		{"chart, its content", "/blobs/", chartOf, "the registry did not give the chart within 1m0s"},
		{"module of an image", "/", moduleOf("oci://localhost:5000/charts/wasm-rewrite:0.2.0"), "the module did not come within 1m0s"},
		{"module of an image, its content", "/blobs/", moduleOf("oci://localhost:5000/charts/wasm-rewrite:0.2.0"), "the module did not come within 1m0s"},
		{"module behind a URL", "/plugin.wasm", moduleOf("http://localhost:5000/plugin.wasm"), "the module did not come within 1m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := environmentOf(t, folder(t, strings.ReplaceAll(two, "oci://example.com", "oci://localhost:5000")), "dev")
			dir := t.TempDir()

			synctest.Test(t, func(t *testing.T) {
				// A registry that has the chart, but keeps some of it back.
				var silent atomic.Bool
				has := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
				serve(t, func(w http.ResponseWriter, r *http.Request) {
					if silent.Load() && strings.Contains(r.URL.Path, c.silent) {
						<-r.Context().Done()
						return
					}
					has.ServeHTTP(w, r)
				})
				push(t, "localhost:5000/charts/wasm-rewrite:0.2.0")
				silent.Store(true)

				begun := time.Now()
				err := c.fetch(t.Context(), e, dir)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				if took := time.Since(begun); took != time.Minute {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func chartOf(ctx context.Context, e *Environment, dir string) error {
	_, err := Instead{}.FetchChart(ctx, e, dir)
	return err
}

func moduleOf(url string) func(context.Context, *Environment, string) error {
	return func(ctx context.Context, e *Environment, _ string) error {
		object := map[string]any{"kind": "WasmPlugin", "spec": map[string]any{"url": url, "sha256": strings.Repeat("0", 64)}}
		_, err := Instead{}.FetchModule(ctx, e, []map[string]any{object}, io.Discard)
		return err
	}
}

// push puts an image with one layer, a chart's, into a registry.
func push(t *testing.T, image string) {
	t.Helper()

	layer := static.NewLayer([]byte("chart"), read.ChartLayer)
	packed, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}

	to, err := name.ParseReference(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, packed); err != nil {
		t.Fatal(err)
	}
}

// serve is a web server for every host, to which this process is connected by pipes, which know the clock of the bubble.
func serve(t *testing.T, handler http.HandlerFunc) {
	t.Helper()

	to := pipes{connections: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}

	go func() { _ = server.Serve(to) }() // until it is closed

	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.DialContext = nil, to.dial
	was, wasRemote := http.DefaultTransport, remote.DefaultTransport
	http.DefaultTransport, remote.DefaultTransport = transport, transport

	t.Cleanup(func() {
		http.DefaultTransport, remote.DefaultTransport = was, wasRemote
		transport.CloseIdleConnections()

		_ = server.Close()
	})
}

// pipes is a listener.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.connections <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { close(p.closed); return nil }

func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }
