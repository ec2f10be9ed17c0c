package chart_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	extensionsapi "istio.io/api/extensions/v1alpha1"
	networkingapi "istio.io/api/networking/v1alpha3"
	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"
	networking "istio.io/client-go/pkg/apis/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
)

func TestChartEnvoyFilter(t *testing.T) {
	render := func(t *testing.T, values string) unstructured.Unstructured {
		t.Helper()
		objects := chart.Objects(t, chart.MustRender(t, "delivery: EnvoyFilter\n"+values))
		if len(objects) != 1 || objects[0].GetAPIVersion() != "networking.istio.io/v1alpha3" || objects[0].GetKind() != "EnvoyFilter" {
			t.Fatalf("rendered %v, want one EnvoyFilter", objects)
		}
		return objects[0]
	}
	t.Run("before the router of a sidecar", func(t *testing.T) {
		object := render(t, `workloads: {a: {selector: {app: x}, failStrategy: FAIL_CLOSE, headers: {response: {set: {x-quote: "\"<é>\\\\ \t"}}}}}`)
		var filter networking.EnvoyFilter
		chart.Typed(t, object, &filter, &networkingapi.EnvoyFilter{})
		if diff := cmp.Diff(map[string]string{"app": "x"}, filter.Spec.GetWorkloadSelector().GetLabels()); diff != "" {
			t.Errorf("selector (-want +got):\n%s", diff)
		}

		patch := filter.Spec.GetConfigPatches()[0]
		in := patch.GetMatch().GetListener().GetFilterChain().GetFilter()
		got := []string{patch.GetApplyTo().String(), patch.GetMatch().GetContext().String(), patch.GetPatch().GetOperation().String(), in.GetName(),
			in.GetSubFilter().GetName()}
		if diff := cmp.Diff([]string{"HTTP_FILTER", "SIDECAR_INBOUND", "INSERT_BEFORE", "envoy.filters.network.http_connection_manager",
			"envoy.filters.http.router"}, got); diff != "" {
			t.Errorf("place (-want +got):\n%s", diff)
		}

		plugin := chart.WasmFilter(t, object).GetConfig()
		vm := plugin.GetVmConfig()
		got = []string{plugin.GetName(), plugin.GetRootId(), plugin.GetFailurePolicy().String(), vm.GetVmId(), vm.GetRuntime(), vm.GetCode().GetLocal().GetFilename()}
		if diff := cmp.Diff([]string{"demo-a", "demo-a", "FAIL_CLOSED", "demo-a", "envoy.wasm.runtime.v8", "/var/local/wasm/plugin.wasm"}, got); diff != "" {
			t.Errorf("filter (-want +got):\n%s", diff)
		}

		config, err := rewrite.Parse(chart.FilterConfig(t, object))
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Headers.Response.Set["x-quote"]; !slices.Equal(got, rewrite.Strings{"\"<é>\\\\ \t"}) {
			t.Errorf("the value that the filter gets is %q", got)
		}
	})
	t.Run("first in a gateway", func(t *testing.T) {
		object := render(t, "envoyFilter: {context: GATEWAY, position: FIRST}\nmodule: {key: m.wasm, mountPath: /w/}\nworkloads: {a: {failStrategy: FAIL_OPEN}}")
		var filter networking.EnvoyFilter
		chart.Typed(t, object, &filter, &networkingapi.EnvoyFilter{})
		patch := filter.Spec.GetConfigPatches()[0]
		in := patch.GetMatch().GetListener().GetFilterChain().GetFilter()
		got := []string{patch.GetMatch().GetContext().String(), patch.GetPatch().GetOperation().String(), in.GetSubFilter().GetName(),
			chart.WasmFilter(t, object).GetConfig().GetFailurePolicy().String(), chart.WasmFilter(t,
				object).GetConfig().GetVmConfig().GetCode().GetLocal().GetFilename()}
		if diff := cmp.Diff([]string{"GATEWAY", "INSERT_FIRST", "", "FAIL_OPEN", "/w/m.wasm"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if filter.Spec.GetWorkloadSelector() != nil {
			t.Error("has a selector, want none")
		}
	})
}

func TestChartTrafficExtension(t *testing.T) {
	objects := chart.Objects(t, chart.MustRender(t, chart.Module,
		"delivery: TrafficExtension\nworkloads: {a: {selector: {app: x}, traffic: [{mode: CLIENT, ports: [80]}], priority: 4, vars: {v: 1}}}"))
	if len(objects) != 1 {
		t.Fatalf("rendered %d objects, want 1", len(objects))
	}
	var extension extensions.TrafficExtension
	chart.Typed(t, objects[0], &extension, &extensionsapi.TrafficExtension{})
	spec := &extension.Spec
	got := []string{
		objects[0].GetAPIVersion(), objects[0].GetKind(), spec.GetSelector().GetMatchLabels()["app"], spec.GetPhase().String(), spec.GetPriority().String(),
		spec.GetMatch()[0].GetMode().String(), spec.GetWasm().GetUrl(), spec.GetWasm().GetPluginName(), spec.GetWasm().GetFailStrategy().String(),
	}
	want := []string{"extensions.istio.io/v1alpha1", "TrafficExtension", "x", "UNSPECIFIED", "value:4", "CLIENT", "file:///var/local/wasm/plugin.wasm",
		"demo-a", "FAIL_RELOAD"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if v := spec.GetWasm().GetPluginConfig().AsMap()["vars"]; !reflect.DeepEqual(v, map[string]any{"v": 1.0}) {
		t.Errorf("vars are %v", v)
	}
}

func TestChartEnvoyExtensionPolicy(t *testing.T) {
	const image = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	spec := func(t *testing.T, values string) map[string]any {
		t.Helper()
		objects := chart.Objects(t, chart.MustRender(t, gateway, values))
		if len(objects) != 1 || objects[0].GetAPIVersion() != "gateway.envoyproxy.io/v1alpha1" || objects[0].GetKind() != "EnvoyExtensionPolicy" {
			t.Fatalf("rendered %v, want one EnvoyExtensionPolicy", objects)
		}
		if name := objects[0].GetNamespace() + "/" + objects[0].GetName(); name != "edge/demo-a" {
			t.Errorf("the policy is %s, want it beside its targets", name)
		}
		return normal(t, objects[0].Object["spec"]).(map[string]any)
	}
	t.Run("a module in an image", func(t *testing.T) {
		got := spec(t, "image: {digest: '"+image+"', pullSecret: registry}\nworkloads: {a: {namespace: edge, vars: {v: 1}, targetRefs: [{kind: Gateway, name: public, sectionName: web}, {kind: GRPCRoute, name: shop}]}}")
		filter := got["wasm"].([]any)[0].(map[string]any)
		delete(filter["config"].(map[string]any), "revision")

		want := map[string]any{
			"targetRefs": []any{
				map[string]any{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "sectionName": "web"},
				map[string]any{"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "name": "shop"},
			},
			"wasm": []any{map[string]any{
				"name": "edge.demo-a", "rootID": "demo-a", "failOpen": false,
				"code": map[string]any{"type": "Image", "image": map[string]any{
					"url": "ghcr.io/wasm-rewrite/wasm-rewrite@" + image, "pullSecretRef": map[string]any{"kind": "Secret", "name": "registry"},
				}},
				"config": map[string]any{"vars": map[string]any{"v": 1.0}},
			}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("spec (-want +got):\n%s", diff)
		}
	})
	t.Run("a module behind a URL, open where it fails", func(t *testing.T) {
		sum := strings.TrimPrefix(image, "sha256:")
		got := spec(t, "url: https://example.com/plugin.wasm\nsha256: '"+sum+"'\nworkloads: {a: {namespace: edge, failStrategy: FAIL_OPEN, targetRefs: [{kind: HTTPRoute, name: shop}]}}")
		filter := got["wasm"].([]any)[0].(map[string]any)
		want := map[string]any{"type": "HTTP", "http": map[string]any{"url": "https://example.com/plugin.wasm#sha256=" + sum, "sha256": sum}}
		if diff := cmp.Diff(want, filter["code"]); diff != "" || filter["failOpen"] != true {
			t.Errorf("failOpen is %v, code (-want +got):\n%s", filter["failOpen"], diff)
		}
	})
	t.Run("a module behind a URL with a fragment", func(t *testing.T) {
		got := spec(t, "url: https://example.com/plugin.wasm#mine\nsha256: '"+strings.TrimPrefix(image, "sha256:")+"'\nworkloads: {a: {namespace: edge, targetRefs: [{kind: HTTPRoute, name: shop}]}}")
		code := got["wasm"].([]any)[0].(map[string]any)["code"].(map[string]any)
		if url := code["http"].(map[string]any)["url"]; url != "https://example.com/plugin.wasm#mine" {
			t.Errorf("the URL is %s, want it as it was written", url)
		}
	})
	t.Run("the gate before a release is on by itself", func(t *testing.T) {
		gates := "delivery: EnvoyExtensionPolicy\nimage: {digest: '" + image + "'}\nverify: {image: {digest: '" + image + "'}}\n"
		manifest := chart.MustRender(t, gates, "workloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}]}}")
		if !strings.Contains(manifest, "name: \"demo-verify-before\"") {
			t.Errorf("there is no gate in\n%s", manifest)
		}

		after := chart.MustRender(t, gates, "{verify: {before: {enabled: false}, after: {enabled: true}}, workloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}]}}}")
		for _, want := range []string{"kind: ClusterRole\n", "resources: [envoyextensionpolicies], verbs: [get]", "resources: [pods], verbs: [list]",
			`sidecar.istio.io/inject: "false"`} {
			if !strings.Contains(after, want) {
				t.Errorf("the gate after a release lacks %s:\n%s", want, after)
			}
		}
		if off := chart.MustRender(t, chart.Module, "workloads: {a: {}}"); strings.Contains(off, "demo-verify-before") {
			t.Error("there is a gate under Istio, which nobody asked for")
		}
	})
}
