package test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// Open requests share a pool for what their responses need. Where it is used up a long value is lost: its header is
// removed from the response, the upstream's own one too, and counted. What is short has its place all the same, and once
// the others have gone all is as before.
func TestPoolOfOpenRequests(t *testing.T) {
	const rules = `{"headers": {"response": {"set": {"x-long": "${query.long}", "x-short": "${query.short}"}}}}`

	theirs := rewrite.Header{Name: "x-long", Value: "theirs"}
	answers, err := wire.Listen(func(wire.Message, []byte) wire.Message {
		return wire.Message{Start: "200", Headers: []rewrite.Header{theirs}}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answers.Close() })

	h := &hostileTest{}
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Requests: hostileOpen, Listeners: []envoy.Listener{
		{Name: "kind0", Upstream: h.swallow(t), Filters: []envoy.Filter{plugin(t, "kind0", rules)}},
		{Name: "other", Upstream: answers.Address, Filters: []envoy.Filter{plugin(t, "other", rules)}},
	}})
	if reasons, err := proxy.Refused(t.Context()); err != nil || reasons != nil {
		t.Fatalf("%v\n%s", err, strings.Join(reasons, "\n"))
	}

	long := strings.Repeat("a", 8_000)
	target := "/?short=b&long=" + long

	wantLong(t, proxy, "alone", target, long)

	open := holdOpen(t, proxy, target)
	h.await(t, hostileOpen)
	wantLong(t, proxy, "beside others", target)

	err = wait.Eventually(t.Context(), 10*time.Second, func() error {
		const name = "wasmcustom.wasm_rewrite.other.top_level.unsafe"

		stats, err := proxy.Stats(t.Context(), name)
		if err == nil && stats[name] != 1 {
			err = fmt.Errorf("%v: want 1 lost value", stats)
		}

		return err
	})
	if err != nil {
		t.Error(err)
	}

	for _, conn := range open {
		_ = conn.Close()
	}

	allGone(t, proxy)
	wantLong(t, proxy, "after the others", target, long)
}

// wantLong asks the other listener, and wants these values of x-long in the response.
func wantLong(t *testing.T, proxy *envoy.Envoy, what, target string, want ...string) {
	t.Helper()

	response, err := wire.Exchange(t.Context(), wire.HTTP1, address(proxy, "other"),
		wire.Message{Start: "GET", Target: target, Headers: []rewrite.Header{{Name: ":authority", Value: "example.com"}}})
	if err != nil {
		t.Fatal(err)
	}

	if got := response.Values("x-long"); !slices.Equal(got, want) {
		t.Errorf("%s: x-long is %.60q, want %.60q", what, got, want)
	}

	if got := response.Values("x-short"); !slices.Equal(got, []string{"b"}) {
		t.Errorf("%s: x-short is %q, want b", what, got)
	}
}

// holdOpen opens requests whose bodies never come.
func holdOpen(t *testing.T, proxy *envoy.Envoy, target string) (open []net.Conn) {
	t.Helper()

	for range hostileOpen {
		conn, err := net.Dial("tcp", address(proxy, "kind0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })

		open = append(open, conn)
		if _, err := io.WriteString(conn, "POST "+target+" HTTP/1.1\r\nhost: example.com\r\ncontent-length: 10\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}

	return open
}
