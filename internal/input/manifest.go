package input

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
)

// readManifest takes the configurations out of WasmPlugin, TrafficExtension,
// EnvoyFilter and EnvoyExtensionPolicy objects, Lists opened. An object that its label
// app.kubernetes.io/name gives to another program is left out.
func readManifest(docs Documents) (*Input, error) {
	in := &Input{Kind: Manifest}
	for _, doc := range docs {
		if err := in.take(doc); err != nil {
			return nil, err
		}
	}
	if len(in.Workloads) == 0 {
		reason := "holds no WasmPlugin, no TrafficExtension, no EnvoyExtensionPolicy and no EnvoyFilter with a Wasm filter"
		if slices.ContainsFunc(in.Objects, imported) {
			reason += "; `wasm-rewrite import` makes rules of what is there"
		}
		return nil, errors.New(reason)
	}

	return in, nil
}

// imported reports whether import reads an object.
func imported(o map[string]any) bool {
	return slices.Contains([]string{"Ingress", "VirtualService", "HTTPRoute"}, object(o).text("kind"))
}

// FromCluster takes the configurations out of objects as a cluster keeps them.
// Workloads have the keys that they have in the values, which the chart writes
// into labels.
func FromCluster(list []map[string]any) (*Input, error) {
	in := &Input{Kind: Cluster}
	keys := map[string]int{}

	var names []string // of in.Workloads
	for i := range list {
		if err := in.Take(list[i : i+1]); err != nil {
			return nil, err
		}

		key := object(list[i]).text("metadata", "labels", "app.kubernetes.io/component")
		for len(names) < len(in.Workloads) {
			names = append(names, key)
			keys[key]++
		}
	}

	for i, key := range names {
		if key != "" && keys[key] == 1 {
			in.Workloads[i].Name = key
		}
	}

	return in, nil
}

// Take takes the configurations out of objects.
func (in *Input) Take(objects []map[string]any) error {
	for _, o := range objects {
		if err := in.take(Document{Object: o}); err != nil {
			return err
		}
	}
	return nil
}

func (in *Input) take(doc Document) (err error) {
	o := object(doc.Object)
	name := fmt.Sprint(o.at("kind"), " ", o.name())
	if label := o.text("metadata", "labels", "app.kubernetes.io/name"); label != "" && label != "wasm-rewrite" {
		return nil
	}

	kind := o.text("kind")
	if kind == "List" || strings.HasSuffix(kind, "List") && doc.Object["items"] != nil {
		return in.items(name, doc)
	}

	switch kind {
	case "WasmPlugin":
		defer in.runAt(len(in.Workloads), o)

		err = in.add(name, o.text("spec", "phase"), o.text("spec", "pluginName"), o.at("spec", "pluginConfig"), doc.Places.At("spec", "pluginConfig"))
	case "TrafficExtension":
		phase := o.text("spec", "phase")
		if phase == "UNSPECIFIED" {
			phase = "UNSPECIFIED_PHASE"
		}
		defer in.runAt(len(in.Workloads), o)
		if o.at("spec", "wasm") != nil {
			err = in.add(name, phase, o.text("spec", "wasm", "pluginName"), o.at("spec", "wasm", "pluginConfig"), doc.Places.At("spec", "wasm", "pluginConfig"))
		}
	case "EnvoyExtensionPolicy":
		defer in.runAt(len(in.Workloads), o)

		err = in.policy(name, o, doc.Places.At("spec", "wasm"))
	case "EnvoyFilter":
		defer in.runAt(len(in.Workloads), o)

		err = in.envoyFilter(name, o, doc.Places.At("spec", "configPatches"))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}

	in.Objects = append(in.Objects, doc.Object)

	return nil
}

// policy takes the filters of an EnvoyExtensionPolicy of Envoy Gateway.
func (in *Input) policy(name string, o object, places *source.Map) error {
	filters := o.list("spec", "wasm")
	for i, filter := range filters {
		of, ok := filter.(map[string]any)
		if !ok {
			continue
		}

		title := name
		if len(filters) > 1 {
			title = fmt.Sprintf("%s, spec.wasm[%d]", name, i)
		}
		if err := in.add(title, "", object(of).text("name"), of["config"], places.Item(i).At("config")); err != nil {
			return err
		}
	}

	return nil
}

// runAt says of the workloads from first on where their object puts them.
func (in *Input) runAt(first int, o object) {
	for i := first; i < len(in.Workloads); i++ {
		in.Workloads[i].Routes = o.routes()
		if !o.selects() {
			in.Workloads[i].Namespace = cmp.Or(o.text("metadata", "namespace"), in.Namespace, "default")
		}
	}
}

