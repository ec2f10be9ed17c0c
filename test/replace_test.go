package test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// plugin is a filter with a configuration in JSON.
func plugin(t *testing.T, name, config string) envoy.Filter {
	return envoy.Wasm(envoy.Plugin{Name: name, PluginName: name, Module: made.Module(t), Configuration: config})
}

// echo is an upstream that answers what it got: the path in the body, and the
// header x-rules as x-upstream-rules.
func echo(t *testing.T) *wire.Upstream {
	var served atomic.Int64
	u, err := wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		if served.Add(1)%4 == 0 {
			time.Sleep(10 * time.Millisecond) // so that some requests are under way whenever a configuration changes
		}

		answer := wire.Message{Start: "200", Body: request.Target}
		for _, v := range request.Values("x-rules") {
			answer.Headers = append(answer.Headers, rewrite.Header{Name: "x-upstream-rules", Value: v})
		}
		return answer
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })

	return u
}

// numbered is a configuration whose every part says its number: the path, a
// request header, a response header of a pattern, of a pattern on the response,
// and of all.
func numbered(n int) string {
	return strings.ReplaceAll(`{"patterns": [
		{"match": {"path": {"prefix": "/"}}, "rewrite": {"path": "/rules-N"}, "headers": {"request": {"set": {"x-rules": "N"}}, "response": {"set": {"x-pattern": "N"}}}},
		{"match": {"response": {"status": [200]}}, "headers": {"response": {"set": {"x-on-response": "N"}}}}
	], "headers": {"response": {"set": {"x-all": "N"}}}}`, "N", strconv.Itoa(n))
}

// ruled tells the number of the configuration that an exchange went through, or
// what is wrong with it.
func ruled(response wire.Message) (string, error) {
	if response.Start != "200" {
		return "", fmt.Errorf("answers %s: %s", response.Start, response.Body)
	}

	n, found := strings.CutPrefix(response.Body, "/rules-")
	if n, _, _ = strings.Cut(n, "/"); !found {
		return "", fmt.Errorf("the path arrives as %s, not rewritten", response.Body)
	}

	for _, name := range []string{"x-upstream-rules", "x-pattern", "x-on-response", "x-all"} {
		if got := response.Values(name); len(got) != 1 || got[0] != n {
			return n, fmt.Errorf("the path is that of configuration %s, %s is %q", n, name, got)
		}
	}

	return n, nil
}

func address(e *envoy.Envoy, listener string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port(listener)))
}

var someRequest = wire.Message{Start: "GET", Target: "/a?b",
	Headers: []rewrite.Header{{Name: ":authority", Value: "example.com"}, {Name: ":scheme", Value: "http"}}}

// asked is ruled of one request.
func asked(t *testing.T, e *envoy.Envoy, listener string) (string, error) {
	response, err := wire.Exchange(t.Context(), wire.HTTP1, address(e, listener), someRequest)
	if err != nil {
		return "", err
	}
	return ruled(response)
}

