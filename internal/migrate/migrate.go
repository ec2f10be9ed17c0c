// Package migrate turns the rewrites of others into values of the chart: those
// of ingress-nginx, VirtualService and HTTPRoute. Each source is modelled in a
// package of its own, which gives tables of routes; here it is decided where
// their rules run, and they are written. What becomes of every object that is
// read is in the report.
package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	istio "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/gatewayapi"
	istiomodel "github.com/wasm-rewrite/wasm-rewrite/internal/migrate/istio"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/nginx"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/shape"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Where rewrites run.
const (
	Destination = "destination" // in the proxies of the backends: routes are chosen before
	Gateway     = "gateway"     // in the gateway's: it chooses the route again by the new path
)

// Options say how objects are carried over.
type Options struct {
	// At is Destination or Gateway; what answers runs at the gateway always. By
	// default Destination, and under Envoy Gateway Gateway.
	At string
	// Selector are the labels of a gateway's Pods where no Gateway in the input
	// says them; by default those of Istio's ingress gateway.
	Selector map[string]string
	// Waypoint: the backends' rules run in waypoints, not in sidecars.
	Waypoint bool
	// Moving leaves alone what the old rewrites have rewritten already, for the
	// time in which both are in force.
	Moving bool
}

// Result is what became of objects.
type Result struct {
	Values []byte // values of the chart, as YAML; empty where nothing was carried over
	Report plan.Report
	Steps  []string // in which order to go on
}

// Convert carries objects over. docs are the YAML documents, each one object.
func Convert(docs []map[string]any, o Options) (*Result, error) {
	m := &migration{options: o, result: &Result{}, guessed: o.Selector == nil}
	if m.guessed {
		m.options.Selector = map[string]string{"istio": "ingressgateway"}
	}

	m.cluster = cluster{
		services: map[plan.Service]*service{}, controllers: map[string]string{}, gateways: map[string]istiomodel.Gateway{},
		apiGateways: map[string]*gateway.Gateway{}, listenerSets: map[string]*gatewayapi.ListenerSet{},
		filters: map[string]*gatewayapi.Filter{}, classes: map[string]string{},
		bounds: gatewayapi.Bounds{Namespaces: map[string]map[string]string{}},
	}
	for i, doc := range docs {
		one, _ := numbers(doc).(map[string]any)
		m.object(one, fmt.Sprintf("document %d", i+1))
	}
	if err := errors.Join(m.faults...); err != nil {
		return nil, err
	}

	m.fronts = m.envoyGateways()
	if err := m.settle(); err != nil {
		return nil, err
	}

	p := &placer{
		options: m.options, cluster: &m.cluster, report: &m.result.Report, policy: len(m.fronts) > 0,
		byTarget: map[string]*workload{}, seen: map[*plan.VHost]*seenHost{}, hosts: map[plan.Way][]plan.Host{},
		samples: map[string][]lint.Finding{},
	}

	tables := plan.Join(m.tables())
	for i := range tables {
		p.place(&tables[i])
	}

	values, err := p.values()
	if err != nil {
		return nil, err
	}

	p.lost(tables)

	m.result.Values, m.unsafe = values, p.unsafe
	m.policies()
	m.result.Report.Finish()
	m.result.Steps = m.steps(len(values) > 0)

	return m.result, nil
}

type migration struct {
	options   Options
	cluster   cluster
	ingresses []*networking.Ingress
	virtual   []*istio.VirtualService
	routes    []*gateway.HTTPRoute
	// fronts are the Gateways of Envoy Gateway: where there is one, all rules are
	// for them.
	fronts []plan.Service
	// guessed: nobody said the labels of a gateway's Pods.
	guessed bool
	// unsafe: some rules and old rewrites must not be in force together.
	unsafe bool
	faults []error
	result *Result
}

// tables gives the routes of all sources.
func (m *migration) tables() []plan.Table {
	if len(m.fronts) > 0 {
		return m.frontTables()
	}

	report := &m.result.Report

	tables := nginx.Tables(nginx.Input{Ingresses: m.ingresses, Controllers: m.cluster.controllers, Target: m.selected(nil)}, report)
	for i := range tables {
		tables[i].Guessed = m.guessed
	}

	tables = append(tables, istiomodel.Tables(istiomodel.Input{
		Services: m.virtual, Gateways: m.cluster.gateways, Target: m.selected, Resolve: m.cluster.resolve, Front: m.options.At == Gateway,
		Proxies: m.cluster.namespaces,
	}, report)...)

	return append(tables, gatewayapi.Tables(gatewayapi.Input{
		Routes: m.routes, Gateways: m.cluster.apiGateways, ListenerSets: m.cluster.listenerSets, Filters: m.cluster.filters, Resolve: m.cluster.resolve,
		Bounds: m.cluster.bounds, Front: m.options.At == Gateway,
	}, report)...)
}

