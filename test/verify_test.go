package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/registry"
)

const gatedRules = `
workloads:
  httpbin:
    selector: {app: httpbin}
    patterns:
    - name: teapot
      match: {path: {regex: "^/banana/([0-9]*)"}}
      rewrite: {path: /status/418}
    tests:
    - name: banana
      request: {path: /banana/418}
      expect: {pattern: teapot, path: /status/418}
`

const someDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// gates are values that enable both gates.
const gates = "verify: {image: {digest: '" + someDigest + "'}, before: {enabled: true}, after: {enabled: true}}\n"

// gateObjects renders the chart and gives the gates' objects by kind namespace/name.
func gateObjects(t *testing.T, values ...string) map[string]unstructured.Unstructured {
	t.Helper()

	objects := map[string]unstructured.Unstructured{}
	for _, object := range chart.Objects(t, chart.MustRender(t, append([]string{chart.Module + gates}, values...)...)) {
		if object.GetAnnotations()["helm.sh/hook"] != "" {
			objects[fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())] = object
		}
	}
	return objects
}

func into(t *testing.T, object unstructured.Unstructured, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, to, true); err != nil {
		t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// What a gate may do in the cluster is as little as can be.
func TestGatesHaveFewRights(t *testing.T) {
	objects := gateObjects(t, gatedRules, "workloads: {other: {namespace: blog, selector: {app: blog}}, edge: {namespace: istio-system, selector: {istio: ingressgateway}}}")

	var rights []string
	for name, object := range objects {
		switch object.GetKind() {
		case "Role", "ClusterRole":
			var role rbacv1.Role
			into(t, object, &role)

			for _, rule := range role.Rules {
				rights = append(rights, fmt.Sprintf("%s: %s %s", name, strings.Join(rule.Verbs, ","), strings.Join(rule.Resources, ",")))
			}
		case "RoleBinding", "ClusterRoleBinding":
			var binding rbacv1.RoleBinding
			into(t, object, &binding)
			if len(binding.Subjects) != 1 || binding.Subjects[0].Kind != "ServiceAccount" || binding.Subjects[0].Name != "demo-verify-after" ||
				binding.Subjects[0].Namespace != chart.Namespace {
				t.Errorf("%s is of %+v", name, binding.Subjects)
			}
			if got, want := binding.RoleRef.Name, object.GetName(); got != want {
				t.Errorf("%s refers to %s", name, got)
			}
		case "Pod":
			var pod corev1.Pod
			into(t, object, &pod)
			container := pod.Spec.Containers[0].SecurityContext
			if pod.Spec.RestartPolicy != corev1.RestartPolicyNever || pod.Spec.ActiveDeadlineSeconds == nil ||
				*container.AllowPrivilegeEscalation || !*container.ReadOnlyRootFilesystem || !*container.RunAsNonRoot ||
				container.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || !slices.Contains(container.Capabilities.Drop, "ALL") {
				t.Errorf("%s: %+v", name, pod.Spec)
			}
			if pod.Name == "demo-verify-before" && (pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken) {
				t.Error("the gate before has a token of the API server")
			}
		}
	}
	slices.Sort(rights)
	if diff := cmp.Diff([]string{
		"ClusterRole /shop-demo-verify-after: list pods",
		"Role blog/shop-demo-verify-after: list pods",
		"Role shop/shop-demo-verify-after: list pods",
	}, rights); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
}

// Argo CD ignores Helm's hooks on an object that has a hook annotation of its own.
func TestGatesAreHooksOfHelmAlone(t *testing.T) {
	objects := gateObjects(t, gatedRules)
	if len(objects) != 8 {
		t.Errorf("rendered %d objects, want two ConfigMaps, three Pods, a ServiceAccount, a Role and its binding", len(objects))
	}

	for name, object := range objects {
		gate := "pre-install,pre-upgrade,test"
		if strings.HasSuffix(name, "after") {
			gate = "post-install,post-upgrade,test"
		}

		weight := "-1"
		if object.GetKind() == "Pod" {
			weight = "0"
		}

		switch name {
		case "Pod shop/demo-verify-after":
			gate = "post-install,post-upgrade"
		case "Pod shop/demo-verify-after-test":
			gate = "test" // Argo CD has no such hook
		}

		got := object.GetAnnotations()
		for key, want := range map[string]string{"helm.sh/hook": gate, "helm.sh/hook-weight": weight,
			"helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded,hook-failed"} {
			if got[key] != want {
				t.Errorf("%s: %s is %q, want %q", name, key, got[key], want)
			}
		}

		for key := range got {
			if strings.HasPrefix(key, "argocd.argoproj.io/") {
				t.Errorf("%s has %s", name, key)
			}
		}
	}
}

func TestGatesAreOffByDefaultAndWithoutWorkloads(t *testing.T) {
	for _, values := range []string{gatedRules, gates, gates + "workloads: {a: {enabled: false}}"} {
		for _, object := range chart.Objects(t, chart.MustRender(t, chart.Module, values)) {
			if object.GetKind() != "WasmPlugin" {
				t.Errorf("%s: rendered a %s", values, object.GetKind())
			}
		}
	}
}

func TestGatesTakeTheImageBesideTheFilters(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"", "ghcr.io/wasm-rewrite/wasm-rewrite-cli@" + someDigest},
		{"image: {registry: 'example.com:5000', repository: me/filter}", "example.com:5000/me/filter-cli@" + someDigest},
		{"verify: {image: {registry: example.com, repository: a/b}}", "example.com/a/b@" + someDigest},
	} {
		for _, name := range []string{"Pod shop/demo-verify-before", "Pod shop/demo-verify-after"} {
			var pod corev1.Pod
			into(t, gateObjects(t, gatedRules, test.values)[name], &pod)
			if got := pod.Spec.Containers[0].Image; got != test.want {
				t.Errorf("%s: %s has image %s, want %s", test.values, name, got, test.want)
			}
		}
	}
}

