package mesh_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ownMesh fails a test that takes parts of the mesh down, in a cluster of somebody else.
func ownMesh(t *testing.T) {
	t.Helper()
	start(t)
	if bed.Cluster == nil {
		t.Fatal("this test takes parts of the mesh down, which is not for a cluster of somebody else: leave it out with -skip")
	}
}

func (s *space) run(args ...string) {
	s.Helper()
	k8s.RunKubectlContext(s, s.Context(), s.kubectl, args...)
}

// restart replaces the Pod of a version by a new one, and returns once the old one is gone.
func (s *space) restart(version string) {
	s.Helper()
	pods := k8s.ListPodsContext(s, s.Context(), s.kubectl, metav1.ListOptions{LabelSelector: "version=" + version})
	s.run("rollout", "restart", "deployment/httpbin-"+version)
	s.run("rollout", "status", "deployment/httpbin-"+version, "--timeout=90s")

	for _, pod := range pods {
		s.run("wait", "--for=delete", "pod/"+pod.Name, "--timeout=90s")
	}
}

// The Secret is in the namespace of the workload, as the chart says.
func TestAPrivateRegistryWantsThePullSecret(t *testing.T) {
	ownMesh(t)
	s := newSpace(t, nil, nil)
	image := s.image()
	bed.Registry.RequireLogin("puller", "secret")
	t.Cleanup(func() { bed.Registry.RequireLogin("", "") })
	s.run("create", "secret", "docker-registry", "registry", "--docker-server="+bed.Images, "--docker-username=puller", "--docker-password=secret")
	s.release(s.name, onlyV1, image, `image: {pullSecret: registry}`)
	s.wantSeed("v1")
}

// What a proxy runs it keeps while the control plane is away, and it takes the next change when that is back.
func TestAProxyKeepsItsRulesWhileIstiodRestarts(t *testing.T) {
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	traffic := s.startLoad()
	istiod := kubectl("istio-system")
	k8s.RunKubectlContext(s, s.Context(), istiod, "rollout", "restart", "deployment/istiod")
	k8s.RunKubectlContext(s, s.Context(), istiod, "rollout", "status", "deployment/istiod", "--timeout=90s")
	s.wantSeed("v1")
	traffic.finish(s, teapot)
	r.uninstall()
	s.wantNoSeed("v1")
}

func TestAProxyKeepsItsRulesWhileTheAPIServerRestarts(t *testing.T) {
	ownMesh(t)
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	traffic := s.startLoad()
	if err := bed.Cluster.StopAPIServer(); err != nil {
		t.Fatal(err)
	}
	s.consistently("v1", "/banana/418", func(a answer) error { return a.wantStatus(teapot) })
	if err := bed.Cluster.StartAPIServer(context.Background()); err != nil {
		t.Fatal(err)
	}
	traffic.finish(s, teapot)
	r.uninstall()
	s.wantNoSeed("v1")
}

// Without its module a proxy lets no request through: nothing passes unrewritten. It does not ask again by itself; a
// restart of the workload makes it.
func TestWithoutTheRegistryAWorkloadIsClosedUntilItRestarts(t *testing.T) {
	ownMesh(t)
	s := newSpace(t, nil, nil)
	image := s.image()
	if err := bed.Registry.Down(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bed.Registry.Up(); err != nil {
			t.Error(err)
		}
	})

	began := time.Now()
	s.release(s.name, onlyV1, image)

	refused := func(a answer) error { return a.wantStatus(http.StatusForbidden) }
	s.eventually("v1", "/banana/418", refused)
	t.Logf("refused %s after the install", time.Since(began).Round(100*time.Millisecond))
	s.wantNoSeed("v2")
	if err := bed.Registry.Up(); err != nil {
		t.Fatal(err)
	}
	s.consistently("v1", "/banana/418", refused)
	s.restart("v1")
	s.wantSeed("v1")
}

