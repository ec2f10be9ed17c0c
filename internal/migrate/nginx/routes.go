package nginx

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	networking "k8s.io/api/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// Forwarded is a request header that ingress-nginx sets on every request and
// Envoy on none: it says that nginx has rewritten a request already.
const Forwarded = "x-forwarded-scheme"

// gateway is what the rules are called by that take nginx's place: they are none of
// nginx's own Pods.
const gateway = "gateway"

const prefixKey = prefix + "x-forwarded-prefix"

// Input is what is known of a cluster's Ingresses.
type Input struct {
	Ingresses []*networking.Ingress
	// Controllers has the controller of each IngressClass.
	Controllers map[string]string
	// Target is where the proxies run that take nginx's place.
	Target plan.Fields
}

// Tables gives the routes of each class of ingress-nginx.
func Tables(in Input, report *plan.Report) []plan.Table {
	for _, o := range in.Ingresses {
		report.Object(object(o))
	}

	byClass := ours(in.Ingresses, in.Controllers, report)

	var tables []plan.Table
	for _, class := range slices.Sorted(maps.Keys(byClass)) {
		way := plan.Way{Of: "Ingress class " + cmp.Or(class, only(byClass)), Leaving: true}

		m := model{report: report}
		servers := build(sorted(byClass[class]), report)

		var hosts []plan.VHost
		for _, s := range servers {
			hosts = append(hosts, m.server(s)...)
			hosts = append(hosts, m.www(s, servers)...)
		}

		for i := range hosts {
			hosts[i].Ways = []plan.Way{way}
		}

		tables = append(tables, plan.Table{Name: gateway, Target: in.Target, Hosts: plan.Group(hosts)})
	}

	return tables
}

// only gives the one class that Ingresses have, if there is just one: those
// without a class are taken to be of its controller.
func only(byClass map[string][]*networking.Ingress) (name string) {
	for class := range byClass {
		switch {
		case class == "":
		case name != "":
			return `""`
		default:
			name = class
		}
	}
	return cmp.Or(name, `""`)
}

type model struct{ report *plan.Report }

// server gives the routes of one host: the redirect of its root, then each
// location in the order in which nginx tries them.
func (m *model) server(s *server) []plan.VHost {
	if len(s.locations) == 0 {
		return nil
	}

	m.idle(s)

	var routes []*plan.Route
	for _, l := range s.locations {
		if root := m.root(l); root != nil {
			routes = append(routes, root)
			break // nginx answers by the first
		}
	}
	// One redirect for the host, where all its locations have the same.
	https := !slices.ContainsFunc(s.locations, func(l *location) bool {
		return l.set.redirect != nil || isAddress(l.set.target) || exempt(l) || !l.set.force && !(s.tls && l.set.ssl)
	})
	if https {
		l := s.locations[0]
		routes = append(routes, secure(l, nil))
	}

	regex := s.regex()
	if regex {
		for i, l := range s.locations {
			if s.below(l) {
				lower := *l
				lower.path = strings.TrimSuffix(l.path, "/") + "/"
				s.locations[i] = &lower
			}
		}
	}

	for _, l := range s.order(regex) {
		routes = append(routes, m.location(l, regex, s.tls && !https, !https)...)
	}

	names := []plan.Host{name(s.host)}

	all := []plan.VHost{{Names: names, Routes: routes}}
	for _, alias := range s.aliases {
		h := name(alias)
		switch {
		case strings.HasPrefix(alias, "~"):
			h = plan.Host{Kind: plan.Regex, Text: strings.TrimPrefix(alias, "~")}
			// nginx ignores the case where any letter is upper case.
			if strings.ContainsFunc(alias, unicode.IsUpper) {
				h.Text = "(?i)" + h.Text
			}
		case strings.HasSuffix(alias, ".*"):
			h = plan.Host{Kind: plan.Regex, Text: "^" + regexp.QuoteMeta(strings.ToLower(strings.TrimSuffix(alias, "*"))) + ".+$"}
		case strings.HasPrefix(alias, "*."):
			// In server_name, unlike in an Ingress, * is any number of labels.
			h = plan.Name(alias)
		}

		all = append(all, plan.VHost{Names: []plan.Host{h}, Routes: routes})
	}

	return all
}

