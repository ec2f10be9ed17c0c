package eg_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoygateway"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// accepted is whether the controller says that all is well with a policy.
func (s *space) accepted(policy string) error {
	_, _, err := s.condition(policy, "Accepted", "True")
	return err
}

// wantAccepted waits until it does.
func (s *space) wantAccepted(policy string) {
	s.Helper()
	s.within(settled, func() error { return s.accepted(policy) })
}

// wantInvalid waits until the controller says that it could not make a filter of a policy, and why.
func (s *space) wantInvalid(policy, why string) {
	s.Helper()
	s.within(settled, func() error {
		reason, message, err := s.condition(policy, "Accepted", "False")
		if err == nil && (reason != "Invalid" || !strings.Contains(message, why)) {
			return fmt.Errorf("the policy says %s: %s, want Invalid and %q", reason, message, why)
		}
		return err
	})
}

// Proxies that have the module keep the old rules, and the controller says Accepted; but nothing else that changes the
// listener comes in either, and a proxy that starts now answers otherwise than the one that runs.
func TestRefusedRulesLeaveRunningProxiesAndSplitThemFromANewOne(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	r := s.install("seed", rules(418), s.image(), ungated)
	s.becomes("shop", "/banana", http.StatusTeapot)
	before := nacks(s)

	r.upgrade(refused)
	s.within(settled, func() error {
		if now := nacks(s); now <= before {
			return fmt.Errorf("the controller counts %v refused updates, want more than before", now)
		}
		return nil
	})
	s.wantAccepted(r.policy())
	s.becomes("shop", "/banana", http.StatusTeapot)
	if out := s.log(); !strings.Contains(out, "the group name twice is used twice in this pattern") {
		t.Errorf("no proxy's log says why the rules are refused:\n%s", out)
	}
	s.status(1, "refused", "the group name twice is used twice in this pattern", "no other change of the listener comes in", "0 of 2 in force")

	// A good policy of the other route waits with it.
	other := s.install("other", strings.ReplaceAll(rules(402), "name: shop", "name: other"), s.image(), ungated)
	s.wantAccepted(other.policy())
	s.stays(func() error { return s.answers("other", "/banana", http.StatusNotFound) })

	// One proxy is replaced: its new one has no earlier rules.
	s.replaceOne()
	s.within(settled, func() error {
		seen := s.seen("shop", "/banana", 40)
		if seen[http.StatusTeapot] == 0 || seen[http.StatusServiceUnavailable] == 0 || len(seen) != 2 {
			return fmt.Errorf("answers %v, want 418 from the old proxy and 503 from the new one", seen)
		}
		return nil
	})
	s.status(1, "the proxies are split", "answers 503 to every request of its routes")

	r.rollback()
	s.becomes("shop", "/banana", http.StatusTeapot)
	s.becomes("other", "/banana", http.StatusPaymentRequired)
}

// nacks are the updates that proxies refused, by the controller's count.
func nacks(s *space) (total float64) {
	s.Helper()
	pods := strings.Fields(s.run("get", "pods", "--namespace="+envoygateway.Namespace, "--selector=control-plane=envoy-gateway", "--output=name"))
	if len(pods) != 1 {
		s.Fatalf("%d Pods of the controller, want 1", len(pods))
	}

	metrics := s.run("get", "--raw", "/api/v1/namespaces/"+envoygateway.Namespace+"/pods/"+strings.TrimPrefix(pods[0], "pod/")+":19001/proxy/metrics")
	for _, m := range regexp.MustCompile(`(?m)^xds_nack_total\S* (\S+)$`).FindAllStringSubmatch(metrics, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			s.Fatal(err)
		}

		total += n
	}

	return total
}

// log is what the proxies logged.
func (s *space) log() string {
	s.Helper()
	return s.run("logs", "--namespace="+envoygateway.Namespace, "--container=envoy", "--tail=-1", "--selector="+s.owned())
}

// replaceOne deletes one of the two proxies and returns once its successor serves the other route.
func (s *space) replaceOne() {
	s.Helper()
	old := s.proxies()
	s.run("delete", "pod", old[0], "--namespace="+envoygateway.Namespace, "--wait=true", "--timeout=90s")
	s.within(90*time.Second, s.ready)
}

// seen counts the statuses of many answers, each over a connection of its own.
func (s *space) seen(route, path string, times int) map[int]int {
	s.Helper()

	seen := map[int]int{}
	for range times {
		a, err := s.get(fresh, route, path)
		if err != nil {
			s.Fatal(err)
		}
		seen[a.StatusCode]++
	}

	return seen
}

