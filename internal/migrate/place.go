package migrate

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/nginx"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// placer decides which proxies run the rules of each route.
type placer struct {
	options   Options
	cluster   *cluster
	report    *plan.Report
	workloads []*workload
	byTarget  map[string]*workload
	taken     map[string]bool // names of workloads
	// unsafe: some rules and old rewrites must not be in force together.
	unsafe bool
	// policy: all rules run at Gateways of Envoy Gateway.
	policy bool
	// seen is what is known of hosts, each looked at once.
	seen map[*plan.VHost]*seenHost
	// table counts those that are placed, and host is the one of it whose routes are.
	table int
	host  *plan.VHost
	// hosts are those that each way has.
	hosts map[plan.Way][]plan.Host
	// samples are what requests have shown of patterns, by their text.
	samples map[string][]lint.Finding
}

// workload collects the rules of what some proxies run.
type workload struct {
	name   string
	target plan.Fields
	placer *placer
	lists  []*entries // of each table
	// front: the rules run where requests come from, before any route is chosen.
	front bool
	// guessed: the target is a guess.
	guessed bool
}

// entries are those that a workload has of one table, in the order of that.
type entries struct {
	table int
	list  []*entry
	seen  map[string]*entry
}

// entry is a pattern in the making.
type entry struct {
	route  *plan.Route
	hosts  []plan.Host
	scheme string
	// acts: it does what the route says; if not, it keeps the route's requests
	// from what comes after it.
	acts    bool
	do      plan.Fields
	headers plan.Fields
	marked  bool
	// ways are those by which its requests come.
	ways []plan.Way
	// last: it takes what no route of its hosts takes.
	last bool
	// behind says why an earlier entry of other ways takes some of its requests.
	behind []string
	// earlier and later entries that it is mixed with.
	earlier, later mixture
}