// idle says which annotations of a host's locations do nothing there, as in nginx.
func (m *model) idle(s *server) {
	for _, l := range s.locations {
		if l.set.target != "" && l.set.target == l.path && !l.def {
			m.report.Note(l.object, annotation(prefix+"rewrite-target"), "%s is the target already, and ingress-nginx rewrites only where they differ", l.path)
		}
		if l.set.sslSaid && l.set.ssl && !l.set.force && !s.tls && !l.def {
			m.report.Note(l.object, annotation(prefix+"ssl-redirect"), "host %s has no TLS, and ingress-nginx redirects only where it has: "+
				"force-ssl-redirect does always", s.host)
		}
	}
}

// name reads the host of an Ingress: * is one label of letters, digits, _ and -.
func name(host string) plan.Host {
	host = strings.ToLower(host)
	switch {
	case host == anyHost:
		return plan.Host{Kind: plan.Any}
	case strings.HasPrefix(host, "*."):
		return plan.Host{Kind: plan.Label, Text: host[1:]}
	}
	return plan.Host{Kind: plan.Exact, Text: host}
}

// order gives the locations as nginx tries them: regexes as they are written,
// of the others exact ones first and then the longest.
func (s *server) order(regex bool) []*location {
	if regex {
		return s.locations
	}

	list := slices.Clone(s.locations)
	slices.SortStableFunc(list, func(a, b *location) int {
		x, y := a.kind == networking.PathTypeExact, b.kind == networking.PathTypeExact
		switch {
		case x != y && x:
			return -1
		case x != y:
			return 1
		}
		return len(b.path) - len(a.path)
	})

	return list
}

// www redirects the other name of a host, with or without www, to it.
func (m *model) www(s *server, all []*server) []plan.VHost {
	if !s.www {
		return nil
	}

	from, ok := strings.CutPrefix(s.host, "www.")
	if !ok {
		from = "www." + s.host
	}

	l := s.locations[slices.IndexFunc(s.locations, func(l *location) bool { return l.set.www })]

	key := annotation(prefix + "from-to-www-redirect")
	switch {
	case s.host == anyHost || strings.HasPrefix(s.host, "*"):
		m.report.Leave(l.object, key, "host %s has no other name", s.host)
		return nil
	case slices.ContainsFunc(all, func(s *server) bool { return s.host == from || slices.Contains(s.aliases, from) }):
		m.report.Differ(l.object, key, "%s is a host of its own, so ingress-nginx does not redirect it", from)
		return nil
	}

	to := plan.Fields{{Key: "status", Value: 308}, {Key: "host", Value: plan.Literal(s.host)}}
	m.report.Differ(l.object, key, "the gateway has to take %s, too; a trailing / that nginx would take off the address stays", from)

	return []plan.VHost{{Names: []plan.Host{name(from)}, Routes: []*plan.Route{{Object: l.object, Path: key,
		Do: plan.Fields{{Key: "redirect", Value: to}}, Answers: true}}}}
}

// root is app-root: nginx tests for / before it looks for a location.
func (m *model) root(l *location) *plan.Route {
	if l.set.root == "" {
		return nil
	}

	path, err := variables(l.set.root, 0, nil)
	if err != nil {
		m.report.Leave(l.object, annotation(prefix+"app-root"), "%q: %v", l.set.root, err)
		return nil
	}
	if l.set.root == "/" {
		m.report.Leave(l.object, annotation(prefix+"app-root"), "/ redirected to / is a loop")
		return nil
	}

	to := plan.Fields{{Key: "status", Value: 302}, {Key: "path", Value: path}, {Key: "query", Value: "drop"}}

	return &plan.Route{
		Object: l.object, Path: annotation(prefix + "app-root"), Answers: true,
		Match: plan.Fields{{Key: "path", Value: plan.Fields{{Key: "exact", Value: "/"}}}}, Do: plan.Fields{{Key: "redirect", Value: to}},
	}
}

// exempt are the locations of ACME, which are never redirected.
func exempt(l *location) bool { return strings.HasPrefix(l.path, "/.well-known/acme-challenge") }

// secure redirects what came by http.
func secure(l *location, match plan.Fields) *plan.Route {
	to := plan.Fields{{Key: "status", Value: 308}, {Key: "scheme", Value: "https"}}
	return &plan.Route{
		Object: l.object, Path: l.at, Answers: true,
		Match: append(slices.Clip(match), plan.Field{Key: "scheme", Value: "http"}), Do: plan.Fields{{Key: "redirect", Value: to}},
	}
}

