//go:build slow

package eg_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoygateway"
)

// A proxy that starts and cannot fetch the module from the controller, which has it, keeps its listener closed to every
// route until it gives up.
func TestSlowAProxyThatCannotFetchTheModuleKeepsItsListenerClosed(t *testing.T) {
	s := newSpace(t)
	s.install("seed", rules(418), s.image())
	s.becomes("shop", "/banana", http.StatusTeapot)

	port := func(target string) {
		s.run("patch", "service", "envoy-gateway", "--namespace="+envoygateway.Namespace, "--type=strategic",
			"--patch", fmt.Sprintf(`{"spec": {"ports": [{"name": "wasm", "port": 18002, "targetPort": %s}]}}`, target))
	}
	port("1")
	t.Cleanup(func() { port("18002") })
	old := s.proxies()
	s.run("delete", "pod", old[0], "--namespace="+envoygateway.Namespace, "--wait=true", "--timeout=90s")
	var started string
	s.within(time.Minute, func() error {
		for _, name := range s.proxies() {
			if name != old[0] && name != old[1] {
				started = name
				return nil
			}
		}
		return fmt.Errorf("no proxy but %q", old)
	})
	s.run("wait", "--for=condition=Ready", "pod/"+started, "--namespace="+envoygateway.Namespace, "--timeout=90s")

	// The proxy's Pod is ready, and takes no connection; once it does, the answer is Envoy's own 404 to an unknown host.
	began := time.Now()
	s.within(5*time.Minute, func() error {
		out, err := s.kubectl(t.Context(), "get", "--raw", "/api/v1/namespaces/"+envoygateway.Namespace+"/pods/"+started+":10080/proxy/")
		if err != nil && strings.Contains(out, "NotFound") {
			return nil
		}
		return fmt.Errorf("%v: %s", err, out)
	})
	closed := time.Since(began)
	t.Logf("the listener of the new proxy was closed for %s", closed.Round(time.Second))
	if closed < 10*time.Second {
		t.Errorf("the listener was closed for %s only", closed)
	}
}