// gateRun is how the gate before ended.
type gateRun struct {
	code int
	out  string
}

// before renders the chart and runs the command line as the gate's Pod does, with the ConfigMap that it would have.
func before(t *testing.T, values string, env ...string) gateRun {
	t.Helper()
	objects := chart.Objects(t, chart.MustRender(t, gates, values))
	i := slices.IndexFunc(objects, func(o unstructured.Unstructured) bool {
		return o.GetKind() == "ConfigMap" && o.GetName() == "demo-verify-before"
	})
	text, _, _ := unstructured.NestedString(objects[i].Object, "data", "release.json")
	file := filepath.Join(t.TempDir(), "release.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	command := exec.CommandContext(t.Context(), made.File(t, "build/bin/wasm-rewrite"), "verify", "before", file)
	command.Stdout, command.Stderr, command.Env = &out, &out, append(os.Environ(), env...)
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}

	return gateRun{command.ProcessState.ExitCode(), out.String()}
}

func (g gateRun) want(t *testing.T, code int, words ...string) {
	t.Helper()

	for _, word := range words {
		if g.code != code || !strings.Contains(g.out, word) {
			t.Errorf("exit code %d, want %d and %q:\n%s", g.code, code, word, g.out)
		}
	}
}

// published pushes a module to a registry and returns the values that name it.
func published(t *testing.T, r *registry.Registry, module string) string {
	t.Helper()
	digest, err := exec.CommandContext(t.Context(), made.File(t, "build/bin/publish"), "-module", module, r.Address+"/me/wasm-rewrite").Output()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("image: {registry: %q, repository: me/wasm-rewrite, digest: %q}\n", r.Address, strings.TrimSpace(string(digest)))
}

func localRegistry(t *testing.T) *registry.Registry {
	t.Helper()
	r, err := registry.Start("127.0.0.1", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Down() })
	return r
}

