package mesh_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/k8s"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// onlyV1 narrows the seed's workload to one of the two versions.
const onlyV1 = `workloads: {httpbin: {selector: {version: v1}}}`

// The scenario of the README on a sidecar, with the image as `make publish` pushes it.
func TestASidecarRewritesFromInstallToUninstall(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.scenario(s.name, onlyV1, s.image())
}

// The same on the gateway: what it rewrites reaches the workload rewritten, and it is every workload's path.
func TestTheGatewayRewritesFromInstallToUninstall(t *testing.T) {
	s := newSpace(t, nil, nil)
	s.wantNotRewritten()
	r := s.release("istio-ingress", s.image(), `workloads: {httpbin: {selector: {app: null, istio: ingressgateway}}}`)
	s.wantSeed("v1")
	s.wantSeed("v2")
	r.uninstall()
	s.wantNoSeed("v1")
}

// Every other way that a proxy gets the module: the scenario is the same.
func TestEveryFormOfURL(t *testing.T) {
	t.Parallel()
	t.Run("oci with a tag", func(t *testing.T) {
		s := newSpace(t, nil, nil)
		s.scenario(s.name, onlyV1, s.image(), `image: {digest: "", tag: test, allowMutableTag: true}`)
	})
	t.Run("http with sha256", func(t *testing.T) {
		s := newSpace(t, nil, nil)
		s.scenario(s.name, onlyV1, fmt.Sprintf("{url: %q, sha256: %s}", serve(t), made.ModuleSHA256(t)))
	})
	t.Run("file from a ConfigMap", func(t *testing.T) {
		s := mountedSpace(t)
		s.scenario(s.name, onlyV1)
	})
	t.Run("EnvoyFilter", func(t *testing.T) {
		s := mountedSpace(t)
		s.scenario(s.name, onlyV1, `{url: "", delivery: EnvoyFilter, module: {configMap: module}}`)
	})
}

// scenario is the seed's: 404 before, 418 with the headers while installed, 404 after. v2 never changes.
func (s *space) scenario(namespace string, values ...string) {
	s.Helper()
	s.wantNotRewritten()
	r := s.release(namespace, values...)
	s.wantSeed("v1")
	s.wantNoSeed("v2")
	s.wantQueryKept()
	r.uninstall()
	s.wantNoSeed("v1")
}

// wantNotRewritten wants v1 not to know the path of the seed.
func (s *space) wantNotRewritten() {
	s.Helper()
	if err := s.asked("v1", "/banana/418", notFound); err != nil {
		s.Fatal(err)
	}
}

// wantSeed waits for the teapot, and then wants it every time.
func (s *space) wantSeed(version string) {
	s.Helper()

	accept := func(a answer) error {
		if err := a.wantStatus(http.StatusTeapot); err != nil {
			return err
		}

		for name, want := range map[string]string{"Who-Am-I": "wasm-rewrite", "Injected-By": "istio-api!", "Site": "youdianzhishi.com", "Author": "陽明"} {
			if got := a.Header[name]; len(got) != 1 || got[0] != want {
				return fmt.Errorf("header %s: %q, want %q", name, got, want)
			}
		}
		var config struct{ Vars map[string]any }
		if err := json.Unmarshal([]byte(a.Header.Get("Configdata")), &config); err != nil || config.Vars["website"] != "youdianzhishi.com" {
			return fmt.Errorf("header Configdata: %q, want the configuration as JSON", a.Header.Get("Configdata"))
		}

		return nil
	}
	s.eventually(version, "/banana/418?who=me", accept)
	s.consistently(version, "/banana/418?who=me", accept)
}

// wantNoSeed waits until nothing is rewritten, and then wants it so every time.
func (s *space) wantNoSeed(version string) {
	s.Helper()

	accept := func(a answer) error {
		if got := a.Header["Who-Am-I"]; got != nil {
			return fmt.Errorf("header Who-Am-I: %q, want none", got)
		}
		return a.wantStatus(http.StatusNotFound)
	}
	s.eventually(version, "/banana/418", accept)
	s.consistently(version, "/banana/418", accept)
}

// wantQueryKept reads in httpbin's own log what arrived there.
func (s *space) wantQueryKept() {
	s.Helper()
	pods := k8s.ListPodsContext(s, s.Context(), s.kubectl, metav1.ListOptions{LabelSelector: "version=v1"})
	if len(pods) != 1 {
		s.Fatalf("%d Pods of v1, want 1", len(pods))
	}
	const want = `uri="/status/418?who=me"`
	if log := k8s.GetPodLogsContext(s, s.Context(), s.kubectl, &pods[0], "httpbin"); !strings.Contains(log, want) {
		s.Errorf("httpbin never got %s: its log ends\n%s", want, log[max(0, len(log)-1000):])
	}
}

// image pushes the filter to a repository of the test's own and returns the values that name it.
func (s *space) image() string {
	s.Helper()
	return s.imageAt(publish(s.T, s.repository(), made.Module(s.T)))
}

// repository is where the test's images lie.
func (s *space) repository() string { return bed.Images + "/" + s.name }

// imageAt are the values that name an image of the test's by its digest.
func (s *space) imageAt(digest string) string {
	host, path, _ := strings.Cut(s.repository(), "/")
	return fmt.Sprintf("{url: \"\", image: {registry: %q, repository: %q, digest: %q}}", host, path, digest)
}

// serve serves the module over HTTP where proxies reach it, and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	if bed.HostIP == "" {
		t.Fatal("proxies of a cluster of somebody else do not reach this machine: leave this test out with -skip 'TestEveryFormOfURL/http'")
	}
	return made.ServeModule(t, bed.HostIP)
}

// mountedSpace is a space whose v1 has the module mounted from a ConfigMap named module, by the annotations that the
// chart's notes tell.
func mountedSpace(t *testing.T) *space {
	t.Helper()
	return newSpace(t, map[string]string{
		"sidecar.istio.io/userVolume":      `[{"name":"wasm-rewrite","configMap":{"name":"module"}}]`,
		"sidecar.istio.io/userVolumeMount": `[{"name":"wasm-rewrite","mountPath":"/var/local/wasm","readOnly":true}]`,
	}, func(s *space) {
		s.run("create", "configmap", "module", "--from-file=plugin.wasm="+made.Module(t))
	})
}