// goesBy waits until a listener goes by a configuration.
func goesBy(t *testing.T, e *envoy.Envoy, listener, want string) {
	t.Helper()

	err := wait.Eventually(t.Context(), 10*time.Second, func() error {
		n, err := asked(t, e, listener)
		if err == nil && n != want {
			err = fmt.Errorf("listener %s goes by configuration %q, want %s", listener, n, want)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

const wrongRules = `{"patterns": [{"match": {"path": {"regex": "^/a("}}, "rewrite": {"path": "/$2"}}, {"name": "x", "rewrite": {"path": "b"}}]}`

var wrongRulesFaults = []string{
	`patterns[0].match.path.regex: "^/a(": missing closing )`,
	`patterns[1].rewrite.path: "b": `,
}

func TestWrongConfigurationInARunningProxyLeavesTheLastGoodOne(t *testing.T) {
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: []envoy.Listener{
		{Name: "shop", Filters: []envoy.Filter{plugin(t, "shop", numbered(1))}, Upstream: echo(t).Address},
	}})
	goesBy(t, proxy, "shop", "1")
	err := proxy.Configure(t.Context(), plugin(t, "shop", wrongRules))
	if err == nil {
		t.Fatal("Envoy takes the wrong configuration")
	}

	for _, fault := range wrongRulesFaults {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("the refusal does not tell %s:\n%v", fault, err)
		}
	}

	for range 200 {
		if n, err := asked(t, proxy, "shop"); err != nil || n != "1" {
			t.Fatalf("behind a refused configuration, configuration %q is in force: %v", n, err)
		}
	}
	if err := proxy.Configure(t.Context(), plugin(t, "shop", numbered(2))); err != nil {
		t.Fatal(err)
	}
	goesBy(t, proxy, "shop", "2")
}

func TestProxyThatStartsWithAWrongConfigurationAnswers500(t *testing.T) {
	upstream := echo(t)
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: []envoy.Listener{
		{Name: "shop", Filters: []envoy.Filter{plugin(t, "shop", wrongRules)}, Upstream: upstream.Address},
		{Name: "other", Filters: []envoy.Filter{plugin(t, "other", numbered(7))}, Upstream: upstream.Address},
	}})
	reasons, err := proxy.Refused(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	for _, fault := range wrongRulesFaults {
		if !strings.Contains(strings.Join(reasons, "\n"), fault) {
			t.Errorf("Envoy's log does not tell %s:\n%s", fault, strings.Join(reasons, "\n"))
		}
	}
	if response, _ := get(t, proxy.URL("shop")+"/a"); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("a proxy that starts with a wrong configuration answers %s, want 500", response.Status)
	}
	goesBy(t, proxy, "other", "7")
	if err := proxy.Configure(t.Context(), plugin(t, "shop", numbered(1))); err != nil {
		t.Fatal(err)
	}
	goesBy(t, proxy, "shop", "1")
}

// Two plugins share one module, so one VM. While one is replaced again and
// again, no request is lost, each goes by one configuration from beginning to
// end, and the other plugin's requests never see it.
func TestReplacementUnderLoad(t *testing.T) {
	const (
		connections  = 16
		replacements = 20
		between      = 100 // requests from one replacement to the next
	)
	upstream := echo(t)
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Workers: 2, Listeners: []envoy.Listener{
		{Name: "changing", Filters: []envoy.Filter{plugin(t, "changing", numbered(1))}, Upstream: upstream.Address},
		{Name: "constant", Filters: []envoy.Filter{plugin(t, "constant", numbered(0))}, Upstream: upstream.Address},
	}})
	goesBy(t, proxy, "changing", "1")
	goesBy(t, proxy, "constant", "0")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var (
		done    atomic.Int64
		workers sync.WaitGroup
		mu      sync.Mutex
		seen    = map[string]int{}
	)

	run := func(listener string, protocol wire.Protocol, check func(n string)) {
		workers.Go(func() {
			c, err := wire.Dial(ctx, protocol, address(proxy, listener))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()

			for ctx.Err() == nil {
				response, err := c.Exchange(someRequest)
				if err != nil {
					t.Errorf("a request to %s is lost: %v", listener, err)
					return
				}

				n, err := ruled(response)
				if err != nil {
					t.Errorf("a request to %s: %v", listener, err)
					return
				}
				check(n)
			}
		})
	}
	for i := range connections {
		protocol := []wire.Protocol{wire.HTTP1, wire.HTTP2}[i%2]
		run("changing", protocol, func(n string) {
			done.Add(1)
			mu.Lock()
			seen[n]++
			mu.Unlock()
		})
		if i%4 == 0 {
			run("constant", protocol, func(n string) {
				if n != "0" {
					t.Errorf("a request to the constant plugin goes by configuration %s of the other", n)
				}
			})
		}
	}

	for n := 2; n < 2+replacements && !t.Failed(); n++ {
		for from := done.Load(); done.Load() < from+between && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		if err := proxy.Configure(ctx, plugin(t, "changing", numbered(n))); err != nil {
			t.Error(err)
		}
	}
	if !t.Failed() {
		goesBy(t, proxy, "changing", strconv.Itoa(1+replacements))
	}
	stop()
	workers.Wait()
	if !t.Failed() && len(seen) != 1+replacements {
		t.Errorf("of %d configurations, %d were seen: %v", 1+replacements, len(seen), seen)
	}
	t.Logf("%d requests", done.Load())
}
