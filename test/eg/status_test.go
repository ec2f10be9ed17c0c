package eg_test

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// status waits until the author's tool exits with a code and says words about the space.
func (s *space) status(code int, words ...string) {
	s.Helper()
	made.File(s.T, "build/bin/wasm-rewrite")
	s.within(func() error {
		out, err := tool(s.Context(), "wasm-rewrite", "status", "-n", s.name)
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return err
		}
		if got := exitCode(exit); got != code {
			return fmt.Errorf("status: exit code %d, want %d\n%s", got, code, out)
		}

		for _, word := range words {
			if !strings.Contains(out, word) {
				return fmt.Errorf("status does not say %q:\n%s", word, out)
			}
		}

		return nil
	})
}

func exitCode(exit *exec.ExitError) int {
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

func TestStatusAndExplainKnowTheProxiesOfAGateway(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	image := s.image()
	s.install("seed", rules(418), image)
	s.becomes("shop", "/banana", http.StatusTeapot)
	s.status(0, "2 of 2 in force", "envoy-gateway-system/envoy-"+s.name)

	out, err := tool(t.Context(), "wasm-rewrite", "explain", "GET", "http://shop.example/banana", "cluster:"+s.name)
	if err != nil || !strings.Contains(out, "/status/418") {
		t.Errorf("explain: %v\n%s", err, out)
	}

	s.install("second", rules(402), image)
	s.status(1, "rejected", "Conflicted", "put the patterns of both into one workload", "2 of 4 in force")
}

// The gate after a release waits for the revision in both proxies, and sends live tests to them.
func TestTheGateAfterAReleaseFindsTheProxiesOfItsRoute(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	live := fmt.Sprintf("verify: {after: {enabled: true, timeoutSeconds: 180, address: '%s'}}", strings.TrimPrefix(s.address, "http://"))
	const tested = "workloads: {httpbin: {tests: [{name: banana, live: true, request: {host: shop.example, path: /banana}, expect: {status: 200}}]}}"
	r := s.install("seed", rules(200), s.image(), live, tested)
	s.becomes("shop", "/banana", http.StatusOK)
	s.run("get", "envoyextensionpolicy", r.policy())

	out, err := r.helm("upgrade", "--reuse-values", refused, ungated, "verify: {after: {timeoutSeconds: 20}}")
	if err == nil {
		t.Fatalf("the gate let a release through that no proxy runs:\n%s", out)
	}
	if strings.Count(out, "outdated: the proxy runs revision ") != 2 {
		t.Errorf("the gate says\n%s\nwant that both proxies run the earlier revision", out)
	}
}
