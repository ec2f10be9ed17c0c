package chart_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	extensionsapi "istio.io/api/extensions/v1alpha1"
	networkingapi "istio.io/api/networking/v1alpha3"
	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"
	networking "istio.io/client-go/pkg/apis/networking/v1alpha3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files of the chart")

func TestChartRendersItsExamplesAsBefore(t *testing.T) {
	for _, file := range chart.CIValues(t) {
		name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		t.Run(name, func(t *testing.T) {
			got := chart.MustRender(t, chart.ReadFile(t, file)) + "\n"
			golden := filepath.Join("testdata", name+".yaml")
			if *updateGolden {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(chart.ReadFile(t, golden), got); diff != "" {
				t.Errorf("%s is not what is rendered (-golden +now); if it should be: go test ./test/chart -run %s -update\n%s", golden, t.Name(), diff)
			}

			for _, object := range chart.Objects(t, got) {
				switch object.GetKind() {
				case "WasmPlugin":
					chart.Typed(t, object, &extensions.WasmPlugin{}, &extensionsapi.WasmPlugin{})
				case "TrafficExtension":
					chart.Typed(t, object, &extensions.TrafficExtension{}, &extensionsapi.TrafficExtension{})
				case "EnvoyFilter":
					chart.Typed(t, object, &networking.EnvoyFilter{}, &networkingapi.EnvoyFilter{})
				case "ConfigMap", "Pod":
					continue // of a gate
				}
				if _, err := rewrite.Load(chart.FilterConfig(t, object)); err != nil {
					t.Errorf("the filter refuses what %s %s hands it:\n%v", object.GetKind(), object.GetName(), err)
				}
			}
		})
	}
}

func TestChartSeedExampleIsShort(t *testing.T) {
	if lines := strings.Count(chart.ReadFile(t, filepath.Join(chart.Dir, "ci", "seed-values.yaml")), "\n"); lines > 15 {
		t.Errorf("the seed's example has %d lines of values, want at most 15", lines)
	}
	if lines := strings.Count(chart.ReadFile(t, filepath.Join(chart.Dir, "values.yaml")), "\n"); lines >= 300 {
		t.Errorf("values.yaml has %d lines, want less than 300", lines)
	}
}

func TestChartInstallsNothingByItself(t *testing.T) {
	if objects := chart.Objects(t, chart.MustRender(t)); len(objects) != 0 {
		t.Errorf("rendered %v, want nothing", objects)
	}

	for _, values := range []string{"workloads: {a: null}", "workloads: {a: {enabled: false, patterns: [{match: {path: {regex: '('}}, respond: {status: 200}}]}}"} {
		if objects := chart.Objects(t, chart.MustRender(t, chart.Module+values)); len(objects) != 0 {
			t.Errorf("%s: rendered %v, want nothing", values, objects)
		}
	}
}

func TestChartWasmPluginFields(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

	tests := []struct {
		name, values string
		want         string // of the spec's fields, in JSON; null for one that must be absent
	}{
		{"selector", "workloads: {a: {selector: {app: httpbin}}}", `{"selector": {"matchLabels": {"app": "httpbin"}}, "targetRefs": null}`},
		{"no selector is the whole namespace", "workloads: {a: {}}", `{"selector": null, "targetRefs": null}`},
		{"targetRefs know their group", "workloads: {a: {namespace: istio-system, targetRefs: [{kind: Gateway, name: g}, {kind: GatewayClass, name: c}, {kind: Service, name: s}, {kind: ServiceEntry, name: e}]}}",
			`{"selector": null, "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}, {"group": "gateway.networking.k8s.io", "kind": "GatewayClass", "name": "c"}, {"group": "", "kind": "Service", "name": "s"}, {"group": "networking.istio.io", "kind": "ServiceEntry", "name": "e"}]}`},
		{"traffic becomes match", "workloads: {a: {traffic: [{mode: SERVER, ports: [8080, 9080]}, {ports: [80]}]}}",
			`{"match": [{"mode": "SERVER", "ports": [{"number": 8080}, {"number": 9080}]}, {"mode": "CLIENT_AND_SERVER", "ports": [{"number": 80}]}]}`},
		{"place in the filter chain is always written", "workloads: {a: {}}", `{"phase": "UNSPECIFIED_PHASE", "priority": 0, "failStrategy": "FAIL_RELOAD"}`},
		{"place in the filter chain", "workloads: {a: {phase: AUTHN, priority: -7, failStrategy: FAIL_OPEN}}", `{"phase": "AUTHN", "priority": -7, "failStrategy": "FAIL_OPEN"}`},
		{"the plugin is named as the object", "workloads: {a: {}}", `{"pluginName": "demo-a"}`},
		{"file url", "workloads: {a: {}}", `{"url": "file:///var/local/wasm/plugin.wasm", "sha256": null, "imagePullPolicy": null, "imagePullSecret": null}`},
		{"https url with its checksum", "url: https://example.com/plugin.wasm\nsha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nworkloads: {a: {}}",
			`{"url": "https://example.com/plugin.wasm", "sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "imagePullPolicy": null}`},
		{"image by digest", "url: ''\nimage: {digest: '" + digest + "', pullSecret: registry}\nworkloads: {a: {}}",
			`{"url": "oci://ghcr.io/wasm-rewrite/wasm-rewrite@` + digest + `", "sha256": null, "imagePullPolicy": "IfNotPresent", "imagePullSecret": "registry"}`},
		{"image by tag", "url: ''\nimage: {registry: 'localhost:5000', repository: a/b, tag: main, allowMutableTag: true, pullPolicy: Always}\nworkloads: {a: {}}",
			`{"url": "oci://localhost:5000/a/b:main", "imagePullPolicy": "Always", "imagePullSecret": null}`},
		{"mesh-wide", "workloads: {a: {namespace: istio-system, meshWide: true}}", `{"selector": null}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects := chart.Objects(t, chart.MustRender(t, chart.Module, test.values))
			if len(objects) != 1 {
				t.Fatalf("rendered %d objects, want 1", len(objects))
			}
			chart.Typed(t, objects[0], &extensions.WasmPlugin{}, &extensionsapi.WasmPlugin{})
			var want map[string]any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}

			spec := objects[0].Object["spec"].(map[string]any)
			for field, value := range want {
				if diff := cmp.Diff(value, normal(t, spec[field])); diff != "" {
					t.Errorf("spec.%s (-want +got):\n%s", field, diff)
				}
			}
		})
	}
}

// normal gives a value as encoding/json decodes it.
func normal(t *testing.T, value any) (out any) {
	t.Helper()

	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestChartObjectIsLabelled(t *testing.T) {
	plugin := chart.WasmPlugin(t, chart.Module, `
commonLabels: {istio.io/rev: stable, team: edge, app.kubernetes.io/part-of: shop, app.kubernetes.io/instance: other}
commonAnnotations: {contact: edge, keep: "1"}
workloads: {a: {labels: {istio.io/rev: canary, team: null}, annotations: {contact: a}}}`)
	want := map[string]string{
		"app.kubernetes.io/name":       "wasm-rewrite",
		"app.kubernetes.io/instance":   "demo",
		"app.kubernetes.io/component":  "a",
		"app.kubernetes.io/part-of":    "shop",
		"app.kubernetes.io/version":    "0.1.0",
		"app.kubernetes.io/managed-by": "Helm",
		"helm.sh/chart":                "wasm-rewrite-0.1.0",
		"istio.io/rev":                 "canary",
	}
	if diff := cmp.Diff(want, plugin.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"contact": "a", "keep": "1"}, plugin.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

func TestChartWorkloadsStandInTheirNamespaces(t *testing.T) {
	plugins := chart.WasmPlugins(t, chart.MustRender(t, chart.Module, "workloads: {a: {}, b: {namespace: other}, c: {namespace: ''}, '1': {namespace: '2024'}}"))
	for _, name := range []string{"shop/demo-a", "other/demo-b", "shop/demo-c", "2024/demo-1"} {
		if plugins[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
}

// rulesOf gives the rules that one workload of values renders to, without their revision.
func rulesOf(t *testing.T, values ...string) map[string]any {
	t.Helper()
	rules := normal(t, chart.WasmPlugin(t, values...).Spec.GetPluginConfig().AsMap()).(map[string]any)
	delete(rules, "revision")
	return rules
}

func TestChartMergesValues(t *testing.T) {
	tests := []struct{ name, base, overlay, want string }{
		{"maps merge deeply, lists as a whole",
			"defaults: {vars: {a: 1, b: 1}, headers: {request: {remove: [k, l]}, response: {set: {p: '1', q: '1'}}}}",
			"workloads: {a: {vars: {b: 2}, headers: {request: {remove: [m]}, response: {set: {q: '2'}}}}}",
			`{"vars": {"a": 1, "b": 2}, "headers": {"request": {"remove": ["m"]}, "response": {"set": {"p": "1", "q": "2"}}}}`},
		{"a written zero, false and empty text count",
			"defaults: {vars: {a: 1, b: true, c: text}}",
			"workloads: {a: {vars: {a: 0, b: false, c: ''}}}",
			`{"vars": {"a": 0, "b": false, "c": ""}}`},
		{"null removes what the defaults said",
			"defaults: {vars: {a: 1, b: 1}, onUnsafe: keep, headers: {response: {set: {p: '1'}}}}",
			"workloads: {a: {vars: {a: null}, onUnsafe: null, headers: {response: null}}}",
			`{"vars": {"b": 1}, "headers": {}}`},
		{"null in an overlay removes what the values before said",
			"workloads: {a: {vars: {a: 1, b: 1}, patternHeader: x-p}, b: {}}",
			"workloads: {a: {vars: {a: null}, patternHeader: null}, b: null}",
			`{"vars": {"b": 1}}`},
		{"what lint leaves out is not sent", "defaults: {lint: {ignore: {phase: x}}}", "workloads: {a: {lint: {ignore: {module: x}}, patterns: [{then: stop, match: {path: {exact: /a}}, rewrite: {path: /b}, lint: {ignore: {phase: x}}}]}}", `{"patterns":[{"match":{"path":{"exact":"/a"}},"rewrite":{"path":"/b"},"then":"stop"}]}`},
		{"nothing is sent but what is written", "defaults: {priority: 5}", "workloads: {a: {tests: [{request: {path: /}}]}}", `{}`},
		{"an overlay changes one workload by its name",
			"workloads: {a: {vars: {x: base}, patterns: [{match: {path: {exact: /a}}, rewrite: {path: '/${var.x}'}}]}}",
			"workloads: {a: {vars: {x: prod}}}",
			`{"vars": {"x": "prod"}, "patterns": [{"match": {"path": {"exact": "/a"}}, "rewrite": {"path": "/${var.x}"}}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var want any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, any(rulesOf(t, chart.Module+test.base, test.overlay))); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("defaults of one workload do not reach another", func(t *testing.T) {
		plugins := chart.WasmPlugins(t, chart.MustRender(t, chart.Module, "defaults: {vars: {x: d}, priority: 3}\nworkloads: {a: {vars: {x: a}, priority: 0}, b: {}}"))
		a, b := plugins["shop/demo-a"], plugins["shop/demo-b"]
		if x := b.Spec.GetPluginConfig().AsMap()["vars"].(map[string]any)["x"]; x != "d" {
			t.Errorf("vars.x of b is %v, want d", x)
		}
		if a.Spec.GetPriority().GetValue() != 0 || b.Spec.GetPriority().GetValue() != 3 {
			t.Errorf("priorities are %v and %v, want 0 and 3", a.Spec.GetPriority(), b.Spec.GetPriority())
		}
	})
}

func TestChartRevisionNamesTheRules(t *testing.T) {
	revision := func(values string) string {
		text, _ := chart.WasmPlugin(t, chart.Module, values).Spec.GetPluginConfig().AsMap()["revision"].(string)
		return text
	}
	one := revision("workloads: {a: {vars: {x: 1, y: 2}}}")
	if !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(one) {
		t.Errorf("the revision is %q, want 8 hexadecimal digits", one)
	}
	if again := revision("commonLabels: {a: b}\nworkloads: {a: {priority: 3, vars: {y: 2, x: 1}, tests: []}}"); again != one {
		t.Errorf("the revision of the same rules is %s and %s", one, again)
	}
	if other := revision("workloads: {a: {vars: {x: 1, y: 3}}}"); other == one {
		t.Error("other rules have the same revision")
	}
}

// The chart hands on exactly the keys that the filter knows; revision is the chart's own.
func TestChartKnowsTheKeysOfTheRuleLanguage(t *testing.T) {
	_, text, _ := strings.Cut(chart.ReadFile(t, filepath.Join(chart.Dir, "templates", "_workloads.tpl")), `{{- define "wasm-rewrite.ruleKeys" -}}`)
	text, _, _ = strings.Cut(text, "{{- end -}}")
	var want []string

	config := reflect.TypeFor[rewrite.Config]()
	for i := range config.NumField() {
		if name, _, _ := strings.Cut(config.Field(i).Tag.Get("json"), ","); name != "" && name != "revision" {
			want = append(want, name)
		}
	}
	if diff := cmp.Diff(want, strings.Fields(text)); diff != "" {
		t.Errorf("keys of rewrite.Config and of the helper ruleKeys (-Config +helper):\n%s", diff)
	}
}

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
		got := []string{patch.GetApplyTo().String(), patch.GetMatch().GetContext().String(), patch.GetPatch().GetOperation().String(), in.GetName(), in.GetSubFilter().GetName()}
		if diff := cmp.Diff([]string{"HTTP_FILTER", "SIDECAR_INBOUND", "INSERT_BEFORE", "envoy.filters.network.http_connection_manager", "envoy.filters.http.router"}, got); diff != "" {
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
			chart.WasmFilter(t, object).GetConfig().GetFailurePolicy().String(), chart.WasmFilter(t, object).GetConfig().GetVmConfig().GetCode().GetLocal().GetFilename()}
		if diff := cmp.Diff([]string{"GATEWAY", "INSERT_FIRST", "", "FAIL_OPEN", "/w/m.wasm"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if filter.Spec.GetWorkloadSelector() != nil {
			t.Error("has a selector, want none")
		}
	})
}

func TestChartTrafficExtension(t *testing.T) {
	objects := chart.Objects(t, chart.MustRender(t, chart.Module, "delivery: TrafficExtension\nworkloads: {a: {selector: {app: x}, traffic: [{mode: CLIENT, ports: [80]}], priority: 4, vars: {v: 1}}}"))
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
	want := []string{"extensions.istio.io/v1alpha1", "TrafficExtension", "x", "UNSPECIFIED", "value:4", "CLIENT", "file:///var/local/wasm/plugin.wasm", "demo-a", "FAIL_RELOAD"}
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
		want := map[string]any{"type": "HTTP", "http": map[string]any{"url": "https://example.com/plugin.wasm", "sha256": sum}}
		if diff := cmp.Diff(want, filter["code"]); diff != "" || filter["failOpen"] != true {
			t.Errorf("failOpen is %v, code (-want +got):\n%s", filter["failOpen"], diff)
		}
	})
	t.Run("the gate before a release is on by itself", func(t *testing.T) {
		gates := "delivery: EnvoyExtensionPolicy\nimage: {digest: '" + image + "'}\nverify: {image: {digest: '" + image + "'}}\n"
		manifest := chart.MustRender(t, gates, "workloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}]}}")
		if !strings.Contains(manifest, "name: \"demo-verify-before\"") {
			t.Errorf("there is no gate in\n%s", manifest)
		}
		after := chart.MustRender(t, gates, "{verify: {before: {enabled: false}, after: {enabled: true}}, workloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}]}}}")
		for _, want := range []string{"kind: ClusterRole\n", "resources: [envoyextensionpolicies], verbs: [get]", "resources: [pods], verbs: [list]", `sidecar.istio.io/inject: "false"`} {
			if !strings.Contains(after, want) {
				t.Errorf("the gate after a release lacks %s:\n%s", want, after)
			}
		}
		if off := chart.MustRender(t, chart.Module, "workloads: {a: {}}"); strings.Contains(off, "demo-verify-before") {
			t.Error("there is a gate under Istio, which nobody asked for")
		}
	})
}

// chartNotes gives the notes that `helm install` prints, which `helm template` leaves out.
func chartNotes(t *testing.T, values string) string {
	t.Helper()

	files, err := loader.Load(chart.Dir)
	if err != nil {
		t.Fatal(err)
	}

	input, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}

	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.ReleaseName, install.Namespace = chart.Release, chart.Namespace
	install.ClientOnly, install.DryRun = true, true
	release, err := install.Run(files, input)
	if err != nil {
		t.Fatal(err)
	}

	return release.Info.Notes
}

