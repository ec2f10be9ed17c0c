package eg_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// gaveUp is what the controller says of a module's URL that it does not ask for any more.
const gaveUp = "after 10 attempts"

// provoke touches a route until the controller has asked for a policy's module so often that it gives its URL up.
func (s *space) provoke(policy string) {
	s.Helper()

	touched := 0
	s.within(func() error {
		touched++
		s.run("annotate", "httproute", "other", "--overwrite", fmt.Sprintf("touched=%d", touched))

		reason, message, err := s.condition(policy, "Accepted", "False")
		if err == nil && !strings.Contains(message, gaveUp) {
			return fmt.Errorf("after %d touches the policy says %s: %s, want that the URL is given up", touched, reason, message)
		}

		return err
	})
}

// looksAgain gives the other route one more host and returns once both proxies serve it: the controller has looked at every
// policy since.
func (s *space) looksAgain(host string) {
	s.Helper()
	s.run("patch", "httproute", "other", "--type=json", "--patch", fmt.Sprintf(`[{"op": "add", "path": "/spec/hostnames/-", "value": "%s.example"}]`, host))
	s.becomes(host, "/status/200", http.StatusOK)
}

// wantGivenUp wants a route to stay closed though its module is there now, and status to say why and what helps.
func (s *space) wantGivenUp(helps string) {
	s.Helper()
	s.looksAgain("again")
	s.becomes("shop", "/banana", http.StatusInternalServerError)
	s.status(1, "rejected", "the controller does not ask for this URL again for an hour", "rollout restart deployment/envoy-gateway", helps)
}

// A module that comes after the controller has given its URL up stays where it is: no ask for it reaches the server. Another
// URL of it is asked for.
func TestAURLThatTheControllerGaveUpIsNotAskedForAndAnotherIs(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	file := made.Module(t)
	var there atomic.Bool
	var asked atomic.Int64
	url := made.Serve(t, bed.HostIP, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if !there.Load() {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, file)
	})

	r := s.install("seed", rules(418), ungated, fmt.Sprintf("{url: %q, sha256: %q}", url, made.ModuleSHA256(t)))
	s.wantInvalid(r.policy(), "")
	s.provoke(r.policy())
	there.Store(true)

	before := asked.Load()

	s.wantGivenUp(url + "?again")
	if now := asked.Load(); now != before {
		t.Errorf("the controller asked %d times more for a URL that it gave up", now-before)
	}

	r.upgrade(fmt.Sprintf("url: %q", url+"?again"))
	s.becomes("shop", "/banana", http.StatusTeapot)
	s.status(0, "2 of 2 in force")
}

// The same with an image, whose URL has its digest: it is fetched from another repository, or by a controller that restarts.
// No other test runs meanwhile, as the restart is everybody's.
func TestAnImageGivenUpComesFromElsewhereOrAfterARestart(t *testing.T) {
	s := newSpaceAlone(t)
	module := made.Module(t)
	digest := s.digestOf(module)
	r := s.install("seed", rules(418), s.imageAt(digest), ungated)
	s.wantInvalid(r.policy(), digest)
	s.provoke(r.policy())

	if got := s.publish("-module", module, s.repository()); got != digest {
		t.Fatalf("the module was published as %s, want %s", got, digest)
	}
	s.wantGivenUp("another repository")

	r.upgrade(fmt.Sprintf("image: {repository: %q}", s.name+"-elsewhere"))
	s.becomes("shop", "/banana", http.StatusTeapot)
	r.rollback()
	s.becomes("shop", "/banana", http.StatusInternalServerError)

	s.restartController()
	s.becomes("shop", "/banana", http.StatusTeapot)
}

// The controller counts failures by the URL alone, of policies of whomever: one of sixteen filters with a wrong checksum uses
// all asks up at once, and then nobody gets what the URL has, though it is in the controller's cache.
func TestFailuresOfOnePolicyCloseAllRoutesWithItsURL(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	url := made.ServeModule(t, bed.HostIP)
	r := s.install("seed", rules(418), ungated, fmt.Sprintf("{url: %q, sha256: %q}", url, made.ModuleSHA256(t)))
	s.becomes("shop", "/banana", http.StatusTeapot)

	var filters []string
	for i := range 16 {
		filters = append(filters, fmt.Sprintf("{name: f%d, code: {type: HTTP, http: {url: %q, sha256: %q}}}",
			i, url+"#sha256="+made.ModuleSHA256(t), strings.Repeat("0", 64)))
	}

	s.apply(`{apiVersion: gateway.envoyproxy.io/v1alpha1, kind: EnvoyExtensionPolicy, metadata: {name: theirs}, spec: {
		targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: other}], wasm: [` + strings.Join(filters, ", ") + `]}}`)
	s.wantInvalid("theirs", "")
	s.provoke(r.policy())
	s.becomes("shop", "/banana", http.StatusInternalServerError)
	s.status(1, "rejected", "the controller does not ask for this URL again for an hour")

	// A URL that they do not know is one of its own.
	r.upgrade(fmt.Sprintf("url: %q", url+"?ours"))
	s.becomes("shop", "/banana", http.StatusTeapot)
}
