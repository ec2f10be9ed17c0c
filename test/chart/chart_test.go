package chart_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	extensionsapi "istio.io/api/extensions/v1alpha1"
	networkingapi "istio.io/api/networking/v1alpha3"
	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"
	networking "istio.io/client-go/pkg/apis/networking/v1alpha3"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
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
		plugins := chart.WasmPlugins(t, chart.MustRender(t, chart.Module,
			"defaults: {vars: {x: d}, priority: 3}\nworkloads: {a: {vars: {x: a}, priority: 0}, b: {}}"))
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
			fmt.Sprintf("wasmplugin front/demo-web-1: revision %08x\n    wasmcustom.wasm_rewrite.front_demo_web_1.revision: %[1]d\n", number),
			"wasmplugin shop/demo-other: ", "    It names no selector, so it is in every proxy of the namespace shop\n", "2 workloads installed", "wasm-rewrite status --namespace shop --wait 60s demo\n",
			"serves one more request as before", "wasm-rewrite status --namespace shop --counts demo\n", "stats?filter=wasm_rewrite",
		} {
			if !strings.Contains(notes, want) {
				t.Errorf("%q is not in the notes:\n%s", want, notes)
			}
		}
	})
	t.Run("say how Envoy Gateway shows what it did", func(t *testing.T) {
		notes := chartNotes(t, gateway+"image: {digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\nworkloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}]}}")
		for _, want := range []string{"kubectl get envoyextensionpolicy demo-a --namespace shop", "wasmcustom.wasm_rewrite.shop_demo_a.revision: ",
			"stats/prometheus"} {
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
			"wasm-rewrite configmap plugin.wasm --name demo-module --key plugin.wasm --namespace shop | kubectl apply --server-side -f -\n",
			`sidecar.istio.io/userVolume: '[{"name":"wasm-rewrite","configMap":{"name":"demo-module"}}]'`,
			`sidecar.istio.io/userVolumeMount: '[{"name":"wasm-rewrite","mountPath":"/var/local/wasm","readOnly":true}]'`,
		} {
			if !strings.Contains(notes, want) {
				t.Errorf("%q is not in the notes:\n%s", want, notes)
			}
		}
	})
}
