package gatewayapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// rewritten is the header that Envoy sets where a route rewrote the path.
const rewritten = "x-envoy-original-path"

// rows gives the rows of an HTTPRoute: one for each match of each rule.
func (m *model) rows(o *gateway.HTTPRoute) []*row {
	var rows []*row

	var routes []*plan.Route
	for i, rule := range o.Spec.Rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		matches := rule.Matches
		if len(matches) == 0 {
			matches = []gateway.HTTPRouteMatch{{}}
		}

		for j, match := range matches {
			r := &row{Route: &plan.Route{Object: object(o), Path: at, Marks: rewritten}}
			if len(rule.Matches) > 0 {
				r.Path = fmt.Sprintf("%s.matches[%d]", at, j)
			}
			m.match(match, r)
			// Envoy Gateway runs the filters of the route that it chose.
			if m.EnvoyGateway != nil {
				r.Target = Target("HTTPRoute", plan.Service{Namespace: o.Namespace, Name: o.Name})
			}

			f := filters{m: m, of: o, object: r.Object, namespace: o.Namespace, match: match, to: r.Route}
			f.all(at, rule.Filters)
			if !r.Answers {
				m.backends(at, o, rule, r.Route)
			}

			rows, routes = append(rows, r), append(routes, r.Route)
		}
		plan.Together(m.report, routes[len(routes)-len(matches):])
	}

	return rows
}

// match puts the conditions into the row, and its place: an exact path first,
// then the longest prefix, then a regex, as Istio has it; a method, the most
// headers, the most parameters.
func (m *model) match(in gateway.HTTPRouteMatch, r *row) {
	rank, length, method := 2, 1, 0
	if p := in.Path; p != nil && p.Value != nil {
		kind := gateway.PathMatchPathPrefix
		if p.Type != nil {
			kind = *p.Type
		}

		length = len(*p.Value)
		switch {
		case kind == gateway.PathMatchExact:
			rank = 3
			r.Match = append(r.Match, plan.Field{Key: "path", Value: plan.Fields{{Key: "exact", Value: *p.Value}}})
		case kind == gateway.PathMatchRegularExpression:
			rank = 1
			r.Match = append(r.Match, plan.Field{Key: "path", Value: plan.Fields{{Key: "regex", Value: "^(?:" + *p.Value + ")$"}}})
		case *p.Value != "/" && *p.Value != "":
			length = len(strings.TrimSuffix(*p.Value, "/"))
			r.Match = append(r.Match, plan.Field{Key: "path", Value: plan.Fields{{Key: "prefix", Value: *p.Value}}})
		}
	}
	if in.Method != nil {
		method = 1
		r.Match = append(r.Match, plan.Field{Key: "methods", Value: []any{string(*in.Method)}})
	}

	var headers, query []any
	for _, h := range in.Headers {
		headers = append(headers, value(strings.ToLower(string(h.Name)), h.Value, h.Type != nil && *h.Type == gateway.HeaderMatchRegularExpression))
	}

	for _, q := range in.QueryParams {
		query = append(query, value(string(q.Name), q.Value, q.Type != nil && *q.Type == gateway.QueryParamMatchRegularExpression))
	}

	if len(query) > 0 {
		m.report.Differ(r.Object, r.Path+".queryParams", plan.FirstValue)
	}

	r.Match = r.Match.With("headers", headers).With("query", query)
	r.rank = []int{rank, length, method, len(headers), len(query)}
	if m.EnvoyGateway != nil {
		r.rank = rankOfEnvoyGateway(in)
	}
}

func value(name, text string, regex bool) plan.Fields {
	if regex {
		return plan.Fields{{Key: "name", Value: name}, {Key: "regex", Value: "^(?:" + text + ")$"}}
	}
	return plan.Fields{{Key: "name", Value: name}, {Key: "exact", Value: text}}
}