// The gate before a release tells a good one from a bad one, and why.
func TestGateBefore(t *testing.T) {
	r := localRegistry(t)
	good := published(t, r, made.Module(t))

	t.Run("good", func(t *testing.T) {
		before(t, good+gatedRules).want(t, 0, "release shop/demo: workload httpbin: 1 test, 1 of 1 pattern acted", "1 passed, 0 failed")
	})
	t.Run("a test fails", func(t *testing.T) {
		before(t, good+strings.Replace(gatedRules, "pattern: teapot, path: /status/418", "path: /status/200", 1)).
			want(t, 1, "FAIL release shop/demo: workload httpbin: banana", `path: got "/status/418", want "/status/200"`)
	})
	t.Run("rules that the chart cannot see through", func(t *testing.T) {
		before(t, good+strings.Replace(gatedRules, `{regex: "^/banana/([0-9]*)"}`, `{regex: '^/banana/\pL'}`, 1)).
			want(t, 1, `workload httpbin: patterns[0] (teapot).match.path.regex: "^/banana/\\pL": Unicode classes such as \p are left out`,
				"refused, nothing was tested")
	})
	t.Run("a digest that is not there", func(t *testing.T) {
		before(t, fmt.Sprintf("image: {registry: %q, repository: me/wasm-rewrite, digest: %q}\n", r.Address, someDigest)+gatedRules).
			want(t, 2, r.Address+"/me/wasm-rewrite@"+someDigest+": the registry has no such image; correct image.digest and image.repository, or publish the image")
	})
	t.Run("a repository that is not there", func(t *testing.T) {
		before(t, strings.Replace(good, "me/wasm-rewrite", "me/nothing", 1)+gatedRules).want(t, 2, "the registry has no such image")
	})
	t.Run("no registry", func(t *testing.T) {
		before(t, fmt.Sprintf("image: {registry: '127.0.0.1:1', digest: %q}\n", someDigest)+gatedRules).
			want(t, 2, "the registry cannot be asked; see that image.registry is right and up", "connection refused")
	})
	t.Run("a registry that wants a login", func(t *testing.T) {
		r.RequireLogin("me", "secret")
		defer r.RequireLogin("", "")
		before(t, good+gatedRules).want(t, 2, "the registry refuses these credentials; name a Secret that may pull as image.pullSecret")
		docker := t.TempDir()
		login := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, r.Address, base64.StdEncoding.EncodeToString([]byte("me:secret")))
		if err := os.WriteFile(filepath.Join(docker, "config.json"), []byte(login), 0o600); err != nil {
			t.Fatal(err)
		}
		before(t, good+gatedRules, "DOCKER_CONFIG="+docker).want(t, 0, "1 passed, 0 failed")
	})
	t.Run("a key that the module does not know", func(t *testing.T) {
		older := published(t, r, made.OlderModule(t, "originalPathHeader"))
		before(t, older+gatedRules).want(t, 0, "1 passed, 0 failed")
		before(t, older+gatedRules+"    originalPathHeader: x-original\n").
			want(t, 1, "the filter refuses what this tool takes: originalPathHeader: is an unknown key", "refused, nothing was tested")
	})
	t.Run("url", func(t *testing.T) {
		module := []byte(chart.ReadFile(t, made.Module(t)))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/plugin.wasm" {
				_, _ = w.Write(module)
			} else {
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		defer server.Close()

		sum := fmt.Sprintf("%x", sha256.Sum256(module))
		before(t, fmt.Sprintf("url: %s/plugin.wasm\nsha256: %s\n", server.URL, sum)+gatedRules).want(t, 0, "1 passed, 0 failed")
		before(t, fmt.Sprintf("url: %s/plugin.wasm\nsha256: %s\n", server.URL, someDigest[7:])+gatedRules).
			want(t, 2, "sha256: "+someDigest[7:]+": the file at url has "+sum+"; correct sha256 or url")
		before(t, fmt.Sprintf("url: %s/nothing\nsha256: %s\n", server.URL, sum)+gatedRules).want(t, 2,
			"/nothing: answers 404 Not Found; correct it, or put the module there")
	})
	t.Run("a module in the proxies only", func(t *testing.T) {
		before(t, chart.Module+gatedRules).want(t, 0, "/var/local/wasm/plugin.wasm: is in the proxies only, so this tool's own engine is used instead",
			"1 passed, 0 failed")
	})
}

// A proxy that shows a release's revision has its module too, not only its rules.
func TestTheRevisionNamesTheModule(t *testing.T) {
	seen := map[any]string{}
	for _, module := range []string{
		chart.Module,
		"url: https://example.com/plugin.wasm\nsha256: " + someDigest[7:],
		"url: https://example.com/plugin.wasm\nsha256: " + strings.Repeat("a", 64),
		"image: {digest: '" + someDigest + "'}",
		"image: {digest: 'sha256:" + strings.Repeat("1", 64) + "'}",
	} {
		revision := chart.WasmPlugin(t, module, gatedRules).Spec.GetPluginConfig().AsMap()["revision"]
		if other, ok := seen[revision]; ok {
			t.Errorf("%s and %s: both have revision %s", module, other, revision)
		}

		seen[revision] = module
	}
}

// What the gates read is what the objects say.
func TestGatesReadWhatProxiesGet(t *testing.T) {
	for _, file := range chart.CIValues(t) {
		var wanted []string
		var text string
		values, after := chart.ReadFile(t, file), ""
		if strings.Contains(values, "delivery: EnvoyExtensionPolicy") {
			after = "verify: {after: {enabled: false}}" // it has the other gate only
		}

		for _, object := range chart.Objects(t, chart.MustRender(t, gates, values, after)) {
			switch object.GetKind() {
			case "ConfigMap":
				text, _, _ = unstructured.NestedString(object.Object, "data", "release.json")
			case "WasmPlugin", "TrafficExtension", "EnvoyFilter", "EnvoyExtensionPolicy":
				wanted = append(wanted, object.GetNamespace()+" "+compactJSON(t, parsed(t, chart.FilterConfig(t, object))))
			}
		}
		var release struct {
			Workloads []struct {
				Namespace string
				Config    json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(text), &release); err != nil {
			t.Fatal(err)
		}

		var got []string
		for _, w := range release.Workloads {
			got = append(got, w.Namespace+" "+compactJSON(t, parsed(t, w.Config)))
		}
		slices.Sort(wanted)
		slices.Sort(got)
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s (-objects +gates):\n%s", file, diff)
		}
	}
}

func parsed(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