// keepsUntilItRestarts changes a release of the seed's rules in a way that v1's proxy cannot load, and says of the proxy
// with reason: as long as it runs it goes on with what it has, and a new one answers 500 to everything. A rollback heals
// it without a restart.
func (s *space) keepsUntilItRestarts(r *release, reason string, values ...string) {
	s.Helper()

	good := func() error { return s.site("youdianzhishi.com") }
	r.upgrade(values...)

	ask := s.statusTool()
	s.until(func() error {
		if code, out := ask(); code != 1 || !strings.Contains(out, reason) {
			return fmt.Errorf("status: exit code %d, want 1 and %q\n%s", code, reason, out)
		}
		return nil
	})
	s.settles(good)
	s.restart("v1")
	s.settles(func() error {
		for _, path := range []string{"/banana/418", "/status/200"} {
			if err := s.asked("v1", path, http.StatusInternalServerError); err != nil {
				return err
			}
		}
		return nil
	})

	began := time.Now()
	helm.RollbackContext(r, r.Context(), r.options, r.name, "1")
	s.until(good)
	s.Logf("healed %s after the rollback began", since(began))
	s.settles(good)
}

// What only the compiler of the rules knows is in no schema, so that the chart renders it.
const (
	refusedRules  = `workloads: {httpbin: {headers: {request: {set: {x-twice: "1", X-Twice: "2"}}, response: {set: {site: never}}}}}`
	refusedReason = "is the same name as X-Twice"
)

func TestRefusedRules(t *testing.T) {
	t.Parallel()
	t.Run("leave running proxies as they are, and a new one answers 500", refusedOnRunningProxies)
	t.Run("of one plugin leave the other of the same module alone", refusedOfOnePlugin)
	t.Run("of a first install are answered 500 until it is uninstalled", refusedOnFirstInstall)
}

func refusedOnRunningProxies(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	t.Run("lint stops them before", func(t *testing.T) {
		code, out := s.in(t).tool("lint", "--chart", chart(), s.file(refusedRules))
		if code != 1 || !strings.Contains(out, refusedReason) {
			t.Errorf("exit code %d, want 1 and %s\n%s", code, refusedReason, out)
		}
	})
	s.keepsUntilItRestarts(r, refusedReason, refusedRules)
}

// Two plugins of one module share its VM and nothing else: a refused configuration is that of one.
func refusedOfOnePlugin(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	image := s.image()
	r := s.release(s.name, onlyV1, image)
	other := s.rules(image, `workloads: {other: {selector: {version: v1}, headers: {response: {set: {x-other: "1"}}}}}`)
	both := func(site, want string) func() error {
		return func() error {
			a, err := s.get("v1", "/banana/418")
			if err == nil && (a.StatusCode != teapot || a.Header.Get("Site") != site || a.Header.Get("X-Other") != want) {
				err = fmt.Errorf("answers %s, site %q, x-other %q; want 418, %q and %q", a.Status, a.Header.Get("Site"), a.Header.Get("X-Other"), site, want)
			}
			return err
		}
	}
	s.settles(both("youdianzhishi.com", "1"))
	other.upgrade(`workloads: {other: {patterns: [{match: {path: {regex: "(?P<twice>a)(?P<twice>b)"}}, rewrite: {path: /}}], headers: {response: {set: {x-other: "2"}}}}}`)

	ask := s.statusTool()
	s.until(func() error {
		if code, out := ask(other.name); code != 1 || !strings.Contains(out, "configuration refused") {
			return fmt.Errorf("status: exit code %d, want 1 and the refusal\n%s", code, out)
		}
		return nil
	})
	s.settles(both("youdianzhishi.com", "1"))
	// The good one can be changed all the while, and the bad one be fixed.
	r.upgrade(seedSite("elsewhere"))
	s.settles(both("elsewhere", "1"))
	other.upgrade(`workloads: {other: {patterns: []}}`)
	s.settles(both("elsewhere", "2"))
}

// A plugin that a running proxy has never had before has no last good configuration.
func refusedOnFirstInstall(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.wantNotRewritten()
	r := s.release(s.name, onlyV1, s.image(), refusedRules)
	s.settles(func() error { return s.asked("v1", "/status/200", http.StatusInternalServerError) })

	began := time.Now()
	r.uninstall()
	s.settles(func() error { return s.asked("v1", "/status/200", http.StatusOK) })
	t.Logf("healed within %s of the uninstall", since(began))
}

// The new Pod is sent requests once its proxy has the module and the rules: none passes unrewritten. The old one ends
// what it has begun.
func TestARestartOfTheWorkloadLosesNoRequestAndRewritesEveryOne(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")

	traffic := s.startLoad()
	for range 2 {
		s.restart("v1")
		s.wantSeed("v1")
	}
	traffic.finish(s, teapot)
}