// A first install has no earlier rules: its route is closed, or open with FAIL_OPEN; other routes go on.
func TestAFirstInstallWithRefusedRulesClosesItsRouteAlone(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name, values string
		status       int
	}{
		{"FAIL_CLOSE", "{}", http.StatusServiceUnavailable},
		{"FAIL_OPEN", "workloads: {httpbin: {failStrategy: FAIL_OPEN}}", http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			r := s.install("seed", rules(418), refused, c.values, s.image(), ungated)
			s.within(settled, func() error {
				if log := s.log(); !strings.Contains(log, "configuration refused") {
					return fmt.Errorf("no proxy refused the rules:\n%s", log)
				}
				return nil
			})
			s.wantAccepted(r.policy())
			s.becomes("shop", "/banana", c.status)
			s.becomes("other", "/banana", http.StatusNotFound)

			r.uninstall()
			s.becomes("shop", "/banana", http.StatusNotFound)
			s.becomes("shop", "/status/200", http.StatusOK)
		})
	}
}

// A module that is not there closes its route at once, in running proxies, too, and the policy says why. It is not asked
// for again by itself; a change of any object that the controller watches makes it ask, so no other test runs meanwhile.
func TestAModuleThatIsNotThereClosesItsRouteUntilTheRouteChanges(t *testing.T) {
	s := newSpace(t)
	image := s.image()
	r := s.install("seed", rules(418), image)
	s.becomes("shop", "/banana", http.StatusTeapot)

	// The digest that the other module will have, before it is there.
	digest := s.digestOf(made.OtherModule(t))
	r.upgrade(s.imageAt(digest), ungated)
	s.becomes("shop", "/banana", http.StatusInternalServerError)
	s.becomes("shop", "/status/200", http.StatusInternalServerError)
	s.becomes("other", "/status/200", http.StatusOK)
	s.wantInvalid(r.policy(), digest)
	s.status(1, "rejected", "Invalid", "its routes answer 500 to every request")

	if got := s.publish("-module", made.OtherModule(t), s.repository()); got != digest {
		t.Fatalf("the module was published as %s, want %s", got, digest)
	}
	s.stays(func() error { return s.answers("shop", "/banana", http.StatusInternalServerError) })

	// The routes are open a moment before the listener has the filter.
	end := s.load()
	s.run("annotate", "httproute", "other", "touched=1")
	s.becomes("shop", "/banana", http.StatusTeapot)
	t.Logf("answers while the module came back: %v", end())
	s.wantAccepted(r.policy())
}

// A checksum that is not the module's is as a module that is not there; FAIL_OPEN opens the route then, unrewritten. The right
// one under the same URL heals it, also once the controller does not ask for the URL with the wrong one any more.
func TestAWrongChecksumClosesTheRouteOrOpensItWithFailOpen(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name   string
		status int
		said   string
	}{
		{"FAIL_CLOSE", http.StatusInternalServerError, "its routes answer 500 to every request"},
		{"FAIL_OPEN", http.StatusNotFound, "its routes pass every request unrewritten"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSpace(t)
			r := s.install("seed", rules(418), ungated, "workloads: {httpbin: {failStrategy: "+c.name+"}}",
				fmt.Sprintf("{url: %q, sha256: %q}", made.ServeModule(t, bed.HostIP), strings.Repeat("0", 64)))
			s.wantInvalid(r.policy(), "")
			s.becomes("shop", "/banana", c.status)
			s.becomes("other", "/status/200", http.StatusOK)
			s.status(1, "rejected", "Invalid", c.said)
			s.provoke(r.policy())

			r.upgrade(fmt.Sprintf("sha256: %q", made.ModuleSHA256(t)))
			s.becomes("shop", "/banana", http.StatusTeapot)
		})
	}
}

// The controller keeps modules in a folder that goes with its Pod. Where the registry is away when it starts again, running
// proxies lose what they had.
func TestAControllerThatRestartsWithoutTheRegistryClosesTheRoute(t *testing.T) {
	s := newSpace(t)
	r := s.install("seed", rules(418), s.image())
	s.becomes("shop", "/banana", http.StatusTeapot)

	s.restartController()
	s.becomes("shop", "/banana", http.StatusTeapot)

	if err := bed.Registry.Down(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bed.Registry.Up(); err != nil {
			t.Error(err)
		}
	})
	s.restartController()
	s.becomes("shop", "/banana", http.StatusInternalServerError)
	s.becomes("other", "/status/200", http.StatusOK)
	// The new controller writes it once it has the lease of the one before.
	s.wantInvalid(r.policy(), "connection refused")

	if err := bed.Registry.Up(); err != nil {
		t.Fatal(err)
	}
	s.run("annotate", "httproute", "shop", "touched=1")
	s.becomes("shop", "/banana", http.StatusTeapot)
}

// restartController replaces the controller's Pod; its image is on the node.
func (s *space) restartController() {
	s.Helper()
	s.run("rollout", "restart", "deployment/envoy-gateway", "--namespace="+envoygateway.Namespace)
	s.run("rollout", "status", "deployment/envoy-gateway", "--namespace="+envoygateway.Namespace, "--timeout=90s")
}

// digestOf is the digest that a module's image has, which lies elsewhere until it is published.
func (s *space) digestOf(module string) string {
	s.Helper()
	return s.publish("-module", module, s.repository()+"-elsewhere")
}
