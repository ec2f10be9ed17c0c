// Package istio models VirtualServices as istiod makes Envoy's routes of them.
package istio

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	api "istio.io/api/networking/v1alpha3"
	istio "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// Gateway is what is known of one of Istio's Gateways.
type Gateway struct {
	Selector map[string]string
	// Ports has the protocol of each port: http or https.
	Ports     map[uint32]string
	Namespace string
	Servers   []Server
}

// Input is what is known of a cluster's VirtualServices.
type Input struct {
	Services []*istio.VirtualService
	Gateways map[string]Gateway // by namespace/name
	// Target gives where the proxies of a Gateway run, by its selector.
	Target func(selector map[string]string) plan.Fields
	// Proxies gives the namespaces in which Services have Pods with such labels.
	Proxies func(selector map[string]string) []string
	// Front: everything runs at the gateways, not only what answers.
	Front bool
	// Resolve gives the Service of a name, as a VirtualService writes it.
	Resolve func(host, namespace string) (plan.Service, bool)
}

// mesh is what VirtualServices call the sidecars of clients.
const mesh = "mesh"

// Tables gives the routes of each gateway, and of the mesh.
func Tables(in Input, report *plan.Report) []plan.Table {
	m := model{Input: in, report: report, byName: map[string]*istio.VirtualService{}}
	list := slices.Clone(in.Services)
	slices.SortStableFunc(list, func(a, b *istio.VirtualService) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name+"."+a.Namespace, b.Name+"."+b.Namespace))
	})

	for _, o := range in.Services {
		report.Object(object(o))
		m.byName[o.Namespace+"/"+o.Name] = o
	}
	// Gateways in the order in which the input names them.
	var names []string
	routes := map[*istio.VirtualService][]*row{}

	for _, o := range in.Services {
		for _, g := range gateways(o) {
			if !slices.Contains(names, g) {
				names = append(names, g)
			}
		}
	}

	for _, o := range list {
		routes[o] = m.rows(o)
	}

	var tables []plan.Table
	for _, name := range names {
		tables = append(tables, m.table(name, list, routes))
	}

	return tables
}

type model struct {
	Input
	report *plan.Report
	byName map[string]*istio.VirtualService
}

func object(o *istio.VirtualService) string {
	return "VirtualService " + plan.Service{Namespace: o.Namespace, Name: o.Name}.String()
}

// gateways are those of a VirtualService, each with its namespace.
func gateways(o *istio.VirtualService) []string {
	if len(o.Spec.Hosts) == 0 {
		return nil // a delegate
	}
	if len(o.Spec.Gateways) == 0 {
		return []string{mesh}
	}

	var names []string
	for _, g := range o.Spec.Gateways {
		names = append(names, qualified(g, o.Namespace))
	}

	return names
}

func qualified(gateway, namespace string) string {
	if gateway == mesh || strings.Contains(gateway, "/") {
		return gateway
	}
	return namespace + "/" + gateway
}

// row is a route, and which gateways and ports have it.
type row struct {
	*plan.Route
	gateways []string
	scheme   string
	all      bool // takes every request
}

// virtual is one host of a gateway, and the routes of all VirtualServices that name it.
type virtual struct {
	host     plan.Host
	services []plan.Service
	rows     map[string][]*row // by scheme; in the mesh by none
}

// split gives the routes of a host for each scheme, or once where they are the
// same for all that the gateway speaks.
func (v *virtual) split(schemes []string) (hosts []plan.VHost) {
	if len(schemes) == 0 {
		schemes = []string{""}
	}

	same := !slices.ContainsFunc(schemes, func(s string) bool { return !slices.Equal(v.rows[s], v.rows[schemes[0]]) })
	for _, scheme := range schemes {
		var first, last []*plan.Route
		for _, r := range v.rows[scheme] {
			switch own := r.Match.Get("scheme"); {
			case !same && own != nil && own != scheme:
			case r.all:
				last = append(last, r.Route)
			default:
				first = append(first, r.Route)
			}
		}

		one := plan.VHost{Scheme: scheme, Services: v.services, Routes: append(first, last...)}
		if same {
			one.Scheme = ""
			return []plan.VHost{one}
		}
		if len(v.rows[scheme]) > 0 {
			hosts = append(hosts, one)
		}
	}

	return hosts
}

