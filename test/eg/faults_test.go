package eg_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	s.within(func() error { return s.accepted(policy) })
}

// wantInvalid waits until the controller says that it could not make a filter of a policy, and why.
func (s *space) wantInvalid(policy, why string) {
	s.Helper()
	s.within(func() error {
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
	before := s.nacks()

	s.wantRefusal(func() { r.upgrade(refused) })
	s.within(func() error {
		if now := s.nacks(); now <= before {
			return fmt.Errorf("the controller counts %v refused updates, want more than the %v before", now, before)
		}
		return nil
	})
	s.wantAccepted(r.policy())
	s.becomes("shop", "/banana", http.StatusTeapot)
	s.wantLog("the group name twice is used twice in this pattern")
	s.status(1, "refused", "the group name twice is used twice in this pattern", "no other change of the listener comes in", "0 of 2 in force")

	// A good policy of the other route waits with it.
	s.wantRefusal(func() {
		other := s.install("other", strings.ReplaceAll(rules(402), "name: shop", "name: other"), s.image(), ungated)
		s.wantAccepted(other.policy())
	})
	s.stays(func() error { return s.answers("other", "/banana", http.StatusNotFound) })

	// One proxy is replaced: its new one has no earlier rules.
	s.replaceOne()
	s.within(func() error {
		seen, err := s.seen("shop", "/banana", 40)
		if err != nil {
			return err
		}
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

// nacks are the updates that proxies refused, by the controller's count, which is one for all proxies.
func (s *space) nacks() (total float64) {
	s.Helper()

	var metrics string
	s.within(func() error {
		pods, err := bed.Client.CoreV1().Pods(envoygateway.Namespace).List(s.Context(), metav1.ListOptions{LabelSelector: "control-plane=envoy-gateway"})
		if err != nil {
			return err
		}

		// One that a restart ends may be there still.
		if len(pods.Items) != 1 {
			return fmt.Errorf("%d Pods of the controller, want 1", len(pods.Items))
		}

		metrics, err = s.kubectl(s.Context(), "get", "--raw", "/api/v1/namespaces/"+envoygateway.Namespace+"/pods/"+pods.Items[0].Name+":19001/proxy/metrics")

		return err
	})

	return sum(s.T, metrics, "xds_nack_total")
}

// refusals are the updates of listeners that each proxy has refused.
func (s *space) refusals() (map[string]float64, error) {
	refused := map[string]float64{}
	for _, proxy := range s.proxies() {
		stats, err := s.kubectl(s.Context(), "get", "--raw",
			"/api/v1/namespaces/"+envoygateway.Namespace+"/pods/"+proxy+":19001/proxy/stats/prometheus?filter=lds.update_rejected")
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, stats)
		}

		refused[proxy] = sum(s.T, stats, "envoy_listener_manager_lds_update_rejected")
	}

	return refused, nil
}

// wantRefusal lets change do something that each proxy refuses, and waits until they have.
func (s *space) wantRefusal(change func()) {
	s.Helper()

	before, err := s.refusals()
	if err != nil {
		s.Fatal(err)
	}

	change()
	s.within(func() error {
		now, err := s.refusals()
		for proxy, n := range now {
			if n <= before[proxy] {
				err = fmt.Errorf("%s has refused %v updates of its listeners, want more than the %v before", proxy, n, before[proxy])
			}
		}
		return err
	})
}

// sum adds up a metric over its labels.
func sum(t *testing.T, metrics, name string) (total float64) {
	t.Helper()

	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{\S*\})? (\S+)$`).FindAllStringSubmatch(metrics, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}

		total += n
	}

	return total
}

// wantLog waits until a proxy has logged words.
func (s *space) wantLog(words string) {
	s.Helper()
	s.within(func() error {
		log, err := s.kubectl(s.Context(), "logs", "--namespace="+envoygateway.Namespace, "--container=envoy", "--tail=-1", "--selector="+s.owned())
		if err == nil && !strings.Contains(log, words) {
			err = errors.New("no proxy logged it")
		}
		if err != nil {
			return fmt.Errorf("want %q: %w:\n%s", words, err, log)
		}
		return nil
	})
}

// replaceOne deletes one of the two proxies and returns once its successor serves the other route.
func (s *space) replaceOne() {
	s.Helper()
	old := s.proxies()
	s.run("delete", "pod", old[0], "--namespace="+envoygateway.Namespace, "--wait=true", patience)
	s.within(s.ready)
}

// seen counts the statuses of many answers, each over a connection of its own.
func (s *space) seen(route, path string, times int) (map[int]int, error) {
	seen := map[int]int{}
	for range times {
		a, err := s.get(fresh, route, path)
		if err != nil {
			return nil, err
		}
		seen[a.StatusCode]++
	}

	return seen, nil
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
			s.wantLog("configuration refused")
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
	s := newSpaceAlone(t)
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

	manifest := "/v2/" + s.name + "/manifests/" + digest
	before := bed.Registry.Asked(manifest)
	s.stays(func() error {
		// An object that nobody here touched may change, such as a Pod's readiness.
		if bed.Registry.Asked(manifest) > before {
			return nil
		}
		return s.answers("shop", "/banana", http.StatusInternalServerError)
	})

	// The routes are open a moment before the listener has the filter.
	end := s.load()
	s.askAgain(r.policy())
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
	s := newSpaceAlone(t)
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
	s.askAgain(r.policy())
	s.becomes("shop", "/banana", http.StatusTeapot)
}

// askAgain touches a route, so that the controller asks for a policy's module, which is there now. Where it failed so often
// meanwhile that it gave the URL up, it is restarted instead, as status says then.
func (s *space) askAgain(policy string) {
	s.Helper()

	_, message, err := s.condition(policy, "Accepted", "False")
	if err == nil && strings.Contains(message, gaveUp) {
		s.Log("the controller had given the URL up: it is restarted")
		s.restartController()

		return
	}

	s.run("annotate", "httproute", "other", "--overwrite", "touched=again")
}

// restartController replaces the controller's Pod; its image is on the node.
func (s *space) restartController() {
	s.Helper()
	s.run("rollout", "restart", "deployment/envoy-gateway", "--namespace="+envoygateway.Namespace)
	s.run("rollout", "status", "deployment/envoy-gateway", "--namespace="+envoygateway.Namespace, patience)
}

// digestOf is the digest that a module's image has, which lies elsewhere until it is published.
func (s *space) digestOf(module string) string {
	s.Helper()
	return s.publish("-module", module, s.repository()+"-elsewhere")
}
