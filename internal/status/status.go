// Package status says whether the proxies of a cluster run what the objects of
// the chart ask for: in all detail through the proxies' admin ports, or by the
// revision alone, which their metrics show to everybody in the cluster.
//
// A proxy's config_dump is what it received, not what it runs: a configuration
// that the filter refuses is there like any other, without an error. What
// runs is said by the filter itself, in the gauge of its revision.
package status

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// State is what a proxy does with one object.
type State string

// The states. All but InForce want a person.
const (
	InForce    State = "in force"
	Refused    State = "refused"         // told, and could not be loaded
	Outdated   State = "outdated"        // runs rules of another revision, and received no others
	DenyAll    State = "deny-all"        // the agent's fallback without a module: 403 to everything
	AllowAll   State = "allow-all"       // the same with FAIL_OPEN: nothing is rewritten
	Absent     State = "not there"       // the proxy received nothing
	NoProxy    State = "no proxy"        // the Pod has none
	NoPods     State = "no Pods"         // the object's selector takes none
	Rejected   State = "rejected"        // the controller of Envoy Gateway does not take the object
	NotRunning State = "not running"     // the Pod is not
	Unknown    State = "cannot be asked" // the proxy did not answer
)

// Pair is what an object asks for, and what a proxy has in force; "" is
// nothing, and a module that goes on while another is refused, which a proxy does
// not tell.
type Pair struct {
	Asked   string `json:"asked"`
	InForce string `json:"inForce"`
}

// Row is one object on one Pod.
type Row struct {
	Object   string `json:"object"`   // KIND NAMESPACE/NAME
	Release  string `json:"release"`  // of the object's labels
	Workload string `json:"workload"` // of the object's labels
	Pod      string `json:"pod"`      // NAMESPACE/NAME, or empty
	State    State  `json:"state"`
	// Module is the digest in the object's URL, or its sha256. With delivery
	// EnvoyFilter it is the module's file in the proxy.
	Module   Pair `json:"module"`
	Revision Pair `json:"revision"`
	// Refusal is the last one that the proxy logged, where something is not in force.
	Refusal string `json:"refusal,omitempty"`
	// Reason and Advice say what follows and what to do, where something is not in force.
	Reason string `json:"reason,omitempty"`
	Advice string `json:"advice,omitempty"`

	tallies *tallies // nil where the proxy did not say
}

// Object is what one object of the chart asks for.
type Object struct {
	Kind, Namespace, Name string
	Release, Workload     string
	Selector              map[string]string
	Targets               []Target
	URL                   string
	Module                string // as in Row
	Revision              string
	Patterns              []string // their names, in order
	// Plugin is the plugin's name in metrics, before what no metric may hold is
	// replaced: Istio's is NAMESPACE.NAME, an EnvoyFilter's as it is written.
	// Istio 1.30 and later add translated to that of a WasmPlugin.
	Plugin string
	// Changed is when somebody wrote it last; zero where that is not known.
	Changed time.Time
	// FailOpen lets requests pass a filter that could not be loaded; of policies of
	// Envoy Gateway alone.
	FailOpen bool
	// Verdict is what the controller says of such a policy; nil is unknown.
	Verdict *Verdict

	read bool // from the cluster
}

// translated is added to the names of WasmPlugins by Istio 1.30 and later, which
// make TrafficExtensions of them.
const translated = "~istio-translated-wasmplugin"

// plugins are the names that the object's plugin may have in a proxy.
func (o *Object) plugins() []string {
	if o.Kind == "WasmPlugin" {
		return []string{o.Plugin, o.Plugin + translated}
	}
	return []string{o.Plugin}
}

// Target is one of targetRefs.
type Target struct{ Kind, Name string }

func (o *Object) String() string { return o.Kind + " " + o.Namespace + "/" + o.Name }

var digest = regexp.MustCompile(`[0-9a-f]{64}`)