// ways are those by which requests of one scheme, or of all that a gateway
// speaks, come.
func ways(way plan.Way, scheme string, all []string) (list []plan.Way) {
	if scheme != "" || len(all) == 0 {
		all = []string{scheme}
	}

	for _, scheme := range all {
		way.Scheme = scheme
		list = append(list, way)
	}
	return list
}

// table puts the routes of all VirtualServices of a gateway together: by host,
// and of one host those that take everything last.
func (m *model) table(gateway string, list []*istio.VirtualService, rows map[*istio.VirtualService][]*row) plan.Table {
	t := plan.Table{Name: gateway[strings.LastIndexByte(gateway, '/')+1:], Mesh: gateway == mesh}
	way := plan.Way{Of: "the mesh", Mesh: true}

	var schemes []string
	if !t.Mesh {
		known, _ := m.known(gateway)
		t.Target = m.Target(known.Selector)
		schemes = known.schemes()
		way = plan.Way{Of: "Gateway " + gateway}
	}

	var hosts []plan.VHost
	for _, v := range m.virtuals(gateway, list, rows) {
		for _, one := range v.split(schemes) {
			one.Names = names(v.host, v.services, t.Mesh)
			one.Ways = ways(way, one.Scheme, schemes)
			hosts = append(hosts, one)
		}
	}

	t.Hosts = plan.Group(hosts)

	return t
}

// virtuals are the hosts of a gateway in the order in which they are named first.
func (m *model) virtuals(gateway string, list []*istio.VirtualService, rows map[*istio.VirtualService][]*row) (hosts []*virtual) {
	byHost := map[string]*virtual{}
	for _, o := range list {
		if !slices.Contains(gateways(o), gateway) {
			continue
		}

		used := m.used(gateway, rows[o])
		places := m.places(gateway, o)
		if gateway != mesh && len(places) > 0 && !m.seen(gateway, o) {
			continue
		}

		for _, p := range places {
			if gateway == mesh && !m.forAll(o, p.host, used) {
				continue
			}

			key := strings.ToLower(p.host)
			service, is := m.Resolve(p.host, o.Namespace)
			if is {
				key = service.String()
			}
			// What is for its own namespace alone is not in the way of others.
			if _, all := exportedTo(o); gateway == mesh && !all {
				key += " for " + o.Namespace
			}

			v := byHost[key]
			if v == nil {
				v = &virtual{host: plan.Name(p.host), rows: map[string][]*row{}}
				if is {
					v.services = []plan.Service{service}
				}

				byHost[key] = v
				hosts = append(hosts, v)
			} else if gateway == mesh {
				m.report.Differ(object(o), "spec.hosts", "an older VirtualService has %s already, and in the mesh istiod takes one only: this one is not run there", p.host)
				continue
			}

			schemes := p.schemes
			if len(schemes) == 0 {
				schemes = []string{""}
			}

			for _, scheme := range schemes {
				v.rows[scheme] = append(v.rows[scheme], used...)
			}
		}
		m.unknown(gateway, o, used)
	}

	return hosts
}

// inherit says that what a route has, or would have, of the one that names it is
// to be taken out there.
func (r *row) inherit(name, at, in string, root, own *api.HTTPRoute) {
	r.Root = name
	for _, one := range []struct {
		key         string
		theirs, his bool
	}{{"rewrite", root.Rewrite != nil, own.Rewrite != nil}, {"headers", root.Headers != nil, own.Headers != nil}} {
		if one.theirs {
			r.RootTakeOut = append(r.RootTakeOut, at+"."+one.key)
		}
		if !one.his {
			r.TakeOut = slices.DeleteFunc(r.TakeOut, func(path string) bool { return path == in+"."+one.key })
		}
	}
}

