package gate

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// bench is a cluster of one Pod, whose proxy's metrics and whose service stand
// together: what the gate after a release asks. The real ones are in test/mesh.
type bench struct {
	pods    string // answer of the API server
	metrics string // of the proxy
	release string
}

const forbidden = `{"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403, "message": "User \"gate\" cannot do that"}`

const onePod = `{"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [
	{"metadata": {"name": "httpbin-1", "namespace": "shop"}, "spec": {"containers": [{"name": "istio-proxy"}]}, "status": {"phase": "Running", "podIP": "127.0.0.1"}}]}`

// service is what the API server says of a Service: its name, and its waypoint.
const service = `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": %q, "labels": {"istio.io/use-waypoint": %q}}}`

// gate runs the gate after a release and gives what it says and what it printed, without the ports of the run.
func (b bench) gate(t *testing.T) (fine bool, said string, err error) {
	t.Helper()

	serve := func(handler http.HandlerFunc) (url, port string) {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		_, port, _ = net.SplitHostPort(server.Listener.Addr().String())
		return server.URL, port
	}
	api, apiPort := serve(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if _, name, ok := strings.Cut(r.URL.Path, "/services/"); ok {
			fmt.Fprintf(w, service, name, map[string]string{"served": "waypoint"}[name])
			return
		}
		if b.pods == forbidden {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, b.pods)
	})
	_, statsPort := serve(func(w http.ResponseWriter, _ *http.Request) {
		if b.metrics == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprint(w, b.metrics)
	})
	_, servicePort := serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/closed" {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("x-host", r.Host)
		w.Header().Set("location", "/new"+r.URL.EscapedPath())
		w.WriteHeader(http.StatusFound)
	})
	r, err := release.Parse([]byte(b.release))
	if err != nil {
		t.Fatal(err)
	}

	stats, err := strconv.Atoi(statsPort)
	if err != nil {
		t.Fatal(err)
	}

	cluster, err := status.Connect(&rest.Config{Host: api}, status.Options{StatsPort: stats, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}

	var out bytes.Buffer
	a := After{Wait: 10 * time.Millisecond, Timeout: 10 * time.Second, Host: "dev.example.com", Address: "127.0.0.1:" + servicePort, Cluster: cluster,
		Release: r, Out: &out}
	fine, err = a.Run(t.Context())

	text := out.String()
	for port, name := range map[string]string{apiPort: "API", statsPort: "STATS", servicePort: "SERVICE"} {
		text = strings.ReplaceAll(text, ":"+port, ":"+name)
	}

	return fine, text, err
}

func gated(selector, targets, tests string) string {
	return fmt.Sprintf(`{"release": "demo", "namespace": "shop", "delivery": "WasmPlugin", "module": {"image": "example.com/x@sha256:0"}, "workloads": [
		{"name": "httpbin", "namespace": "shop", "selector": %s, "targetRefs": %s, "phase": "AUTHN", "plugin": "shop.demo-httpbin", "config": {"revision": "1a2b3c4d"}, "tests": %s}]}`, selector, targets, tests)
}

