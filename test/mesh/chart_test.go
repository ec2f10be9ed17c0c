package mesh_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

var (
	wasmPlugins       = schema.GroupVersionResource{Group: "extensions.istio.io", Version: "v1alpha1", Resource: "wasmplugins"}
	trafficExtensions = schema.GroupVersionResource{Group: "extensions.istio.io", Version: "v1alpha1", Resource: "trafficextensions"}
	envoyFilters      = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1alpha3", Resource: "envoyfilters"}
)

// A release of three workloads in two namespaces, from its first object to its last.
func TestReleaseFromInstallToUninstall(t *testing.T) {
	t.Parallel()
	s, other := emptySpace(t), emptySpace(t)
	r := s.install(chart(), helm.Options{KubectlOptions: kubectl(s.name)}, fmt.Sprintf(`
url: file:///var/local/wasm/plugin.wasm
workloads:
  cart:
    selector: {app: cart}
    patterns: [{match: {path: {regex: "^/cart/([0-9]+)$"}}, rewrite: {path: /v2/cart/$1}}]
  stock:
    selector: {app: stock}
    vars: {limit: 5, open: false}
    headers: {response: {set: {limit: "${var.limit}"}}}
  public:
    namespace: %s
    targetRefs: [{kind: Gateway, name: public}]
    phase: AUTHN
    priority: -7
    traffic: [{mode: SERVER, ports: [80]}]
`, other.name))
	cart, stock, public, late := s.name+"/"+r.name+"-cart", s.name+"/"+r.name+"-stock", other.name+"/"+r.name+"-public", other.name+"/"+r.name+"-late"
	installed := r.objects(wasmPlugins)
	wantNames(t, installed, cart, stock, public)

	r.options.ValuesFiles = append(r.options.ValuesFiles, s.file(fmt.Sprintf(`
workloads:
  cart: null
  stock: {vars: {limit: 6}}
  late: {namespace: %s, selector: {app: late}}
`, other.name)))
	helm.UpgradeContext(t, t.Context(), r.options, chart(), r.name)
	upgraded := r.objects(wasmPlugins)
	wantNames(t, upgraded, stock, public, late)
	if got, _, _ := unstructured.NestedInt64(upgraded[stock].Object, "spec", "pluginConfig", "vars", "limit"); got != 6 {
		t.Errorf("limit of stock is %d after the upgrade, want 6", got)
	}
	if revision(upgraded[stock]) == revision(installed[stock]) {
		t.Error("the revision of stock is the same for other rules")
	}
	// A change of the object is a push to its proxies.
	if got, want := upgraded[public].GetResourceVersion(), installed[public].GetResourceVersion(); got != want {
		t.Errorf("the upgrade wrote the object of public, which did not change (version %s, was %s)", got, want)
	}

	helm.RollbackContext(t, t.Context(), r.options, r.name, "1")
	back := r.objects(wasmPlugins)
	wantNames(t, back, cart, stock, public)

	for name := range installed {
		if diff := cmp.Diff(installed[name].Object["spec"], back[name].Object["spec"]); diff != "" {
			t.Errorf("%s after the rollback (-installed +rolled back):\n%s", name, diff)
		}
	}

	r.uninstall()
	wantNames(t, r.list(wasmPlugins))
	secrets, err := bed.Client.CoreV1().Secrets(s.name).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		t.Fatal(err)
	}
	if len(secrets.Items) > 0 {
		t.Errorf("helm uninstall left %d Secrets of releases", len(secrets.Items))
	}
}

// What the chart would refuse, written by hand: the other tests of this file mean something only if the API server
// itself checks an object.
func TestTheAPIServerChecksWasmPlugins(t *testing.T) {
	s := emptySpace(t)
	for _, test := range []struct{ name, spec, want string }{
		{"valid", `{selector: {matchLabels: {app: a}}, url: "oci://example.com/a"}`, ""},
		{"CEL, two fields that exclude each other", `{selector: {matchLabels: {app: a}}, targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}], url: "oci://example.com/a"}`, "only one of targetRefs or selector can be set"},
		{"CEL, a URL", `{url: "ftp://example.com/a"}`, "url must have schema one of [http, https, file, oci]"},
		{"schema", `{url: "oci://example.com/a", phase: LATER}`, `spec.phase: Unsupported value: "LATER"`},
	} {
		err := s.dryRun(fmt.Sprintf("{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {name: a}, spec: %s}", test.spec))
		switch {
		case test.want == "":
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		case err == nil:
			t.Errorf("%s: accepted, want it refused: %s", test.name, test.want)
		case !strings.Contains(err.Error(), `The WasmPlugin "a" is invalid`) || !strings.Contains(err.Error(), test.want):
			t.Errorf("%s: %v\nwant the API server to say %s", test.name, err, test.want)
		}
	}
}

// The way of a chart to its users: one file, a registry, an installation from there.
func TestTheChartFromARegistry(t *testing.T) {
	t.Parallel()
	s := emptySpace(t)
	options := helm.Options{KubectlOptions: kubectl(s.name)}
	var insecure []string
	if bed.Registry != nil {
		insecure = []string{"--plain-http"}
	}

	folder := t.TempDir()
	s.helm(&options, "package", chart(), "--destination", folder)
	files, err := filepath.Glob(filepath.Join(folder, "wasm-rewrite-*.tgz"))
	if err != nil || len(files) != 1 {
		t.Fatalf("helm package made %q (%v), want one file", files, err)
	}

	options.Version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(files[0]), "wasm-rewrite-"), ".tgz")
	repository := "oci://" + bed.Images + "/charts-" + s.name
	s.helm(&options, "push", append([]string{files[0], repository}, insecure...)...)
	options.ExtraArgs = map[string][]string{"install": insecure}
	options.ValuesFiles = []string{filepath.Join(chart(), "ci/seed-values.yaml")}
	r := s.install(repository+"/wasm-rewrite", options)
	objects := r.objects(wasmPlugins)
	name := s.name + "/" + r.name + "-httpbin"
	wantNames(t, objects, name)
	if got, want := objects[name].GetLabels()["helm.sh/chart"], "wasm-rewrite-"+options.Version; got != want {
		t.Errorf("label helm.sh/chart is %q, want %q", got, want)
	}
}