// ParseObject reads a WasmPlugin, TrafficExtension, EnvoyFilter or
// EnvoyExtensionPolicy of the chart.
func ParseObject(u *unstructured.Unstructured) *Object {
	text := func(fields ...string) string {
		s, _, _ := unstructured.NestedString(u.Object, fields...)
		return s
	}
	labels := u.GetLabels()
	o := &Object{
		Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName(),
		Release: labels["app.kubernetes.io/instance"], Workload: labels["app.kubernetes.io/component"],
		Plugin: u.GetNamespace() + "." + u.GetName(), Changed: changed(u), read: true,
	}
	if o.Kind == "EnvoyFilter" {
		o.parseFilter(u)
		return o
	}

	o.Selector, _, _ = unstructured.NestedStringMap(u.Object, "spec", "selector", "matchLabels")

	refs, _, _ := unstructured.NestedSlice(u.Object, "spec", "targetRefs")
	for _, r := range refs {
		if ref, ok := r.(map[string]any); ok {
			o.Targets = append(o.Targets, Target{Kind: fmt.Sprint(ref["kind"]), Name: fmt.Sprint(ref["name"])})
		}
	}

	if o.policy() {
		o.parsePolicy(u)
		return o
	}

	at := []string{"spec"}
	if o.Kind == "TrafficExtension" {
		at = append(at, "wasm")
	}

	field := func(name ...string) string { return text(append(at[:len(at):len(at)], name...)...) }
	o.URL, o.Revision = field("url"), field("pluginConfig", "revision")
	config, _, _ := unstructured.NestedFieldNoCopy(u.Object, append(at[:len(at):len(at)], "pluginConfig")...)
	o.Patterns = patternNames(config)
	o.Module = field("sha256")
	if _, after, ok := strings.Cut(o.URL, "@sha256:"); ok && o.Module == "" {
		o.Module = after
	}
	if file, ok := strings.CutPrefix(o.URL, "file://"); ok {
		o.Module = file
	}

	return o
}

// parseFilter reads what an EnvoyFilter of the chart asks for.
func (o *Object) parseFilter(u *unstructured.Unstructured) {
	o.Selector, _, _ = unstructured.NestedStringMap(u.Object, "spec", "workloadSelector", "labels")

	patches, _, _ := unstructured.NestedSlice(u.Object, "spec", "configPatches")
	for _, p := range patches {
		patch, _ := p.(map[string]any)
		value, _, _ := unstructured.NestedMap(patch, "patch", "value")
		data, err := json.Marshal(value)
		if err != nil {
			continue
		}
		var f filter
		if json.Unmarshal(data, &f) == nil && f.Config.Type == input.WasmType {
			o.Plugin, o.Module, o.Revision = f.Config.Config.Name, f.Config.Config.VM.Code.Local.Filename, f.revision()
			o.Patterns = patternNames(f.Config.Config.Configuration.Value)
		}
	}
}

// resource says whether a proxy's extension configuration is this object's.
// Istio 1.30 gives WasmPlugins the second name, and TrafficExtensions the third.
func (o *Object) resource(name string) bool {
	full := o.Namespace + "." + o.Name
	switch o.Kind {
	case "WasmPlugin":
		return name == "extensions.istio.io/wasmplugin/"+full || name == "extensions.istio.io/trafficextension/"+full+translated
	case "TrafficExtension":
		return name == "extensions.istio.io/trafficextension/"+full
	}
	return false
}

// filter is the part of a filter's configuration that matters here, in the
// JSON of Envoy's admin port and of EnvoyFilter.
type filter struct {
	Name   string `json:"name"`
	Config struct {
		Type        string          `json:"@type"`
		Rules       json.RawMessage `json:"rules"`
		StatsPrefix string          `json:"rules_stat_prefix"`
		Config      struct {
			Name string `json:"name"`
			VM   struct {
				Code struct {
					Local struct {
						Filename string `json:"filename"`
					} `json:"local"`
				} `json:"code"`
			} `json:"vm_config"`
			Configuration struct {
				Value any `json:"value"`
			} `json:"configuration"`
		} `json:"config"`
	} `json:"typed_config"`
}

func (f *filter) revision() string {
	var c struct {
		Revision string `json:"revision"`
	}
	switch value := f.Config.Config.Configuration.Value.(type) {
	case string:
		_ = json.Unmarshal([]byte(value), &c) // what is not JSON has no revision
	case map[string]any:
		c.Revision, _ = value["revision"].(string)
	}
	return c.Revision
}