func TestGateAfter(t *testing.T) {
	const live = `[{"name": "moved", "live": true, "request": {"host": "shop.example.com", "path": "/a%2Fb"}, "expect": {"status": 302, "location": "/new/a%2Fb", "responseHeaders": {"x-host": "shop.example.com"}}},
		{"name": "of nobody's host", "live": true, "request": {"host": "example.com"}, "expect": {"responseHeaders": {"x-host": "example.com"}}},
		{"name": "of no host", "live": true, "expect": {"responseHeaders": {"x-host": "dev.example.com"}}},
		{"name": "not sent", "expect": {"path": "/"}}]`
	release := gated(`{"app": "httpbin"}`, `[]`, live)

	const fine = "wasm_rewrite_shop_demo_httpbin_revision{} 439041101\n"
	for _, c := range []struct {
		name string
		bench
		fine bool
		err  error
		want string
	}{
		{"in force", bench{onePod, fine, release}, true, nil,
			"release shop/demo: in force on 1 proxy\nrelease shop/demo: live tests: 3 passed, 0 failed\n"},
		{"in force, with labels", bench{onePod, `wasm_rewrite_revision{plugin="shop_demo_httpbin"} 439041101` + "\n", release}, true, nil,
			"release shop/demo: in force on 1 proxy\nrelease shop/demo: live tests: 3 passed, 0 failed\n"},
		{"in force beside a Pod that starts", bench{strings.Replace(onePod, `[`, `[{"metadata": {"name": "httpbin-2", "namespace": "shop"}, "spec": {"containers": [{"name": "istio-proxy"}]}, "status": {"phase": "Pending"}}, `, 1), fine, release}, true, nil,
			"release shop/demo: in force on 1 proxy\nrelease shop/demo: live tests: 3 passed, 0 failed\n"},
		{"Pods that start", bench{strings.Replace(onePod, "Running", "Pending", 1), fine, release}, false, nil,
			"workload httpbin, Pod shop/httpbin-1: not running: the Pod is Pending; kubectl describe pod httpbin-1 --namespace shop says why\nrelease shop/demo: not in force on every proxy after 10ms\n"},
		{"another revision", bench{onePod, "wasm_rewrite_shop_demo_httpbin_revision{} 17\n", release}, false, nil,
			"workload httpbin, Pod shop/httpbin-1: outdated: the proxy runs revision 00000011, not 1a2b3c4d; wasm-rewrite status -n shop demo says why\nrelease shop/demo: not in force on every proxy after 10ms\n"},
		{"another plugin", bench{onePod, "wasm_rewrite_shop_demo_httpbin2_revision{} 439041101\n", release}, false, nil,
			"workload httpbin, Pod shop/httpbin-1: not there: the proxy does not run the filter; wasm-rewrite status -n shop demo says why\nrelease shop/demo: not in force on every proxy after 10ms\n"},
		{"no Pods", bench{`{"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []}`, fine, release}, false, nil,
			"workload httpbin: no Pods: no Pod in namespace shop has the labels of the selector; start the workload, or correct the selector; write workloads.httpbin.namespace if the Pods are elsewhere\nrelease shop/demo: not in force on every proxy after 10ms\n"},
		{"a silent proxy", bench{onePod, "", release}, false, ErrUnasked,
			"workload httpbin, Pod shop/httpbin-1: cannot be asked: the proxy: /stats/prometheus?filter=wasm_rewrite: 503 Service Unavailable; see that the Pod is ready, and that no NetworkPolicy keeps its metrics from this Pod\nrelease shop/demo: not in force on every proxy after 10ms\n"},
		{"a waypoint", bench{onePod, fine, gated(`{}`, `[{"kind": "Service", "name": "served"}]`, `[]`)}, true, nil,
			"release shop/demo: in force on 1 proxy\nrelease shop/demo: live tests: 0 passed, 0 failed\n"},
		{"no waypoint", bench{`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}`, fine, gated(`{}`, `[{"kind": "Service", "name": "alone"}]`, `[]`)}, false, nil,
			"workload httpbin: no Pods: no waypoint serves Service alone; label it, or its namespace, istio.io/use-waypoint=NAME\nrelease shop/demo: not in force on every proxy after 10ms\n"},
		{"forbidden", bench{forbidden, fine, release}, false, ErrUnasked,
			"workload httpbin: cannot be asked: User \"gate\" cannot do that; one has to be allowed to list pods\nrelease shop/demo: not in force on every proxy after 10ms\n"},
		{"a live test fails", bench{onePod, fine, strings.Replace(release, "302", "301", 1)}, false, nil,
			"release shop/demo: in force on 1 proxy\nFAIL workload httpbin: moved\n  GET http://shop.example.com/a%2Fb\n  status: got 302, want 301\nrelease shop/demo: live tests: 2 passed, 1 failed\n"},
		{"no answer to a live test", bench{onePod, fine, gated(`{"app": "httpbin"}`, `[]`, `[{"name": "closed", "live": true, "request": {"path": "/closed", "headers": {"x-a": "b"}}, "expect": {"status": 200}}]`)}, false, nil,
			"release shop/demo: in force on 1 proxy\nFAIL workload httpbin: closed\n  GET http://dev.example.com/closed\n  no answer: EOF\nrelease shop/demo: live tests: 0 passed, 1 failed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fine, out, err := c.gate(t)
			if fine != c.fine || !errors.Is(err, c.err) || out != c.want {
				t.Errorf("fine is %v, want %v; the error is %v, want %v; got\n%swant\n%s", fine, c.fine, err, c.err, out, c.want)
			}
		})
	}
}