// location gives the routes of one location: a redirect of its own, or one to
// https and what nginx does before it passes a request on.
func (m *model) location(l *location, regex, tls, own bool) []*plan.Route {
	r := &plan.Route{Object: l.object, Path: l.at, Marks: Forwarded}
	for _, s := range l.backends {
		r.Backends = append(r.Backends, plan.Backend{Service: s})
	}

	path, groups, names := m.match(l, regex, r)
	switch {
	case r.Left:
		return []*plan.Route{r}
	case l.set.redirect != nil:
		m.redirect(l, r, groups, names)
		return []*plan.Route{r}
	case isAddress(l.set.target):
		to, err := locationOf(l.set.target, groups, names, true)
		if err != nil {
			m.report.Leave(l.object, annotation(prefix+"rewrite-target"), "%v: write redirect by hand", err)

			r.Left = true
			return []*plan.Route{r}
		}

		r.Answers, r.Backends = true, nil
		r.Do = plan.Fields{{Key: "redirect", Value: append(plan.Fields{{Key: "status", Value: 302}}, oneSlash(r, path, to)...)}}

		return emptied(r)
	}
	var routes []*plan.Route
	if own && !exempt(l) && (l.set.force || tls && l.set.ssl) {
		first := secure(l, r.Match)
		first.Unless = r.Unless
		routes = append(routes, first)
	}
	m.rewrite(l, r, path, groups, names)

	return append(routes, emptied(r)...)
}

// emptied makes two routes of one whose path would begin with two slashes where
// a group is empty: one for a group that is not, and one without the group.
func emptied(r *plan.Route) []*plan.Route {
	match, _ := r.Match.Get("path").(plan.Fields)
	how := "rewrite"
	if r.Answers {
		how = "redirect"
	}

	rewrite, _ := r.Do.Get(how).(plan.Fields)
	regex, _ := match.Get("regex").(string)
	text, _ := rewrite.Get("path").(string)
	full, rest, ok := plan.Filled(regex, text)
	if !ok {
		return []*plan.Route{r}
	}

	first := *r
	first.Match = r.Match.Put("path", match.Put("regex", full))
	regex, rest, _ = plan.OneSlash(regex, rest)
	r.Match = r.Match.Put("path", match.Put("regex", regex))
	r.Do = r.Do.Put(how, rewrite.Put("path", rest))

	return []*plan.Route{&first, r}
}

// match puts the location's path into the route, and gives its regex, if it is
// one, and that one's groups.
func (m *model) match(l *location, regex bool, r *plan.Route) (path string, groups int, names []string) {
	put := func(key, value string, fold bool) {
		p := plan.Fields{{Key: key, Value: value}}
		if fold {
			p = append(p, plan.Field{Key: "ignoreCase", Value: true})
		}

		r.Match = r.Match.Put("path", p)
	}
	if !regex {
		switch {
		case l.kind == networking.PathTypeExact:
			put("exact", l.path, false)
		case l.path == "/":
		case l.kind == networking.PathTypePrefix && !strings.HasSuffix(l.path, "/"):
			put("prefix", l.path, false)
		default:
			put("regex", "^"+regexp.QuoteMeta(l.path), false)
		}
		return "", 0, nil
	}

	path = "^" + plan.RE2(token(l.path))
	if _, err := regexp.Compile(path); err != nil {
		rest, excluded, ok := plan.Without(path)

		excluded = plan.AnySlashes(excluded)
		if _, wrong := regexp.Compile(rest); ok && wrong == nil {
			if _, wrong = regexp.Compile(excluded); wrong == nil {
				path = rest
				r.Unless = []any{plan.Fields{{Key: "path", Value: plan.Fields{{Key: "regex", Value: excluded}, {Key: "ignoreCase", Value: true}}}}}
				err = nil
			}
		}
		if err != nil {
			begins := plan.Beginning(path)
			m.report.Leave(l.object, l.at, "%v: write the pattern by hand. Until then what begins with %q is left as it is", reason(err), begins)

			r.Left = true
			put("regex", "^"+regexp.QuoteMeta(begins), true)
			return "", 0, nil
		}
	}

	groups, names = plan.Groups(path)
	if path == "^/" {
		return path, 0, nil
	}
	put("regex", path, true)

	return path, groups, names
}

func reason(err error) string { return strings.TrimPrefix(err.Error(), "error parsing regexp: ") }
