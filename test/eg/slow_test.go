//go:build slow

package eg_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoygateway"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// A proxy that starts and cannot fetch the module from the controller, which has it, is not ready until it gives up: with a
// second one nobody notices, and with it alone every route would be closed. Then it closes the route of the rules.
func TestSlowAProxyThatCannotFetchTheModuleIsNotReadyUntilItGivesUp(t *testing.T) {
	s := newSpaceAlone(t)
	s.install("seed", rules(418), s.image())
	s.becomes("shop", "/banana", http.StatusTeapot)

	// The port by which proxies fetch modules leads nowhere.
	s.wasmPort(t.Context(), "1")
	t.Cleanup(func() { s.wasmPort(context.Background(), "18002") })
	old := s.proxies()
	s.run("delete", "pod", old[0], "--namespace="+envoygateway.Namespace, "--wait=true", patience)

	began := time.Now()
	end := s.load()
	s.within(func() error {
		if now := s.proxies(); len(now) != 2 {
			return fmt.Errorf("proxies %q, want two", now)
		}
		return nil
	})
	if err := wait.Eventually(bed.Context, 2*settled, s.ready); err != nil {
		t.Fatal(err)
	}

	// Until now the other proxy had all requests.
	took := time.Since(began).Round(time.Second)
	meanwhile := end()
	t.Logf("ready after %s; answers meanwhile: %v", took, meanwhile)
	if took < 30*time.Second {
		t.Errorf("the new proxy was ready after %s, want it to wait for the module", took)
	}

	// It is ready a moment before it gets requests.
	s.within(func() error {
		seen, err := s.seen("shop", "/banana", 40)
		if err != nil {
			return err
		}
		if seen[http.StatusTeapot] == 0 || seen[http.StatusServiceUnavailable] == 0 || len(seen) != 2 {
			return fmt.Errorf("answers %v, want 418 from the old proxy and 503 from the new one", seen)
		}

		t.Logf("answers of both proxies then: %v", seen)

		return nil
	})
	s.stays(func() error { return s.answers("other", "/status/200", http.StatusOK) })
}

// wasmPort says where the controller's port for modules leads.
func (s *space) wasmPort(ctx context.Context, target string) {
	s.Helper()
	if out, err := s.kubectl(ctx, "patch", "service", "envoy-gateway", "--namespace="+envoygateway.Namespace, "--type=strategic",
		"--patch", fmt.Sprintf(`{"spec": {"ports": [{"name": "wasm", "port": 18002, "targetPort": %s}]}}`, target)); err != nil {
		s.Errorf("kubectl patch service: %v\n%s", err, out)
	}
}