// selected is where the proxies with some labels run; by default the gateway's.
// Their namespace is that of their Service, if it is in the input.
func (m *migration) selected(labels map[string]string) plan.Fields {
	if len(labels) == 0 {
		labels = m.options.Selector
	}

	namespace := ""
	if all := m.cluster.namespaces(labels); len(all) == 1 {
		namespace = all[0]
	}

	return plan.Fields{}.With("namespace", namespace).With("selector", selector(labels))
}

func selector(labels map[string]string) plan.Fields {
	all := plan.Fields{}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, plan.Field{Key: key, Value: labels[key]})
	}
	return all
}

// object reads one object, or those of a list.
func (m *migration) object(doc map[string]any, place string) {
	kind, _ := doc["kind"].(string)
	if list, ok := doc["items"]; ok && strings.HasSuffix(kind, "List") {
		items, ok := list.([]any)
		if !ok {
			m.faults = append(m.faults, fmt.Errorf("%s: items: wants a list", kind))
			return
		}

		for i, item := range items {
			at := fmt.Sprintf("items[%d]", i)
			if one, ok := item.(map[string]any); ok {
				m.object(one, at)
			} else {
				m.faults = append(m.faults, fmt.Errorf("%s: %s: is not an object", kind, at))
			}
		}

		return
	}

	version, _ := doc["apiVersion"].(string)

	group, _, named := strings.Cut(version, "/")
	if !named {
		group = "" // of v1
	}

	m.cluster.signs = m.cluster.signs || group == envoyGatewayGroup

	switch kind {
	case "Ingress":
		if o := decode[networking.Ingress](m, doc, place); o != nil {
			m.ingresses = append(m.ingresses, o)
		}
	case "VirtualService":
		if o := decode[istio.VirtualService](m, doc, place); o != nil {
			m.virtual = append(m.virtual, o)
		}
	case "HTTPRoute":
		o := decode[gateway.HTTPRoute](m, doc, place)
		if o == nil {
			return
		}
		if faults := gatewayapi.Check(o); len(faults) > 0 {
			m.wrong(name(doc, place), faults)
			return
		}

		m.routes = append(m.routes, o)
		m.cluster.signs = m.cluster.signs || gatewayapi.Extended(o, envoyGatewayGroup)
	case "GRPCRoute":
		if o := decode[gateway.GRPCRoute](m, doc, place); o != nil {
			gatewayapi.LeaveGRPC(o, &m.result.Report)
		}
	default:
		m.around(group, kind, doc, place)
	}
}

// name is kind namespace/name of an object, or where it stands.
func name(doc map[string]any, place string) string {
	kind, _ := doc["kind"].(string)
	meta, _ := doc["metadata"].(map[string]any)
	text, _ := meta["name"].(string)
	if namespace, ok := meta["namespace"].(string); ok && namespace != "" {
		text = namespace + "/" + text
	}
	if text == "" {
		text = "without a name (" + place + ")"
	}
	return terminal.Line(kind + " " + text)
}

// rewriting are the kinds of objects that say themselves what becomes of requests.
var rewriting = []string{"Ingress", "VirtualService", "HTTPRoute", "HTTPRouteFilter"}

var objectName = regexp.MustCompile(`^[a-z0-9.-]*$`)

// decode reads an object as its API has it. What is malformed is an error by
// its path; a field that the API does not know is left out and said.
func decode[T any](m *migration, doc map[string]any, place string) *T {
	o := new(T)
	at := name(doc, place)

	var wrong []shape.Fault
	for _, key := range []string{"name", "namespace"} {
		if text := text(doc, "metadata", key); !objectName.MatchString(text) {
			wrong = append(wrong, shape.Fault{Path: "metadata." + key, Reason: fmt.Sprintf("%q cannot be the name of an object", text)})
		}
	}

	for _, f := range shape.Check(doc, o) {
		if f.Unknown {
			// Of all others the fields that count are known.
			if kind, _ := doc["kind"].(string); slices.Contains(rewriting, kind) {
				m.result.Report.Leave(at, f.Path, "%s", f.Reason)
			}
			continue
		}

		wrong = append(wrong, f)
	}
	if len(wrong) > 0 {
		m.wrong(at, wrong)
		return nil
	}

	text, err := json.Marshal(doc)
	if err == nil {
		err = json.Unmarshal(text, o)
	}
	if err != nil {
		m.faults = append(m.faults, fmt.Errorf("%s: is not as its API wants it: %w", at, err))
		return nil
	}

	return o
}

func (m *migration) wrong(at string, faults []shape.Fault) {
	for _, f := range faults {
		m.faults = append(m.faults, fmt.Errorf("%s: %s: %s", at, terminal.Line(f.Path), f.Reason))
	}
}

// numbers gives a document with all numbers of one type, whoever parsed it.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		all := make(map[string]any, len(v))
		for key, one := range v {
			all[key] = numbers(one)
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, one := range v {
			all[i] = numbers(one)
		}
		return all
	case json.Number:
		if n, err := v.Float64(); err == nil {
			return n
		}
		return v.String()
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}

	return v
}
