// Package gatewayapi models HTTPRoutes by the precedence of the Gateway API,
// and where that leaves it open by Istio's or Envoy Gateway's.
package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// Input is what is known of a cluster's HTTPRoutes.
type Input struct {
	Routes   []*gateway.HTTPRoute
	Gateways map[string]*gateway.Gateway // by namespace/name
	// Filters are HTTPRouteFilters of Envoy Gateway, by namespace/name.
	Filters map[string]*Filter
	// ListenerSets by namespace/name.
	ListenerSets map[string]*ListenerSet
	Bounds
	// Front: everything runs where requests come from, not only what answers.
	Front bool
	// Resolve gives the Service of a host.
	Resolve func(host, namespace string) (plan.Service, bool)
	// EnvoyGateway says which Gateways are Envoy Gateway's, where the tables are
	// for these alone.
	EnvoyGateway func(plan.Service) bool
}

// controller is whose Gateways run the routes.
func (in *Input) controller() string {
	if in.EnvoyGateway != nil {
		return "Envoy Gateway"
	}
	return "Istio"
}

// Tables gives the routes of each Gateway, and of Services in the mesh.
func Tables(in Input, report *plan.Report) []plan.Table {
	m := model{Input: in, report: report, tables: map[string]*table{}}

	list := slices.Clone(in.Routes)
	for _, o := range list {
		report.Object(object(o))
	}
	slices.SortStableFunc(list, func(a, b *gateway.HTTPRoute) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})

	for _, o := range list {
		m.attach(o, m.rows(o))
	}

	var tables []plan.Table
	for _, key := range m.order {
		tables = append(tables, m.tables[key].finish())
	}

	return tables
}

func object(o *gateway.HTTPRoute) string {
	return "HTTPRoute " + plan.Service{Namespace: o.Namespace, Name: o.Name}.String()
}

type model struct {
	Input
	report *plan.Report
	tables map[string]*table
	order  []string
}

// table collects the rows of one Gateway or one Service by host and scheme.
type table struct {
	plan.Table
	key   string // Gateway or Service, namespace/name
	hosts map[string]map[plan.Way][]*row
	doors map[string][]plan.Way // those of a host, in order
	order []string
	names map[string]virtual
}

type virtual struct {
	names    []plan.Host
	services []plan.Service
}

// row is a route with its precedence.
type row struct {
	*plan.Route
	rank []int
}

func (m *model) table(key string, t plan.Table) *table {
	if m.tables[key] == nil {
		m.tables[key] = &table{key: key, Table: t, hosts: map[string]map[plan.Way][]*row{}, doors: map[string][]plan.Way{}, names: map[string]virtual{}}
		m.order = append(m.order, key)
	}
	return m.tables[key]
}

func (t *table) add(host string, by plan.Way, v virtual, rows []*row) {
	if t.hosts[host] == nil {
		t.hosts[host] = map[plan.Way][]*row{}
		t.order = append(t.order, host)
		t.names[host] = v
	}
	if t.hosts[host][by] == nil {
		t.doors[host] = append(t.doors[host], by)
	}

	t.hosts[host][by] = append(t.hosts[host][by], rows...)
}

// speaks gives the rows of all listeners of a host that speak a scheme, each once.
func (t *table) speaks(host, scheme string) (rows []*row) {
	seen := map[*row]bool{}
	for _, by := range t.doors[host] {
		if by.Scheme != scheme {
			continue
		}

		for _, r := range t.hosts[host][by] {
			if !seen[r] {
				rows = append(rows, r)
			}

			seen[r] = true
		}
	}

	return rows
}

// finish puts the rows in order. Where http and https have the same ones, no
// condition tells them apart.
func (t *table) finish() plan.Table {
	var hosts []plan.VHost
	for _, host := range t.order {
		any, plain, secure := t.speaks(host, ""), t.speaks(host, "http"), t.speaks(host, "https")
		if len(plain)+len(secure) == 0 || slices.Equal(plain, secure) {
			hosts = append(hosts, t.vhost(host, "", slices.Concat(any, plain)))
			continue
		}

		for _, one := range []struct {
			scheme string
			rows   []*row
		}{{"http", plain}, {"https", secure}} {
			if rows := slices.Concat(any, one.rows); len(rows) > 0 {
				hosts = append(hosts, t.vhost(host, one.scheme, rows))
			}
		}
	}

	t.Hosts = plan.Group(hosts)

	return t.Table
}