// Proxy is what one proxy answered.
type Proxy struct {
	Extensions []byte // /config_dump?resource=ecds_filters
	Listeners  []byte // /config_dump?resource=dynamic_listeners; only for EnvoyFilter and policies of Envoy Gateway
	Stats      []byte // /stats, the filter's and how often it was loaded again
	Log        []byte // of the proxy's container, from before what it received last
	Metrics    []byte // of the port for Prometheus; all of the others are empty then
}

// told is what a proxy received last for an object.
type told struct {
	*filter
	updated time.Time
	failure string

	// Envoy refused a listener with the filter, and serves the one before it, which has none.
	bare bool
}

// updated says when a proxy last received any of the objects; zero is never.
func (p *Proxy) updated(objects []*Object) time.Time {
	var last time.Time
	for _, o := range objects {
		if t, err := p.told(o); err == nil && t.updated.After(last) {
			last = t.updated
		}
	}
	return last
}

func (p *Proxy) told(o *Object) (told, error) {
	if o.Kind == "EnvoyFilter" || o.policy() {
		return p.toldByListener(o)
	}
	var dump struct {
		Configs []struct {
			Filter  filter    `json:"ecds_filter"`
			Updated time.Time `json:"last_updated"`
			Error   struct {
				Details string `json:"details"`
			} `json:"error_state"`
		} `json:"configs"`
	}
	// A proxy without any says so in a sentence.
	if text := strings.TrimSpace(string(p.Extensions)); text == "" || strings.HasSuffix(text, "not found in config dump") {
		return told{}, nil
	}
	if err := json.Unmarshal(p.Extensions, &dump); err != nil {
		return told{}, fmt.Errorf("its config_dump is not the JSON that Envoy writes: %w", err)
	}

	for _, c := range dump.Configs {
		if o.resource(c.Filter.Name) {
			return told{filter: &c.Filter, updated: c.Updated, failure: c.Error.Details}, nil
		}
	}

	return told{}, nil
}

