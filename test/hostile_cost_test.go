package test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// hostileCPU is what a request may take of a worker beyond what it takes without the filter. See rewrite.Budget.
const hostileCPU = 20 * time.Millisecond

// together is how many kinds share an Envoy.
const together = 8

// No request that is known holds a worker for longer than the bound. That none makes it collect memory is tested where the
// rules are.
func TestHostileCost(t *testing.T) {
	upstream := promptly(t)
	atOnce := map[string]any{"delayed_close_timeout": "0s"} // after an answer that Envoy ends a connection with
	without := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: []envoy.Listener{{Name: "plain", Upstream: upstream, Manager: atOnce}}})
	kinds := costKinds()

	for first := 0; first < len(kinds); first += together {
		some := kinds[first:min(first+together, len(kinds))]

		var listeners []envoy.Listener
		for i, k := range some {
			name := "kind" + strconv.Itoa(i)
			listeners = append(listeners, envoy.Listener{Name: name, Upstream: upstream, Manager: atOnce,
				Filters: []envoy.Filter{plugin(t, name, k.rules)}})
		}

		with := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: listeners})
		if reasons, err := with.Refused(t.Context()); err != nil || reasons != nil {
			t.Fatalf("%v\n%.1000s", err, strings.Join(reasons, "\n"))
		}

		for i, k := range some {
			t.Run(k.name, func(t *testing.T) {
				plain := costOf(t, without, "plain", k)
				seen := costOf(t, with, "kind"+strconv.Itoa(i), k)
				t.Logf("%6v more than %6v", (seen - plain).Round(10*time.Microsecond), plain.Round(10*time.Microsecond))

				if seen-plain > hostileCPU {
					t.Errorf("a request took %v of CPU more than without the filter, want at most %v", seen-plain, hostileCPU)
				}
			})
		}

		if log := with.Log(); strings.Contains(log, "[wasm]") {
			t.Errorf("Envoy logs of the filter:\n%.3000s", log)
		}
	}
}

// costOf is what a request takes of an Envoy's worker, as the fastest of some show it: a processor that others use as
// well makes the same work take longer, never shorter.
func costOf(t *testing.T, e *envoy.Envoy, listener string, k hostileKind) time.Duration {
	t.Helper()

	request := "GET " + k.target + " HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n"
	for _, line := range k.headers {
		request += line + "\r\n"
	}

	worker := workerOf(t, e)
	fastest := time.Hour

	for range 10 {
		conn, err := net.Dial("tcp", address(e, listener))
		if err != nil {
			t.Fatal(err)
		}

		before, _ := worker()

		_, err = io.WriteString(conn, request+"\r\n")
		if err == nil {
			_, err = io.ReadAll(conn)
		}

		conn.Close()

		if err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatal(err)
		}

		after, _ := worker()
		fastest = min(fastest, after-before)
	}

	return fastest
}