func TestEnvoyFiltersOfTwoNamespacesAreAccepted(t *testing.T) {
	s, other := emptySpace(t), emptySpace(t)
	r := s.install(chart(),
		helm.Options{KubectlOptions: kubectl(s.name), ValuesFiles: []string{filepath.Join(chart(), "ci/envoyfilter-values.yaml")}},
		fmt.Sprintf("workloads: {stock: {namespace: %s, selector: {app: stock}, failStrategy: FAIL_OPEN}}", other.name))
	wantNames(t, r.objects(envoyFilters), s.name+"/"+r.name+"-httpbin", other.name+"/"+r.name+"-stock")
	r.uninstall()
	wantNames(t, r.list(envoyFilters))
}

// Somebody who installs the chart before reading anything is told what to write, and it works as told.
func TestNothingSetInstallsNothingAndSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	s := emptySpace(t)
	r := s.install(chart(), helm.Options{KubectlOptions: kubectl(s.name)})
	wantNames(t, r.list(wasmPlugins))
	wantNames(t, r.list(envoyFilters))

	notes := s.helm(r.options, "get", "notes", r.name)
	for _, want := range []string{
		"No workload is configured, so nothing was installed",
		"image: {digest:",
		"helm upgrade " + r.name + " CHART --namespace " + s.name + " --values FILE",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}

	example := regexp.MustCompile(`(?m)^  workloads:\n(    .*\n)+`).FindString(notes)
	if example == "" {
		t.Fatalf("the notes give no example:\n%s", notes)
	}

	r.options.ValuesFiles = []string{s.file(example), s.file("image: {digest: 'sha256:" + strings.Repeat("1", 64) + "'}")}
	helm.UpgradeContext(t, t.Context(), r.options, chart(), r.name)
	wantNames(t, r.objects(wasmPlugins), s.name+"/"+r.name+"-httpbin")
}

// helm runs a command of helm and returns what it printed.
func (s *space) helm(options *helm.Options, command string, args ...string) string {
	s.Helper()

	options.Logger = logger.Discard
	out, err := helm.RunHelmCommandAndGetOutputContextE(s, s.Context(), options, command, args...)
	if err != nil {
		s.Fatal(err)
	}
	return out
}

// dryRun asks the API server whether it would take an object.
func (s *space) dryRun(manifest string) error {
	s.Helper()
	out, err := k8s.RunKubectlAndGetOutputContextE(s, s.Context(), s.kubectl, "create", "--dry-run=server", "--filename", s.file(manifest))
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// until waits until a condition holds.
func (s *space) until(condition func() error) {
	s.Helper()
	s.within(settled, condition)
}

// within waits until a condition holds, no longer than limit.
func (s *space) within(limit time.Duration, condition func() error) {
	s.Helper()

	if err := wait.Eventually(bed.Context, limit, condition); err != nil {
		s.Fatal(err)
	}
}

// list finds the release's objects of one kind in all namespaces, by namespace/name.
func (r *release) list(resource schema.GroupVersionResource) map[string]*unstructured.Unstructured {
	r.Helper()

	config, err := clientcmd.BuildConfigFromFlags("", bed.Kubeconfig)
	if err != nil {
		r.Fatal(err)
	}

	client, err := dynamic.NewForConfig(config)
	if err != nil {
		r.Fatal(err)
	}

	list, err := client.Resource(resource).List(r.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + r.name})
	if err != nil {
		r.Fatal(err)
	}

	objects := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		object := &list.Items[i]
		objects[object.GetNamespace()+"/"+object.GetName()] = object
	}

	return objects
}

// objects is list, and the release must have sent them and nothing else: a CRD's schema drops what it does not know.
func (r *release) objects(resource schema.GroupVersionResource) map[string]*unstructured.Unstructured {
	r.Helper()
	objects := r.list(resource)

	manifest := yaml.NewYAMLOrJSONDecoder(strings.NewReader(r.helm(r.options, "get", "manifest", r.name)), 4096)
	for sent := 0; ; sent++ {
		var object unstructured.Unstructured
		if err := manifest.Decode(&object); errors.Is(err, io.EOF) {
			if sent != len(objects) {
				r.Errorf("the release sent %d objects, and %d of them are %s", sent, len(objects), resource.Resource)
			}
			return objects
		} else if err != nil {
			r.Fatal(err)
		}

		name := object.GetNamespace() + "/" + object.GetName()
		if objects[name] == nil {
			r.Errorf("the release sent %s %s, which is not there", object.GetKind(), name)
		} else if diff := cmp.Diff(object.Object["spec"], objects[name].Object["spec"]); diff != "" {
			r.Errorf("spec of %s %s (-sent +kept):\n%s", object.GetKind(), name, diff)
		}
	}
}

func wantNames(t *testing.T, objects map[string]*unstructured.Unstructured, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(objects)); !slices.Equal(got, want) {
		t.Fatalf("the release has the objects %q, want %q", got, want)
	}
}

func revision(object *unstructured.Unstructured) string {
	text, _, _ := unstructured.NestedString(object.Object, "spec", "pluginConfig", "revision")
	return text
}
