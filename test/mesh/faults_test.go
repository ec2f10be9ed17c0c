package mesh_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/k8s"
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

// The Secret stands in the namespace of the workload, as the chart says.
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
func TestWithTheRegistryDownRequestsAreRefusedUntilTheWorkloadRestarts(t *testing.T) {
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
	s.run("rollout", "restart", "deployment/httpbin-v1")
	s.run("rollout", "status", "deployment/httpbin-v1", "--timeout=90s")
	s.wantSeed("v1")
}