// backends puts the rule's backends into the route, each with its own filters.
func (m *model) backends(at string, o *gateway.HTTPRoute, rule gateway.HTTPRouteRule, to *plan.Route) {
	for i, ref := range rule.BackendRefs {
		key := fmt.Sprintf("%s.backendRefs[%d]", at, i)
		namespace := o.Namespace
		if ref.Namespace != nil {
			namespace = string(*ref.Namespace)
		}

		b := plan.Backend{Service: plan.Service{Namespace: namespace, Name: string(ref.Name)}, Granted: true}
		if ref.Kind != nil && *ref.Kind != "Service" {
			b = plan.Backend{Elsewhere: string(*ref.Kind) + " " + string(ref.Name)}
			if service, ok := m.Resolve(string(ref.Name), namespace); ok && *ref.Kind == "Hostname" {
				b = plan.Backend{Service: service}
			}
		} else if !m.granted(o, key, b.Service) {
			continue
		}

		own := plan.Route{}
		f := filters{m: m, object: to.Object, namespace: o.Namespace, to: &own, backend: true}
		f.all(key, ref.Filters)

		b.Headers = own.Headers
		to.TakeOut = append(to.TakeOut, own.TakeOut...)
		to.Backends = append(to.Backends, b)
	}

	// Where none may be named, the Gateway answers 500.
	if len(rule.BackendRefs) > 0 && len(to.Backends) == 0 {
		to.Left = true
	}
}

// filters carries over the filters of a rule or of one backend.
type filters struct {
	m         *model
	of        *gateway.HTTPRoute // none of those of one backend
	object    string
	namespace string
	match     gateway.HTTPRouteMatch
	to        *plan.Route
	backend   bool
}

func (f filters) leave(at, reason string, args ...any) {
	f.m.report.Leave(f.object, at, reason, args...)
}

func (f filters) all(at string, list []gateway.HTTPRouteFilter) {
	answers := f.answers(list)
	for i, one := range list {
		at := fmt.Sprintf("%s.filters[%d]", at, i)
		if answers >= 0 && (i > answers || one.Type == gateway.HTTPRouteFilterURLRewrite || one.Type == gateway.HTTPRouteFilterRequestRedirect) {
			continue
		}

		switch one.Type {
		case gateway.HTTPRouteFilterURLRewrite:
			if f.backend {
				f.leave(at, "a rewrite of one backend is not run by any Gateway")
				continue
			}
			f.rewrite(at, one.URLRewrite)
		case gateway.HTTPRouteFilterRequestRedirect:
			f.redirect(at, one.RequestRedirect)
		case gateway.HTTPRouteFilterRequestHeaderModifier:
			f.headers(at, "request", one.RequestHeaderModifier)
		case gateway.HTTPRouteFilterResponseHeaderModifier:
			f.headers(at, "response", one.ResponseHeaderModifier)
		case gateway.HTTPRouteFilterExtensionRef:
			f.extension(at, one.ExtensionRef, answers >= 0)
		case gateway.HTTPRouteFilterRequestMirror, gateway.HTTPRouteFilterCORS, gateway.HTTPRouteFilterExternalAuth:
			// These stay with the route.
		default:
			f.leave(at+".type", "%s is not a filter of this API: it is misspelt, or newer than this program", one.Type)
		}
	}
}

func (f filters) headers(at, side string, h *gateway.HTTPHeaderFilter) {
	edits := plan.Fields{}

	var remove []any
	for _, name := range h.Remove {
		remove = append(remove, strings.ToLower(name))
	}

	edits = edits.With("remove", remove)
	for _, op := range []struct {
		name string
		of   []gateway.HTTPHeader
	}{{"set", h.Set}, {"add", h.Add}} {
		values := plan.Fields{}
		for _, one := range op.of {
			name := strings.ToLower(string(one.Name))

			text, ok := plan.Commands(one.Value)
			if !ok {
				f.leave(fmt.Sprintf("%s.%sHeaderModifier.%s", at, side, op.name), plan.NoCommand, one.Value)
				continue
			}

			switch was := values.Get(name).(type) {
			case nil:
				values = append(values, plan.Field{Key: name, Value: text})
			case string:
				values = values.Put(name, []any{was, text})
				f.m.report.Differ(f.object, at, "%s is written more than once: a Gateway may take the first value only, the rules take all", name)
			case []any:
				values = values.Put(name, append(was, text))
			}
		}

		edits = edits.With(op.name, values)
	}

	f.to.Headers = f.to.Headers.Merge(plan.Fields{}.With(side, edits))
	f.to.TakeOut = append(f.to.TakeOut, at)
}