func (p *Proxy) toldByListener(o *Object) (told, error) {
	var dump struct {
		Configs []struct {
			Active struct {
				Listener json.RawMessage `json:"listener"`
				Updated  time.Time       `json:"last_updated"`
			} `json:"active_state"`
			Error struct {
				Failed  json.RawMessage `json:"failed_configuration"`
				Tried   time.Time       `json:"last_update_attempt"`
				Details string          `json:"details"`
			} `json:"error_state"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(p.Listeners, &dump); err != nil {
		return told{}, fmt.Errorf("its config_dump is not the JSON that Envoy writes: %w", err)
	}

	var found told
	for _, c := range dump.Configs {
		// The refused one is what the proxy received last.
		f := findFilter(c.Error.Failed, o.Plugin)
		active := findFilter(c.Active.Listener, o.Plugin)
		bare := found.bare || f != nil && active == nil && len(c.Active.Listener) > 0
		if f == nil {
			f = active
		}
		if f == nil || found.filter != nil && c.Error.Details == "" {
			continue
		}

		// A refusal may be a second time, without a name and without a time.
		last := found.updated

		found = told{filter: f, updated: c.Active.Updated, failure: c.Error.Details, bare: bare}
		for _, other := range []time.Time{c.Error.Tried, last} {
			if other.After(found.updated) {
				found.updated = other
			}
		}
	}

	return found, nil
}

// findFilter looks for the Wasm filter of a plugin anywhere in a listener.
func findFilter(listener json.RawMessage, plugin string) *filter {
	var tree any
	if len(listener) == 0 || json.Unmarshal(listener, &tree) != nil {
		return nil
	}
	var find func(any) *filter
	find = func(v any) *filter {
		switch v := v.(type) {
		case map[string]any:
			if config, ok := v["typed_config"].(map[string]any); ok && config["@type"] == input.WasmType {
				var f filter
				if data, err := json.Marshal(v); err == nil && json.Unmarshal(data, &f) == nil && f.Config.Config.Name == plugin {
					return &f
				}
			}

			for _, child := range v {
				if f := find(child); f != nil {
					return f
				}
			}
		case []any:
			for _, child := range v {
				if f := find(child); f != nil {
					return f
				}
			}
		}

		return nil
	}

	return find(tree)
}

// Judge says what a proxy does with an object.
func Judge(o *Object, p *Proxy) Row {
	if o.policy() {
		return judgePolicy(o, p)
	}

	row := o.row()
	t, err := p.told(o)
	if err != nil {
		return row.unknown(err)
	}
	if t.filter == nil {
		return o.untold()
	}

	refusal := p.refusal(o)
	if t.failure != "" && refusal.text == "" {
		refusal.text = t.failure
		if o.Module != "" && strings.Contains(t.failure, "Invalid path: "+o.Module) {
			refusal.fault = ofModule
		}
	}
	if t.Config.Type != input.WasmType {
		row.Refusal = refusal.text
		if len(t.Config.Rules) == 0 {
			row.State, row.Reason = AllowAll, "the agent could not fetch the module and put its allow-all filter there: nothing is rewritten"
		} else {
			row.State, row.Reason = DenyAll, "the agent could not fetch the module and put its deny-all filter there: every request is answered 403"
		}

		row.Advice = unfetched(row.Refusal)
		return row
	}

	module := t.module(o)
	revision, loaded := p.gauge(o)
	row.Revision.InForce = revision
	toldRevision := t.revision()

	refused := t.failure != "" || refusal.text != "" && !refusal.at.Before(t.updated)
	switch {
	case loaded && !refused && revision == toldRevision && revision == o.Revision && (o.Module == "" || module == o.Module):
		row.State, row.Module.InForce = InForce, module
	case !loaded && t.bare:
		row.State, row.Refusal = Refused, refusal.text
		row.Reason = "the filter could not be loaded, and the proxy goes on without it: every request passes unrewritten; a proxy that starts now " + o.without()
		row.Advice = refusal.advice(o)
	case !loaded:
		row.State, row.Refusal = Refused, refusal.text
		row.Reason = "the filter could not be loaded, and the proxy has no earlier one: it " + o.without()
		row.Advice = refusal.advice(o)
	case refused || revision != toldRevision:
		row.State, row.Refusal = Refused, refusal.text
		row.Reason = "the proxy refused what it received last and keeps what it had; a proxy that starts now " + o.without()
		row.Advice = refusal.advice(o)
	default:
		row.State, row.Module.InForce = Outdated, module
		row.Reason = "the proxy keeps what it received before"
		row.Advice = "wait a moment and ask again; if it stays so, see that istiod is up and that the proxy is connected to it"
	}

	return row
}

// untold is what is said of a proxy that received nothing of an object.
func (o *Object) untold() Row {
	row := o.row()
	row.State = Absent
	row.Reason = "the proxy has not received this object, so it rewrites nothing"
	row.Advice = "see that istiod is up, that the Pod's labels are the selector's, and that the object's istio.io/rev label, if any, is this proxy's"
	if o.Kind == "EnvoyFilter" {
		row.Advice += "; envoyFilter.context has to be of this kind of proxy"
	}
	return row
}

// without says what a proxy does that never had the object's filter: Envoy takes
// an extension without its filter, but no listener.
func (o *Object) without() string {
	switch {
	case o.Kind == "EnvoyFilter":
		return "takes no request"
	case o.policy() && o.FailOpen:
		return "passes every request of its routes unrewritten"
	case o.policy():
		return "answers 503 to every request of its routes"
	}
	return "answers 500 to every request"
}

// module is the digest of the module that a proxy is to load: the agent
// names the files that it fetched so.
func (t told) module(o *Object) string {
	file := t.Config.Config.VM.Code.Local.Filename
	if name := strings.TrimSuffix(path.Base(file), ".wasm"); o.Kind != "EnvoyFilter" && digest.MatchString(name) && len(name) == 64 {
		return name
	}
	return file
}

func (o *Object) row() Row {
	return Row{Object: o.String(), Release: o.Release, Workload: o.Workload, Module: Pair{Asked: o.Module}, Revision: Pair{Asked: o.Revision}}
}

func (r Row) unknown(err error) Row {
	r.State, r.Reason = Unknown, err.Error()
	r.Advice = "see that the Pod is ready, that you may create pods/portforward, and that the admin port is --proxy-admin-port; --timeout " +
		"gives a slow proxy more time"
	return r
}