// selects reports whether an object names the Pods or the targets it is for.
func (o object) selects() bool {
	for _, path := range [][]string{{"spec", "selector", "matchLabels"}, {"spec", "workloadSelector", "labels"}} {
		if labels, _ := o.at(path...).(map[string]any); len(labels) > 0 {
			return true
		}
	}
	return len(o.list("spec", "targetRefs")) > 0 || o.at("spec", "targetRef") != nil || o.at("spec", "targetSelectors") != nil
}

// routes says what chooses a route after the filter, for people, or nothing
// for a sidecar, which has one.
func (o object) routes() string {
	if o.text("kind") == "EnvoyExtensionPolicy" {
		return "a gateway"
	}

	for _, target := range o.list("spec", "targetRefs") {
		target, _ := target.(map[string]any)
		switch object(target).text("kind") {
		case "Gateway", "GatewayClass":
			return "a gateway"
		case "Service", "ServiceEntry":
			return "a waypoint"
		}
	}

	for _, patch := range o.list("spec", "configPatches") {
		patch, _ := patch.(map[string]any)
		switch object(patch).text("match", "context") {
		case "GATEWAY":
			return "a gateway"
		case "SIDECAR_OUTBOUND":
			return "a client's sidecar"
		}
	}

	for _, path := range [][]string{{"spec", "selector", "matchLabels"}, {"spec", "workloadSelector", "labels"}} {
		labels, _ := o.at(path...).(map[string]any)
		istio, _ := labels["istio"].(string)
		if labels["gateway.networking.k8s.io/gateway-name"] != nil || strings.Contains(istio, "gateway") {
			return "a gateway"
		}
	}

	for _, traffic := range o.list("spec", "match") {
		traffic, _ := traffic.(map[string]any)
		if mode := object(traffic).text("mode"); mode == "CLIENT" || mode == "CLIENT_AND_SERVER" {
			return "a client's sidecar"
		}
	}

	return ""
}

// items takes the objects of a list.
func (in *Input) items(name string, doc Document) error {
	for i, item := range object(doc.Object).list("items") {
		item, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if err := in.take(Document{item, doc.Places.At("items").Item(i)}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (in *Input) add(name, phase, plugin string, config any, places *source.Map) error {
	text, err := compactJSON(config)
	if err != nil {
		return err
	}
	if s, ok := config.(string); ok {
		text = []byte(s)
	}

	in.Workloads = append(in.Workloads, Workload{Name: name, Object: name, Config: text, Phase: phase, Plugin: plugin, Places: places})
	return nil
}

// WasmType is the type of Envoy's filter that runs a WebAssembly module.
const WasmType = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"

// Resource is a kind of object, and where an API server has it.
type Resource struct{ Group, Version, Plural, Kind string }

// Policies are Envoy Gateway's, which hold the filter there.
var Policies = Resource{"gateway.envoyproxy.io", "v1alpha1", "envoyextensionpolicies", "EnvoyExtensionPolicy"}

// Deliveries are what the chart makes of a workload.
var Deliveries = []Resource{
	{"extensions.istio.io", "v1alpha1", "wasmplugins", "WasmPlugin"},
	{"extensions.istio.io", "v1alpha1", "trafficextensions", "TrafficExtension"},
	{"networking.istio.io", "v1alpha3", "envoyfilters", "EnvoyFilter"},
	Policies,
}

// Delivers reports whether objects of a kind deliver the filter.
func Delivers(kind string) bool {
	return slices.ContainsFunc(Deliveries, func(r Resource) bool { return r.Kind == kind })
}

func (in *Input) envoyFilter(name string, o object, places *source.Map) error {
	for i, patch := range o.list("spec", "configPatches") {
		patch, _ := patch.(map[string]any)
		typed, _ := object(patch).either([]string{"patch", "value", "typed_config"}, []string{"patch", "value", "typedConfig"}).(map[string]any)
		if object(typed).text("@type") != WasmType {
			continue
		}

		config, _ := object(typed).at("config").(map[string]any)
		configuration, _ := object(config).at("configuration").(map[string]any)
		one := name
		if i > 0 {
			one = fmt.Sprintf("%s, configPatches[%d]", name, i)
		}
		if err := in.add(one, "", object(config).text("name"), configuration["value"], places.Item(i)); err != nil {
			return err
		}
	}

	return nil
}

// object is a Kubernetes object whose fields may be missing.
type object map[string]any

func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, key := range path {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

func (o object) either(paths ...[]string) any {
	for _, path := range paths {
		if v := o.at(path...); v != nil {
			return v
		}
	}
	return nil
}

func (o object) text(path ...string) string {
	s, _ := o.at(path...).(string)
	return s
}

func (o object) list(path ...string) []any {
	l, _ := o.at(path...).([]any)
	return l
}

func (o object) name() string {
	name := o.text("metadata", "name")
	if namespace := o.text("metadata", "namespace"); namespace != "" {
		return namespace + "/" + name
	}
	return name
}
