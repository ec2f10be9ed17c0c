package mesh_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"
)

// byExtension are the values of the successor of WasmPlugin.
const byExtension = "delivery: TrafficExtension"

// hasTrafficExtensions says whether the mesh's Istio has the kind, which is 1.30 or later.
func hasTrafficExtensions(t *testing.T) bool {
	t.Helper()
	start(t)

	list, err := bed.Client.Discovery().ServerResourcesForGroupVersion("extensions.istio.io/v1alpha1")
	if err != nil {
		t.Fatal(err)
	}

	for _, kind := range list.APIResources {
		if kind.Name == trafficExtensions.Resource {
			return true
		}
	}

	return false
}

// wantsTrafficExtensions fails in the mesh of an older Istio; `make test-mesh ISTIO=1.29` leaves these tests out by name.
func wantsTrafficExtensions(t *testing.T) {
	t.Helper()
	if !hasTrafficExtensions(t) {
		t.Fatal("this Istio has no TrafficExtension, which came with 1.30: leave this test out with -skip, as test/mesh.mk does for ISTIO=1.29")
	}
}

func TestTrafficExtensionsOfTwoNamespacesAreAccepted(t *testing.T) {
	wantsTrafficExtensions(t)

	s := emptySpace(t)
	for spec, want := range map[string]string{
		`{wasm: {url: "oci://example.com/a"}}`: "",
		`{selector: {matchLabels: {app: a}}, targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}], wasm: {url: "oci://example.com/a"}}`: "only one of targetRefs or selector can be set",
		`{phase: UNSPECIFIED_PHASE, wasm: {url: "oci://example.com/a"}}`:                                                                                    `spec.phase: Unsupported value: "UNSPECIFIED_PHASE"`,
	} {
		err := s.dryRun(fmt.Sprintf("{apiVersion: extensions.istio.io/v1alpha1, kind: TrafficExtension, metadata: {name: a}, spec: %s}", spec))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want it refused: %q", spec, err, want)
		}
	}

	r := s.install(chart(),
		helm.Options{KubectlOptions: kubectl(s.name), ValuesFiles: []string{filepath.Join(chart(), "ci/trafficextension-values.yaml")}},
		"image: {pullSecret: registry}")
	wantNames(t, r.objects(trafficExtensions), s.name+"/"+r.name+"-httpbin", "istio-system/"+r.name+"-ingress")
	r.uninstall()
	wantNames(t, r.list(trafficExtensions))
}

// The days of a WasmPlugin, with a TrafficExtension: what comes, changes and goes under load loses no request.
func TestATrafficExtensionRewritesFromInstallToUninstall(t *testing.T) {
	t.Parallel()
	wantsTrafficExtensions(t)
	s := newSpace(t, nil, nil)
	s.wantNotRewritten()
	traffic := s.startLoad()
	r := s.release(s.name, onlyV1, s.image(), byExtension)
	s.wantSeed("v1")
	s.wantNoSeed("v2")
	wantNames(t, r.objects(trafficExtensions), s.name+"/"+r.name+"-httpbin")
	s.inForce()
	r.upgrade(seedSite("elsewhere"))
	s.settles(func() error { return s.site("elsewhere") })
	s.inForce()
	helm.RollbackContext(r, r.Context(), r.options, r.name, "1")
	s.wantSeed("v1")
	s.wantQueryKept()
	r.uninstall()
	s.wantNoSeed("v1")
	traffic.finish(s, notFound, teapot)
}

func TestATrafficExtension(t *testing.T) {
	t.Parallel()
	t.Run("whose rules the filter refuses leaves running proxies as they are", extensionWithRefusedRules)
	t.Run("whose module cannot be fetched is answered 403 until the right digest comes", extensionWithoutItsModule)
}

func extensionWithRefusedRules(t *testing.T) {
	t.Parallel()
	wantsTrafficExtensions(t)
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image(), byExtension)
	s.wantSeed("v1")
	s.keepsUntilItRestarts(r, refusedReason, refusedRules)
}

func extensionWithoutItsModule(t *testing.T) {
	t.Parallel()
	wantsTrafficExtensions(t)
	s := newSpace(t, nil, nil)
	image := s.image()
	r := s.release(s.name, onlyV1, image, byExtension)
	s.wantSeed("v1")

	wrong := strings.Repeat("0", 60) + "0bad"
	r.upgrade(s.imageAt("sha256:" + wrong))
	s.settles(s.refused)
	if code, out := s.statusTool()(); code != 1 || !strings.Contains(out, "deny-all") ||
		!strings.Contains(out, "the last refusal: cannot fetch Wasm module") || !strings.Contains(out, wrong) {
		t.Errorf("status: exit code %d, want 1, the fallback and the digest\n%s", code, out)
	}
	if err := s.asked("v2", "/status/200", http.StatusOK); err != nil {
		t.Error(err)
	}
	r.upgrade(image)
	s.wantSeed("v1")
	s.inForce()
}