// used are the rows that istiod makes routes of for a gateway: after one that
// takes everything it makes no more of a VirtualService.
func (m *model) used(gateway string, rows []*row) (list []*row) {
	var all *row
	for _, r := range rows {
		switch {
		case !slices.Contains(r.gateways, gateway):
		case all != nil && (r.Object != all.Object || r.Path != all.Path):
			m.report.Differ(r.Object, r.Path, "comes after a route that takes every request, so istiod does not run it")
		default:
			list = append(list, r)
			if r.all && r.scheme == "" {
				all = r
			}
		}
	}

	return list
}

// unknown says that the Pods of a gateway are not known, where rules run there.
func (m *model) unknown(gateway string, o *istio.VirtualService, rows []*row) {
	_, known := m.known(gateway)
	if gateway == mesh || known || !m.Front && !slices.ContainsFunc(rows, func(r *row) bool { return r.Answers && !r.Left }) {
		return
	}
	m.report.Differ(object(o), "spec.gateways", "Gateway %s is not in the input: its Pods are taken to be those of --selector", gateway)
}

// names are those by which clients call a Service: in the mesh all its short
// ones, at a gateway only the whole.
func names(h plan.Host, services []plan.Service, inMesh bool) []plan.Host {
	if len(services) == 0 {
		return []plan.Host{h}
	}

	s := services[0]
	namespace := s.Namespace
	if namespace == "" {
		namespace = "default"
	}

	whole := plan.Name(s.Name + "." + namespace + ".svc.cluster.local")
	if !inMesh {
		return []plan.Host{whole}
	}

	return []plan.Host{plan.Name(s.Name), plan.Name(s.Name + "." + namespace), plan.Name(s.Name + "." + namespace + ".svc"), whole}
}

// rows gives the routes of a VirtualService, those of its delegates put in.
func (m *model) rows(o *istio.VirtualService) []*row {
	if len(o.Spec.Hosts) == 0 {
		return nil
	}

	var list []*row
	for i, r := range o.Spec.Http {
		at := fmt.Sprintf("spec.http[%d]", i)
		if r.Delegate == nil {
			list = append(list, m.route(object(o), at, o, o.Namespace, r)...)
			continue
		}

		list = append(list, m.delegate(o, at, r)...)
	}

	return list
}

// delegate gives the routes of another VirtualService under the conditions of
// the one that names it.
func (m *model) delegate(o *istio.VirtualService, at string, r *api.HTTPRoute) []*row {
	namespace := r.Delegate.Namespace
	if namespace == "" {
		namespace = o.Namespace
	}

	child := m.byName[namespace+"/"+r.Delegate.Name]
	if child == nil || len(child.Spec.Hosts) > 0 {
		name := plan.Service{Namespace: namespace, Name: r.Delegate.Name}
		m.report.Leave(object(o), at+".delegate", "VirtualService %s is not in the input: add it", name)

		blind := proto.Clone(r).(*api.HTTPRoute)
		blind.Delegate, blind.Rewrite, blind.Headers, blind.Redirect, blind.DirectResponse = nil, nil, nil, nil, nil

		list := m.route(object(o), at, o, o.Namespace, blind)
		for _, one := range list {
			one.Left = true
		}

		return list
	}

	if !visible(child, o) {
		m.report.Leave(object(child), "spec.exportTo", "leaves out the namespace of %s, which names it: istiod does not run that route", object(o))
		return nil
	}

	var list []*row
	for i, c := range child.Spec.Http {
		in := fmt.Sprintf("spec.http[%d]", i)
		if c.Delegate != nil {
			m.report.Leave(object(child), in+".delegate", "a delegate of a delegate: istiod does not run it")
			continue
		}

		merged := merge(r, c)
		if merged == nil {
			m.report.Differ(object(child), in+".match", "takes nothing that %s of %s takes, so istiod does not run it", at, object(o))
			continue
		}
		// Its Services are of its own namespace.
		for _, one := range m.route(object(child), in, o, child.Namespace, merged) {
			one.inherit(object(o), at, in, r, c)
			list = append(list, one)
		}
	}

	return list
}