func (f filters) rewrite(at string, u *gateway.HTTPURLRewriteFilter) {
	if f.twice(at, u.Path != nil, u.Hostname != nil) {
		return
	}

	to := f.path(at+".urlRewrite.path", u.Path, true)
	if u.Hostname != nil {
		to = append(to, plan.Field{Key: "host", Value: plan.Literal(string(*u.Hostname))})
	}

	f.rewritten(to)
	f.to.TakeOut = append(f.to.TakeOut, at)
}

func (f filters) redirect(at string, r *gateway.HTTPRequestRedirectFilter) {
	f.to.Answers = true
	to := plan.Fields{}
	if r.StatusCode != nil {
		to = append(to, plan.Field{Key: "status", Value: *r.StatusCode})
	}
	if r.Scheme != nil {
		to = append(to, plan.Field{Key: "scheme", Value: *r.Scheme})
	}
	if r.Hostname != nil {
		to = append(to, plan.Field{Key: "host", Value: plan.Literal(string(*r.Hostname))})
	}

	switch {
	case r.Port != nil:
		to = append(to, plan.Field{Key: "port", Value: int(*r.Port)})
	case r.Scheme == nil && r.Hostname != nil && f.of != nil:
		to = to.With("port", f.port(at))
	}

	to = append(to, f.path(at+".requestRedirect.path", r.Path, false)...)
	// What is redirected to its own address but for the scheme came by the other
	// one: the same again would be a loop.
	if r.Scheme != nil && r.Hostname == nil && r.Path == nil && f.to.Match.Get("scheme") == nil {
		other := map[string]string{"https": "http", "http": "https"}[*r.Scheme]
		f.to.Match = f.to.Match.With("scheme", other)
	}

	f.to.Do = plan.Fields{{Key: "redirect", Value: to}}
	f.to.TakeOut = nil
}

// port is the one that a redirect without scheme and port goes to: that of the
// listener, unless it is the one that its scheme has anyway.
func (f filters) port(at string) any {
	ports := f.m.ports(f.of)
	switch {
	case len(ports) > 1:
		f.m.report.Ask(f.object, at+".requestRedirect.port", "the redirect goes to the port of the listener, the listeners have %s, and the rules do not tell "+
			"them apart: write one", strings.Trim(fmt.Sprint(ports), "[]"))
	case len(ports) == 1 && ports[0] != 80:
		return ports[0]
	}

	return nil
}

// ports are those of the listeners that run a route, as far as they are known;
// 80 of http and 443 of https are one, which no address has to name.
func (m *model) ports(o *gateway.HTTPRoute) (ports []int) {
	add := func(port gateway.PortNumber, usual bool) {
		if usual {
			port = 80
		}
		if !slices.Contains(ports, int(port)) {
			ports = append(ports, int(port))
		}
	}

	for _, ref := range o.Spec.ParentRefs {
		id := o.Namespace + "/" + string(ref.Name)
		if ref.Namespace != nil {
			id = string(*ref.Namespace) + "/" + string(ref.Name)
		}

		var listeners []gateway.Listener
		if known := m.Gateways[id]; known != nil {
			listeners = known.Spec.Listeners
		} else if set := m.ListenerSets[id]; set != nil && ref.Kind != nil && *ref.Kind == "ListenerSet" {
			listeners = set.Spec.Listeners
		} else if ref.Port != nil {
			add(*ref.Port, *ref.Port == 443)
		}

		for _, l := range listeners {
			if (ref.SectionName == nil || *ref.SectionName == l.Name) && (ref.Port == nil || *ref.Port == l.Port) && scheme(l) != "" {
				add(l.Port, l.Port == 443 && l.Protocol == gateway.HTTPSProtocolType)
			}
		}
	}

	return ports
}

var capture = regexp.MustCompile(`[$\\][0-9]|\$\{[0-9]\}`)