func TestChartNotes(t *testing.T) {
	t.Run("say what to write when nothing is set", func(t *testing.T) {
		notes := chartNotes(t, "")
		_, example, _ := strings.Cut(notes, "for example\n")
		example, image, _ := strings.Cut(example, "and the image of the filter")
		if !strings.Contains(notes, "No workload is configured") || !strings.Contains(image, "digest") {
			t.Errorf("the notes are\n%s", notes)
		}
		if plugin := chart.WasmPlugin(t, chart.Module, example); plugin.Name != "demo-httpbin" {
			t.Errorf("the example of the notes gives %s", plugin.Name)
		}
	})
	t.Run("name the number that a proxy shows", func(t *testing.T) {
		const values = chart.Module + "workloads: {web-1: {namespace: front, selector: {app: web}, vars: {x: 1}}, other: {}}"
		notes := chartNotes(t, values)
		config := chart.WasmPlugins(t, chart.MustRender(t, values))["front/demo-web-1"].Spec.GetPluginConfig().AsMap()
		number, err := strconv.ParseUint(config["revision"].(string), 16, 32)
		if err != nil {
			t.Fatal(err)
		}

		for _, want := range []string{
			fmt.Sprintf("wasmplugin front/demo-web-1: wasmcustom.wasm_rewrite.front_demo_web_1.revision: %d\n", number),
			"wasmplugin shop/demo-other: ", "    names no selector, so it is in every proxy of the namespace shop\n", "2 workloads installed", "wasm-rewrite status --namespace shop --wait 60s demo\n", "stats?filter=wasm_rewrite",
		} {
			if !strings.Contains(notes, want) {
				t.Errorf("%q is not in the notes:\n%s", want, notes)
			}
		}
	})
	t.Run("say how Envoy Gateway shows what it did", func(t *testing.T) {
		notes := chartNotes(t, gateway+"image: {digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\nworkloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}]}}")
		for _, want := range []string{"kubectl get envoyextensionpolicy demo-a --namespace shop", "wasmcustom.wasm_rewrite.shop_demo_a.revision: ", "stats/prometheus"} {
			if !strings.Contains(notes, want) {
				t.Errorf("%q is not in the notes:\n%s", want, notes)
			}
		}
		if strings.Contains(notes, "istioctl") {
			t.Errorf("the notes speak of Istio:\n%s", notes)
		}
	})
	t.Run("print the ConfigMap's command and annotations", func(t *testing.T) {
		notes := chartNotes(t, "delivery: EnvoyFilter\nworkloads: {a: {selector: {app: web}}}")
		for _, want := range []string{
			"kubectl create configmap demo-module --namespace shop --from-file=plugin.wasm=plugin.wasm\n",
			`sidecar.istio.io/userVolume: '[{"name":"wasm-rewrite","configMap":{"name":"demo-module"}}]'`,
			`sidecar.istio.io/userVolumeMount: '[{"name":"wasm-rewrite","mountPath":"/var/local/wasm","readOnly":true}]'`,
		} {
			if !strings.Contains(notes, want) {
				t.Errorf("%q is not in the notes:\n%s", want, notes)
			}
		}
	})
}