func (t *table) vhost(host, scheme string, rows []*row) plan.VHost {
	slices.SortStableFunc(rows, func(a, b *row) int { return slices.Compare(b.rank, a.rank) })

	v := plan.VHost{Names: t.names[host].names, Services: t.names[host].services, Scheme: scheme}

	seen := map[*row]bool{}
	for _, r := range rows {
		if !seen[r] {
			v.Routes = append(v.Routes, r.Route)
		}

		seen[r] = true
	}

	for _, by := range t.doors[host] {
		if scheme != "" && by.Scheme != "" && by.Scheme != scheme {
			continue
		}

		for _, r := range t.hosts[host][by] {
			v.Comes(by, r.Route)
		}
	}

	return v
}

// attach adds the rows of an HTTPRoute to the table of each of its parents.
func (m *model) attach(o *gateway.HTTPRoute, rows []*row) {
	if len(o.Spec.ParentRefs) == 0 {
		m.report.Leave(object(o), "spec.parentRefs", "names no Gateway and no Service, so nothing runs it")
	}

	for i, ref := range o.Spec.ParentRefs {
		at := fmt.Sprintf("spec.parentRefs[%d]", i)
		namespace := o.Namespace
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}

		kind := gateway.Kind("Gateway")
		if ref.Kind != nil {
			kind = *ref.Kind
		}
		if m.declined(o, at, ref) {
			continue
		}

		switch kind {
		case "Gateway":
			m.gateway(o, at, ref, namespace, rows)
		case "ListenerSet":
			m.listenerSet(o, at, ref, plan.Service{Namespace: namespace, Name: string(ref.Name)}, rows)
		case "Service":
			m.service(o, at, plan.Service{Namespace: namespace, Name: string(ref.Name)}, rows)
		default:
			m.report.Leave(object(o), at, "kind %s is not known: name the Gateway that it belongs to", kind)
		}
	}
}

// service attaches to a Service: its clients in the mesh run the route.
func (m *model) service(o *gateway.HTTPRoute, at string, s plan.Service, rows []*row) {
	if m.EnvoyGateway != nil {
		m.report.Leave(object(o), at, "is a Service, and Envoy Gateway has no proxies of services: import the routes of a mesh without its Gateways")
		return
	}

	// A route of another namespace is for the clients there alone.
	key := "Service " + s.String()
	if o.Namespace != s.Namespace {
		if !m.Front {
			m.report.Leave(object(o), at, "Service %s is of another namespace, so the route is for the clients in %s alone, and rules at the Service "+
				"are for all of them: use --at gateway, which writes it for the sidecars of these clients, or keep it here", s, cmp.Or(o.Namespace, "its own"))
			return
		}

		key += " for " + o.Namespace
	}

	t := m.table(key, plan.Table{Name: s.Name, Mesh: true})
	namespace := s.Namespace
	if namespace == "" {
		namespace = "default"
	}

	var names []plan.Host
	for _, end := range []string{"", "." + namespace, "." + namespace + ".svc", "." + namespace + ".svc.cluster.local"} {
		names = append(names, plan.Name(s.Name+end))
	}
	t.add(s.String(), plan.Way{Of: "the mesh", Mesh: true}, virtual{names, []plan.Service{s}}, rows)
}

// gateway attaches to the listeners of a Gateway that the reference names and
// whose hosts fit.
func (m *model) gateway(o *gateway.HTTPRoute, at string, ref gateway.ParentReference, namespace string, rows []*row) {
	name := plan.Service{Namespace: namespace, Name: string(ref.Name)}

	t := m.gatewayTable(o, at, name)
	if t == nil {
		return
	}

	known := m.Gateways[namespace+"/"+string(ref.Name)]
	if known == nil {
		if namespace != o.Namespace {
			m.report.Ask(object(o), at, "Gateway %s is not in the input, so whether it takes routes of other namespaces is not known: add it", name)
		}

		by := plan.Way{Of: t.key, Scheme: m.guess(o, at, ref, name)}
		switch {
		case ref.SectionName != nil:
			by.At = "listener " + string(*ref.SectionName)
		case ref.Port != nil:
			by.At = fmt.Sprintf("port %d", *ref.Port)
		}

		for _, host := range hostnames(o) {
			t.attach(host, by, rows)
		}

		return
	}

	m.listen(t, o, at, ref, "Gateway "+name.String(), namespace, known.Spec.Listeners, rows)
}

// gatewayTable is the table of a Gateway, where its rules are written.
func (m *model) gatewayTable(o *gateway.HTTPRoute, at string, name plan.Service) *table {
	if m.EnvoyGateway != nil && !m.EnvoyGateway(name) {
		m.report.Leave(object(o), at, "Gateway %s is not of Envoy Gateway, and the values are for that: import the routes of the others apart", name)
		return nil
	}
	return m.table("Gateway "+name.String(), plan.Table{Name: name.Name, Target: Target("Gateway", name)})
}

