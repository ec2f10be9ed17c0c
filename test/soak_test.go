package test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// mixed is what a soak sends: rules with a regex, captures, references of both
// sides, and edits that need all headers, so everything that asks the host for
// memory. `make soak` sends the same.
func mixed(t *testing.T) (m struct {
	Configuration json.RawMessage
	Host          string
	Headers       map[string]string
	Requests      []struct {
		Path   string
		Status int
	}
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(chart.ReadFile(t, "testdata/soak.json")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Envoy's memory stays what it is. A module that exports malloc, which Envoy
// prefers and never frees, makes it grow by 110 MiB here.
func TestSoak(t *testing.T) {
	const (
		requests    = 200_000
		warm        = 50_000
		connections = 8
		limit       = 4 << 20
	)
	mixed := mixed(t)

	headers := []rewrite.Header{{Name: ":authority", Value: mixed.Host}}
	for name, value := range mixed.Headers {
		headers = append(headers, rewrite.Header{Name: name, Value: value})
	}

	upstream, err := wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		status := "200"
		if strings.HasPrefix(request.Target, "/error") {
			status = "500"
		}
		return wire.Message{Start: status, Headers: []rewrite.Header{{Name: "x-upstream-a", Value: "1"}}, Body: "ok"}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: []envoy.Listener{
		{Name: "soak", Filters: []envoy.Filter{plugin(t, "soak", string(mixed.Configuration))}, Upstream: upstream.Address},
	}})

	var memory int64 // at request number warm
	var sent atomic.Int64
	run := func(from, to int64) {
		var workers sync.WaitGroup
		sent.Store(from)

		for range connections {
			workers.Go(func() {
				c, err := wire.Dial(t.Context(), wire.HTTP1, address(proxy, "soak"))
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()

				for n := sent.Add(1); n <= to && !t.Failed(); n = sent.Add(1) {
					r := mixed.Requests[n%int64(len(mixed.Requests))]
					response, err := c.Exchange(wire.Message{Start: "GET", Target: r.Path, Headers: headers})
					if err != nil || response.Start != strconv.Itoa(r.Status) {
						t.Errorf("request %d, %.40s: status %q, want %d: %v", n, r.Path, response.Start, r.Status, err)
					}
				}
			})
		}
		workers.Wait()
	}
	run(0, warm)
	if memory, err = resident(proxy.Pid()); err != nil {
		t.Fatal(err)
	}
	run(warm, requests)

	after, err := resident(proxy.Pid())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Envoy has %d KiB after %d requests, %d KiB after %d", memory>>10, warm, after>>10, requests)
	if grown := after - memory; grown >= limit {
		t.Errorf("from request %d to %d Envoy's memory grows by %d KiB, want less than %d", warm, requests, grown>>10, limit>>10)
	}
}

// resident is the memory that a process holds, in bytes.
func resident(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}

	_, rest, _ := strings.Cut(string(status), "\nVmRSS:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	return n << 10, err
}