func TestChartSchemaIsDraft7(t *testing.T) {
	schema, err := jsonschema.UnmarshalJSON(strings.NewReader(chart.ReadFile(t, filepath.Join(chart.Dir, "values.schema.json"))))
	if err != nil {
		t.Fatal(err)
	}

	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	if err := compiler.AddResource("values.schema.json", schema); err != nil {
		t.Fatal(err)
	}
	if _, err := compiler.Compile("values.schema.json"); err != nil {
		t.Error(err)
	}
	// Every object says what may stand in it.
	var strict func(path string, schema any)
	strict = func(path string, schema any) {
		s, ok := schema.(map[string]any)
		if !ok {
			return
		}
		if properties, ok := s["properties"].(map[string]any); ok {
			if s["additionalProperties"] != false && path != ".workloads" && path != ".workloads.*.selector" {
				t.Errorf("%s lets unknown keys through", path)
			}

			for key, property := range properties {
				strict(path+"."+key, property)
			}
		}
		strict(path+".*", s["additionalProperties"])
		strict(path+"[]", s["items"])
	}
	strict("", schema)

	for name, definition := range schema.(map[string]any)["definitions"].(map[string]any) {
		strict(name, definition)
	}
}

func TestChartIsLintedAndPacked(t *testing.T) {
	program := made.Helm(t)

	run := func(args ...string) {
		output, err := exec.Command(program, args...).CombinedOutput()
		if err != nil {
			t.Errorf("helm %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
	for _, file := range append(chart.CIValues(t), os.DevNull) {
		run("lint", "--strict", chart.Dir, "--values", file)
	}

	folder := t.TempDir()
	run("package", chart.Dir, "--destination", folder)
	archive, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err != nil || len(archive) != 1 {
		t.Fatalf("packed %v, %v", archive, err)
	}

	packed, err := loader.Load(archive[0])
	if err != nil {
		t.Fatal(err)
	}

	var names []string
	for _, file := range packed.Raw {
		names = append(names, file.Name)
	}

	for _, name := range []string{"README.md", "values.schema.json", "values.yaml", "templates/NOTES.txt"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not in the package", name)
		}
	}

	for _, name := range []string{"README.md.gotmpl", "ci/seed-values.yaml"} {
		if slices.Contains(names, name) {
			t.Errorf("%s is in the package", name)
		}
	}
}

// Checked and rendered rules take a few times what Helm takes to read and print the same values.
func TestChartRendersManyWorkloadsInTime(t *testing.T) {
	const most = 4.5
	var values bytes.Buffer
	fmt.Fprint(&values, chart.Module, "workloads:\n")

	for w := range 200 {
		fmt.Fprintf(&values, "  team-%d:\n    selector: {app: app-%d}\n    vars: {domain: example.com}\n    patterns:\n", w, w)

		for p := range 20 {
			fmt.Fprintf(&values, "    - name: rule-%d\n      match: {path: {regex: '^/app-%d/%d/([0-9]+)/(?P<rest>.*)$'}, host: {regex: '^(?P<tenant>[a-z]+)[.]${var.domain}$'}}\n", p, w, p)
			fmt.Fprint(&values, "      rewrite: {path: '/v2/$1/${rest}', host: '${tenant}.internal'}\n      headers: {request: {set: {x-tenant: '${tenant}'}}}\n")
		}
	}

	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, values.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}

	plain := filepath.Join(t.TempDir(), "plain")
	for name, text := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: plain\nversion: 1.0.0\n",
		"templates/plain.yaml": "{{- range $name, $workload := .Values.workloads }}\n---\napiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\n" +
			"metadata: {name: {{ $name }}}\nspec: {{ toYaml $workload | nindent 2 }}\n{{- end }}\n",
	} {
		path := filepath.Join(plain, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// The time of the processor, with the two of a pair in turn, for other work on the machine lengthens it too.
	render := func(folder string) time.Duration {
		command := exec.Command(made.Helm(t), "template", chart.Release, folder, "--values", file)
		manifest, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		if objects := bytes.Count(manifest, []byte("\nkind: WasmPlugin\n")); objects != 200 {
			t.Fatalf("%s: rendered %d objects, want 200", folder, objects)
		}
		return command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	}

	ratio := math.Inf(1)
	for try := 0; try < 3 && ratio > most; try++ {
		ours, theirs := render(chart.Dir), render(plain)
		ratio = min(ratio, ours.Seconds()/theirs.Seconds())
		t.Logf("200 workloads of 20 patterns: %v; printed by a chart that looks at nothing: %v", ours, theirs)
	}
	if ratio > most {
		t.Errorf("200 workloads of 20 patterns took %.1f times what a chart takes that looks at nothing, want at most %.1f", ratio, most)
	}
}

// A null removes a key of the chart's own values too. What the templates need then is missed by name.
func TestChartSurvivesNullForEveryKey(t *testing.T) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(chart.ReadFile(t, filepath.Join(chart.Dir, "values.yaml"))), &values); err != nil {
		t.Fatal(err)
	}

	var keys []string
	for key, value := range values {
		keys = append(keys, key)

		of, _ := value.(map[string]any)
		for inner := range of {
			keys = append(keys, key+"."+inner)
		}
	}

	needed := []string{
		"delivery", "image", "image.registry", "image.repository", "image.pullPolicy", "module", "module.key", "module.mountPath",
		"envoyFilter", "envoyFilter.context", "envoyFilter.position", "rootNamespace",
		"verify", "verify.image", "verify.before", "verify.after",
	}

	const image = "image: {digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\nworkloads: {a: {}}\n"
	for _, key := range keys {
		t.Run(key, func(t *testing.T) {
			t.Parallel()

			outer, inner, nested := strings.Cut(key, ".")
			null := outer + ": null"
			if nested {
				null = outer + ": {" + inner + ": null}"
			}

			for _, delivery := range []string{"WasmPlugin", "EnvoyFilter"} {
				values := []string{image, "delivery: " + delivery, null}
				if key == "workloads" {
					values[0] = ""
				}

				_, err := chart.Render(t, values...)
				switch missing := "missing property '" + key[strings.LastIndexByte(key, '.')+1:] + "'"; {
				case err != nil && strings.Contains(err.Error(), missing) && slices.Contains(needed, key):
				case err != nil && key == "image.digest" && strings.Contains(err.Error(), "image.digest: is missing"):
				case err != nil || slices.Contains(needed, key):
					t.Errorf("delivery %s: %v", delivery, err)
				}
			}
		})
	}
}