// listen adds rows to the listeners that a reference names, that take the route
// and whose hosts fit; if there is none, it says why. of is what has the
// listeners, in a namespace.
func (m *model) listen(t *table, o *gateway.HTTPRoute, at string, ref gateway.ParentReference, of, namespace string, all []gateway.Listener, rows []*row) {
	attached, left := false, false
	why := "fits, so it runs nothing of it"

	list := m.listeners(o, all, namespace)
	for _, l := range list {
		if ref.SectionName != nil && *ref.SectionName != l.Name || ref.Port != nil && *ref.Port != l.Port {
			continue
		}
		if l.verdict == refused {
			why = "takes it: listener " + string(l.Name) + " " + l.why
			continue
		}
		if l.verdict == unknown {
			m.report.Ask(object(o), at, "listener %s of %s %s", l.Name, of, l.why)
		}

		for _, host := range hostnames(o) {
			both, ok := intersect(host, l.Hostname)
			if !ok {
				continue
			}
			if other := inTheWay(list, l, both); other != nil {
				m.report.Leave(object(o), at, "listener %s of %s takes it for %s, and listener %s %s: the rules cannot tell their requests apart",
					l.Name, of, both, other.Name, other.why)

				left = true
				continue
			}
			t.attach(both, plan.Way{Of: t.key, At: fmt.Sprintf("port %d", l.Port), Scheme: l.scheme}, rows)

			attached = true
		}
	}
	if !attached && !left {
		m.report.Leave(object(o), at, "no HTTP listener of %s %s", of, why)
	}
}

// scheme is what a listener speaks, or "" where that is not HTTP.
func scheme(l gateway.Listener) string {
	return map[gateway.ProtocolType]string{gateway.HTTPProtocolType: "http", gateway.HTTPSProtocolType: "https"}[l.Protocol]
}

// Target is one object, as the chart has it.
func Target(kind string, of plan.Service) plan.Fields {
	return plan.Fields{}.With("namespace", of.Namespace).With("targetRefs",
		[]any{plan.Fields{{Key: "kind", Value: kind}, {Key: "name", Value: of.Name}}})
}

// attach adds rows once for a host and port, however many listeners have it.
func (t *table) attach(host string, by plan.Way, rows []*row) {
	for _, r := range rows {
		if !slices.Contains(t.hosts[host][by], r) {
			t.add(host, by, virtual{names: []plan.Host{plan.Name(host)}}, []*row{r})
		}
	}
}

// guess says what a listener speaks whose Gateway is not in the input.
func (m *model) guess(o *gateway.HTTPRoute, at string, ref gateway.ParentReference, name plan.Service) string {
	scheme, by := "", ""
	switch {
	case ref.Port != nil && (*ref.Port == 80 || *ref.Port == 443):
		scheme, by = map[gateway.PortNumber]string{80: "http", 443: "https"}[*ref.Port], "port"
	case ref.SectionName != nil && strings.Contains(string(*ref.SectionName), "https"),
		ref.SectionName != nil && strings.Contains(string(*ref.SectionName), "tls"):
		scheme, by = "https", "name"
	case ref.SectionName != nil && strings.Contains(string(*ref.SectionName), "http"):
		scheme, by = "http", "name"
	case ref.Port != nil || ref.SectionName != nil:
		m.report.Ask(object(o), at, "whether this listener of Gateway %s speaks http or https is not known: add the Gateway to the input. Until "+
			"then the rules hold for both", name)
		return ""
	default:
		return ""
	}
	m.report.Differ(object(o), at, "Gateway %s is not in the input: by its %s this listener is taken to speak %s", name, by, scheme)

	return scheme
}

func hostnames(o *gateway.HTTPRoute) []string {
	if len(o.Spec.Hostnames) == 0 {
		return []string{"*"}
	}

	var names []string
	for _, h := range o.Spec.Hostnames {
		names = append(names, strings.ToLower(string(h)))
	}
	return names
}

// intersect gives the host that a route and a listener have in common.
func intersect(route string, listener *gateway.Hostname) (string, bool) {
	if listener == nil || *listener == "" || *listener == "*" {
		return route, true
	}

	host := strings.ToLower(string(*listener))
	switch {
	case route == "*" || route == host:
		return host, true
	case strings.HasPrefix(host, "*.") && strings.HasSuffix(route, host[1:]):
		return route, true
	case strings.HasPrefix(route, "*.") && strings.HasSuffix(host, route[1:]):
		return host, true
	}

	return "", false
}