// path gives what becomes of the path, of a rewrite or a redirect. It gives the rule the prefix / where
// that was left out as no condition.
func (f filters) path(at string, p *gateway.HTTPPathModifier, rewrites bool) plan.Fields {
	switch {
	case p == nil:
		return nil
	case p.Type == gateway.FullPathHTTPPathModifier:
		text := *p.ReplaceFullPath
		in := f.match.Path
		if capture.MatchString(text) && in != nil && in.Value != nil && strings.Contains(*in.Value, "(") {
			// ingress2gateway writes captures of ingress-nginx so.
			return f.captures(at, *in.Value, text, in.Type != nil && *in.Type == gateway.PathMatchRegularExpression)
		}
		return plan.Fields{{Key: "path", Value: plan.Literal(text)}, {Key: "replace", Value: "whole"}}
	}

	text := *p.ReplacePrefixMatch
	if text == "" {
		text = "/"
		if !rewrites && f.m.EnvoyGateway == nil {
			f.m.report.Differ(f.object, at, "Istio takes an empty prefix for none, and the rules take the prefix off, as the Gateway API says")
		}
	}
	// Of a path that is the prefix itself Istio rewrites to no slash at the end.
	if rewrites && len(text) > 1 {
		text = strings.TrimSuffix(text, "/")
	}
	if in := f.match.Path; (in == nil || in.Value == nil || *in.Value == "/") && text != "/" && (rewrites || !strings.HasSuffix(text, "/")) {
		f.m.report.Differ(f.object, at, "%s makes %q of %q, and the rules %q, as the Gateway API says", f.m.controller(), text+"x", "/x", text+"/x")
	}
	if f.to.Match.Get("path") == nil {
		if text == "/" {
			return nil // / for /
		}

		f.to.Match = f.to.Match.Put("path", plan.Fields{{Key: "prefix", Value: "/"}})
	}
	if in, _ := f.to.Match.Get("path").(plan.Fields); in.Get("prefix") == nil {
		f.leave(at, "a prefix is replaced, and none is matched: match a PathPrefix")
		f.to.Left = true
		return nil
	}

	return plan.Fields{{Key: "path", Value: plan.Literal(text)}}
}

// captures takes a whole path with groups as it was meant: Gateways send the
// text as it stands.
func (f filters) captures(at, regex, text string, whole bool) plan.Fields {
	f.m.report.Differ(f.object, at, "a Gateway sends %q as it stands; the rules take its groups from the path's regex, as ingress-nginx did", text)

	full := "^" + strings.TrimPrefix(regex, "^")
	if whole {
		full = "^(?:" + strings.TrimSuffix(strings.TrimPrefix(regex, "^"), "$") + ")$"
	}

	text = strings.ReplaceAll(text, `$$`, `$`)
	if one, changed, ok := plan.OneSlash(full, text); ok {
		full, text = one, changed
	}

	f.to.Match = f.to.Match.Put("path", plan.Fields{{Key: "regex", Value: full}})

	return plan.Fields{{Key: "path", Value: text}, {Key: "replace", Value: "whole"}}
}

// extension carries over an HTTPRouteFilter of Envoy Gateway. answered says that
// the rule has a direct response, of this filter or of another.
func (f filters) extension(at string, ref *gateway.LocalObjectReference, answered bool) {
	name := plan.Service{Namespace: f.namespace, Name: string(ref.Name)}
	if ref.Kind != "HTTPRouteFilter" {
		f.leave(at, "a filter of kind %s is of another controller: write what it does by hand", ref.Kind)
		return
	}

	known := f.m.Filters[f.namespace+"/"+string(ref.Name)]
	switch {
	case known == nil:
		f.leave(at, "HTTPRouteFilter %s may rewrite, and is not in the input: add it", name)
		f.to.Left = true
	case f.backend:
		f.leave(at, "HTTPRouteFilter %s is of one backend: no rule knows which one is chosen", name)
	default:
		f.to.TakeOut = append(f.to.TakeOut, at)
		f.envoyGateway(at, &known.Spec, answered)
	}
}