// workload gives the workload of a target, made where there is none, under the
// name that is wanted or one that begins so.
func (p *placer) workload(name string, target plan.Fields) *workload {
	// Targets are alike where their text in Go is.
	key := fmt.Sprintf("%#v", target)
	if w := p.byTarget[key]; w != nil {
		return w
	}

	w := &workload{name: p.name(name), target: target, placer: p}
	p.workloads = append(p.workloads, w)
	p.byTarget[key] = w

	return w
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// plainName writes any text as a name that the chart and the language take.
func plainName(text string, longest int) string {
	text = strings.Trim(notName.ReplaceAllString(strings.ToLower(text), "-"), "-")
	if len(text) > longest {
		text = strings.Trim(text[:longest], "-")
	}
	if text == "" {
		return "rules"
	}
	return text
}

func (p *placer) name(wanted string) string {
	if p.taken == nil {
		p.taken = map[string]bool{}
	}

	base := plainName(wanted, 35)

	name := base
	for i := 2; p.taken[name]; i++ {
		name = base + "-" + strconv.Itoa(i)
	}

	p.taken[name] = true

	return name
}

// place puts the routes of a table where they run: what answers in front, what
// rewrites at the backends, and after each of them what keeps its requests from
// the rules that follow.
func (p *placer) place(t *plan.Table) {
	p.table++
	for i := range t.Hosts {
		v := &t.Hosts[i]

		p.host = v
		for _, way := range v.Ways {
			p.hosts[way] = append(p.hosts[way], v.Names...)
		}

		var front *workload
		if slices.ContainsFunc(v.Routes, func(r *plan.Route) bool { return r.Target == nil }) {
			front = p.front(t, v)
		}

		for _, r := range v.Routes {
			if r.Target == nil {
				p.route(t, v, r, front)
				continue
			}

			_, id, _ := strings.Cut(r.Object, " ")
			p.route(t, v, r, p.workload(id[strings.Index(id, "/")+1:], r.Target))
		}
		if front != nil {
			// A request of this host is never tried with the routes of another.
			front.add(&entry{route: &plan.Route{Object: "host " + v.Names[0].Text}, hosts: v.Names, scheme: v.Scheme, last: true})
		}
	}
}

// front is what the requests of a host come by: the gateway, the called
// Service, or the clients' own sidecars.
func (p *placer) front(t *plan.Table, v *plan.VHost) *workload {
	if !t.Mesh {
		return p.gateway(t)
	}

	answers := slices.ContainsFunc(v.Routes, func(r *plan.Route) bool { return r.Answers && !r.Left })
	switch {
	case p.options.At == Gateway:
		return p.clients(v)
	case !answers:
		return nil
	case len(v.Services) > 0:
		if w, _ := p.service(v.Services[0], nil, v.Routes[0]); w != nil {
			return w
		}
	}

	return p.clients(v)
}

// gateway is the workload of a table's own proxies.
func (p *placer) gateway(t *plan.Table) *workload {
	w := p.workload(t.Name, t.Target)
	w.front = true
	w.guessed = w.guessed || t.Guessed

	return w
}

// clients are the sidecars of a namespace, on the side of those who call.
func (p *placer) clients(v *plan.VHost) *workload {
	namespace := ""
	if len(v.Routes) > 0 {
		_, id, _ := strings.Cut(v.Routes[0].Object, " ")
		if in, _, ok := strings.Cut(id, "/"); ok {
			namespace = in
		}
	}

	traffic := []any{plan.Fields{{Key: "mode", Value: "CLIENT"}}}

	w := p.workload("clients", plan.Fields{}.With("namespace", namespace).With("traffic", traffic))
	w.front = true

	return w
}

// route adds one entry of a route to every workload that may see its requests.
func (p *placer) route(t *plan.Table, v *plan.VHost, r *plan.Route, front *workload) {
	if front != nil {
		e := &entry{route: r, hosts: v.Names, scheme: v.Scheme}
		if r.Answers || p.options.At == Gateway {
			e.acts, e.do, e.headers = r.Acts(nil), r.Do, r.Headers
		}
		if p.options.At == Gateway && !r.Answers {
			p.again(v, r, e)
		}
		defer front.add(e)
	}
	if r.Answers || p.options.At == Gateway {
		return
	}
	if len(r.Backends) == 0 && r.Acts(nil) && t.Target != nil {
		p.report.Differ(r.Object, r.Path, "names no backend, so its rules run at the gateway")
		p.gateway(t).add(&entry{route: r, hosts: v.Names, scheme: v.Scheme, acts: true, do: r.Do, headers: r.Headers})
		p.unseen(r)
	}

	for i := range r.Backends {
		b := &r.Backends[i]
		w := p.backend(t, v, r, b)
		if w == nil {
			continue
		}

		e := &entry{route: r, hosts: v.Names, acts: r.Acts(b), do: r.Do, headers: plan.Headers(r.Headers, b.Headers), marked: !w.front}
		if b.Host != "" {
			rewrite, _ := e.do.Get("rewrite").(plan.Fields)
			e.do = plan.Fields{{Key: "rewrite", Value: rewrite.Without("host").With("host", b.Host)}}
		}
		if w.front && e.acts {
			p.unseen(r)
		}
		if e.acts && !w.front && !t.Mesh && !b.Granted {
			p.foreign(r, b.Service)
		}
		if p.options.Moving && e.adds() {
			p.report.Differ(r.Object, r.Path, "what is added to headers is there twice while the old rewrites and these rules are both in force")
		}
		w.add(e)
	}
}

// foreign asks whether a Service wants the rules of an object of another
// namespace: its proxies run them for all requests of these hosts, however they
// come, and no grant says so.
func (p *placer) foreign(r *plan.Route, s plan.Service) {
	for _, object := range []string{r.Object, r.Root} {
		_, id, _ := strings.Cut(object, " ")
		namespace, _, named := strings.Cut(id, "/")
		if named && s.Namespace != "" && namespace != s.Namespace {
			p.report.Ask(r.Object, r.Path, "%s is not of the namespace of Service %s, whose proxies would run this for all requests of these hosts, however they "+
				"come: ask who owns the Service, or keep this here", object, s)
		}
	}
}

// unseen asks what is to be done for a route that rewrites where its rules run in
// front of it, so that nothing shows them what it will change. What comes by
// ingress-nginx does not come by these proxies.
func (p *placer) unseen(r *plan.Route) {
	if !p.options.Moving || r.Marks == nginx.Forwarded {
		return
	}

	p.unsafe = true
	p.report.Ask(r.Object, r.Path, "these rules run before this route, so nothing shows what it will change, and what it still takes is changed twice: "+
		"install them and take out of the object what is named with it at one time, when no traffic comes")
}

// adds reports whether an entry adds values to headers of requests whose path it
// leaves alone, so that nothing shows that they were added before.
func (e *entry) adds() bool {
	rewrite, _ := e.do.Get("rewrite").(plan.Fields)
	if !e.acts || rewrite.Get("path") != nil || rewrite.Get("host") != nil {
		return false
	}

	for _, side := range e.headers {
		if of, _ := side.Value.(plan.Fields); of.Get("add") != nil {
			return true
		}
	}

	return false
}

// several says that rules of one of several backends are left.
func (p *placer) several(r *plan.Route) {
	instead := "Use --at destination"
	if p.policy {
		instead = "Keep them in the object"
	}

	for _, b := range r.Backends {
		if len(b.Headers) > 0 || b.Host != "" {
			p.report.Leave(r.Object, r.Path, "rules of one of several backends: a gateway's rules run before one is chosen. %s", instead)
		}
	}
}

// again says what becomes of a request whose path changes at a gateway.
func (p *placer) again(v *plan.VHost, r *plan.Route, e *entry) {
	if len(r.Backends) == 1 {
		b := r.Backends[0]
		e.headers = plan.Headers(e.headers, b.Headers)
		if b.Host != "" {
			rewrite, _ := e.do.Get("rewrite").(plan.Fields)
			e.do = plan.Fields{{Key: "rewrite", Value: rewrite.Without("host").With("host", b.Host)}}
		}

		e.acts = r.Acts(&b)
	} else {
		p.several(r)
	}

	switch {
	case !e.acts || len(e.do) == 0:
	case p.policy:
		p.rerouted(v, r, e)
	case !p.look(v).single:
		p.report.Ask(r.Object, r.Path, "the gateway chooses the route again by the new path, and this host has several backends: give each new path a "+
			"route to the same one, or use --at destination")
	}
}

// backend gives the workload of a backend. Where no proxy is known to run in
// front of it, the rules run where requests come from, if the route that is
// chosen again is the same.
func (p *placer) backend(t *plan.Table, v *plan.VHost, r *plan.Route, b *plan.Backend) *workload {
	why := "is not a Service"
	if b.Elsewhere == "" {
		w, reason := p.service(b.Service, b.Labels, r)
		if w != nil {
			return w
		}

		why = reason
	}
	if !r.Acts(b) {
		return nil
	}

	name := b.Elsewhere
	if name == "" {
		name = "Service " + b.Service.String()
	}
	if !v.Single() {
		p.report.Leave(r.Object, r.Path, "%s %s, so no proxy of its own runs rules: keep this rewrite in the object", name, why)
		return nil
	}
	if t.Mesh {
		p.report.Differ(r.Object, r.Path, "%s %s, so the rules run in the sidecars of this namespace, for their calls; those of "+
			"other namespaces want the same", name, why)
		return p.clients(v)
	}
	p.report.Differ(r.Object, r.Path, "%s %s, so the rules run at the gateway, which chooses the route again by what they make of a request: every "+
		"path of this host has to go there still", name, why)

	return p.gateway(t)
}

// service gives the workload of a Service's Pods, or why there is none.
func (p *placer) service(s plan.Service, labels map[string]string, r *plan.Route) (*workload, string) {
	known := p.cluster.find(s)

	waypoint := plan.Fields{}.With("namespace", s.Namespace).With("targetRefs", []any{plan.Fields{{Key: "kind", Value: "Service"}, {Key: "name", Value: s.Name}}})
	switch {
	case p.options.Waypoint || known != nil && known.waypoint:
		return p.workload(s.Name, waypoint), ""
	case known == nil:
		namespace := ""
		if s.Namespace != "" {
			namespace = " -n " + s.Namespace
		}
		if slices.ContainsFunc(r.Backends, func(b plan.Backend) bool { return b.Service == s && r.Acts(&b) }) || r.Answers {
			p.report.Ask("Service "+s.String(), "spec.selector", "is not in the input, so its Pods are not known: add it (kubectl get service%s %s -o "+
				"yaml). Until then its rules are written for a waypoint; if it has one, say --waypoint", namespace, s.Name)
		}
		return p.workload(s.Name, waypoint), ""
	case known.external != "":
		return nil, "is a name for " + known.external
	case len(known.selector) == 0:
		return nil, "has no selector"
	}

	all := map[string]string{}
	for _, of := range []map[string]string{known.selector, labels} {
		for key, value := range of {
			all[key] = value
		}
	}

	return p.workload(s.Name, plan.Fields{}.With("namespace", s.Namespace).With("selector", selector(all))), ""
}

// add adds an entry, once for a route and hosts of a table.
func (w *workload) add(e *entry) {
	if len(w.lists) == 0 || w.lists[len(w.lists)-1].table != w.placer.table {
		w.lists = append(w.lists, &entries{table: w.placer.table, seen: map[string]*entry{}})
	}

	of := w.lists[len(w.lists)-1]
	e.ways = w.placer.host.Via(e.route)

	key := e.key()
	if was := of.seen[key]; was != nil {
		was.also(e)
		return
	}

	of.seen[key] = e
	of.list = append(of.list, e)
}

// key tells an entry from those of other routes and hosts.
func (e *entry) key() string {
	var key strings.Builder
	key.WriteString(strconv.FormatUint(uint64(reflect.ValueOf(e.route).Pointer()), 16))

	for _, h := range e.hosts {
		key.WriteString("|" + strconv.Itoa(int(h.Kind)) + h.Text)
	}
	key.WriteString("|" + e.scheme)

	return key.String()
}

// also says that an entry has the ways of another one of its route, too.
func (e *entry) also(o *entry) {
	for _, way := range o.ways {
		if !slices.Contains(e.ways, way) {
			e.ways = append(slices.Clip(e.ways), way)
		}
	}
}
