package test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// soakRules use a regex, captures, references of both sides, and edits that
// need all headers: everything that asks the host for memory.
const soakRules = `{"vars": {"domain": "example.com"}, "patterns": [
	{"name": "numbers", "match": {"path": {"regex": "^/banana/([0-9]+)"}, "host": {"regex": "^([a-z]+)\\.${var.domain}$"}},
	 "rewrite": {"path": "/status/$1", "query": {"set": {"u": "${header.x-user}"}, "remove": ["v"]}},
	 "headers": {"request": {"set": {"x-path": "${path}"}, "add": {"x-a": "${query.v}"}, "remove": ["x-b*"]}, "response": {"set": {"x-number": "$1", "x-user": "${header.x-user}"}}}},
	{"name": "moved", "match": {"path": {"prefix": "/old"}}, "redirect": {"path": "/new"}},
	{"name": "gone", "match": {"path": {"exact": "/gone"}}, "respond": {"status": 410, "body": "gone"}},
	{"name": "errors", "match": {"response": {"status": ["5xx"]}}, "headers": {"response": {"remove": ["x-upstream*"]}}}
], "headers": {"response": {"set": {"configdata": "${config}"}}}, "patternHeader": "x-wasm-rewrite"}`

// Envoy's memory stays what it is. A module that exports malloc, which Envoy
// prefers and never frees, makes it grow by 110 MiB here.
func TestSoak(t *testing.T) {
	const (
		requests    = 200_000
		warm        = 50_000
		connections = 8
		limit       = 4 << 20
	)
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
		{Name: "soak", Filters: []envoy.Filter{plugin(t, "soak", soakRules)}, Upstream: upstream.Address},
	}})

	paths := []struct{ path, status string }{
		{"/banana/418?v=2&w=1", "200"}, {"/banana/7", "200"}, {"/old/shoes?a=b", "302"}, {"/gone", "410"},
		{"/error/" + strings.Repeat("x", 1000), "500"}, {"/nothing?v=" + strings.Repeat("y", 200), "200"},
	}
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
					p := paths[n%int64(len(paths))]
					response, err := c.Exchange(wire.Message{Start: "GET", Target: p.path, Headers: []rewrite.Header{
						{Name: ":authority", Value: "shop.example.com"}, {Name: "x-user", Value: "anne"}, {Name: "x-b1", Value: "1"}, {Name: "x-b2", Value: "2"},
					}})
					if err != nil || response.Start != p.status {
						t.Errorf("request %d, %.40s: status %q, want %s: %v", n, p.path, response.Start, p.status, err)
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
