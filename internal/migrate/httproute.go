package migrate

import (
	"fmt"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// httpRoute carries over the filters of an HTTPRoute. Where it sends requests
// stays with it.
func (m *migration) httpRoute(o *gateway.HTTPRoute) {
	var w *workload
	for i, ref := range o.Spec.ParentRefs {
		at := fmt.Sprintf("spec.parentRefs[%d]", i)
		kind := gateway.Kind("Gateway")
		if ref.Kind != nil {
			kind = *ref.Kind
		}
		if ref.SectionName != nil || ref.Port != nil {
			m.leave(at, "the rules hold for all listeners: give the workload traffic: [{ports: [N]}] where they must not")
		}
		switch {
		case w != nil:
			m.leave(at, "a second parent: copy the workload, with this %s under targetRefs", kind)
		case kind == "Service":
			m.leave(at, "a route of a Service is run by a waypoint: put the Service under targetRefs, in its namespace")
			fallthrough
		case kind == "Gateway":
			namespace := o.Namespace
			if ref.Namespace != nil {
				namespace = string(*ref.Namespace)
			}
			refs := []any{fields{{"kind", string(kind)}, {"name", string(ref.Name)}}}
			w = m.workload(string(ref.Name), fields{}.with("namespace", namespace).with("targetRefs", refs))
		default:
			m.leave(at, "kind %s runs no filter", kind)
		}
	}
	if w == nil {
		if len(o.Spec.ParentRefs) == 0 {
			m.leave("spec.parentRefs", "names no Gateway: nothing was carried over")
		}
		return
	}
	names := make([]string, 0, len(o.Spec.Hostnames))
	for _, name := range o.Spec.Hostnames {
		names = append(names, string(name))
	}
	if len(names) == 0 {
		names = []string{"*"}
	}
	for i, rule := range o.Spec.Rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		matches := rule.Matches
		if len(matches) == 0 {
			matches = []gateway.HTTPRouteMatch{{}}
		}
		for _, backend := range rule.BackendRefs {
			if len(backend.Filters) > 0 {
				m.leave(at+".backendRefs", "filters of one backend: the filter acts before a backend is chosen")
				break
			}
		}
		for j, match := range matches {
			for _, name := range names {
				e := entry{object: m.at, path: fmt.Sprintf("%s.matches[%d]", at, j)}
				m.httpMatch(name, match, &e)
				m.filters(at, rule.Filters, &e, j == 0 && name == names[0])
				w.entries = append(w.entries, e)
			}
		}
	}
}

// httpMatch puts conditions into the entry, and its place: Gateway API tries
// the longest host, an exact path, the longest prefix, a method, the most
// headers and the most parameters first.
func (m *migration) httpMatch(name string, in gateway.HTTPRouteMatch, e *entry) {
	exactHost := 0
	if !strings.HasPrefix(name, "*") {
		exactHost = 1
	}
	exactPath, length := 0, 1
	if p := in.Path; p != nil && p.Value != nil {
		kind := gateway.PathMatchPathPrefix
		if p.Type != nil {
			kind = *p.Type
		}
		length = len(*p.Value)
		switch {
		case kind == gateway.PathMatchExact:
			exactPath = 1
			e.match = append(e.match, field{"path", fields{{"exact", *p.Value}}})
		case kind == gateway.PathMatchRegularExpression:
			e.match = append(e.match, field{"path", fields{{"regex", "^(?:" + *p.Value + ")$"}}})
		case *p.Value != "/":
			e.match = append(e.match, field{"path", fields{{"prefix", *p.Value}}})
		}
	}
	e.match = e.match.with("host", host(name))
	method := 0
	if in.Method != nil {
		method = 1
		e.match = append(e.match, field{"methods", []any{string(*in.Method)}})
	}
	var headers, query []any
	for _, h := range in.Headers {
		regex := h.Type != nil && *h.Type == gateway.HeaderMatchRegularExpression
		headers = append(headers, value(string(h.Name), h.Value, regex))
	}
	for _, q := range in.QueryParams {
		regex := q.Type != nil && *q.Type == gateway.QueryParamMatchRegularExpression
		query = append(query, value(string(q.Name), q.Value, regex))
	}
	e.match = e.match.with("headers", headers).with("query", query)
	e.order = []int{exactHost, len(name), exactPath, length, method, len(headers), len(query)}
}

func value(name, text string, regex bool) fields {
	if regex {
		return fields{{"name", name}, {"regex", "^(?:" + text + ")$"}}
	}
	return fields{{"name", name}, {"exact", text}}
}

// filters puts what the filters do into the entry. tell is false where the
// same filters were told of already.
func (m *migration) filters(at string, filters []gateway.HTTPRouteFilter, e *entry, tell bool) {
	for i, f := range filters {
		at := fmt.Sprintf("%s.filters[%d]", at, i)
		switch f.Type {
		case gateway.HTTPRouteFilterURLRewrite:
			to := fields{}
			to = append(to, pathModifier(f.URLRewrite.Path)...)
			if f.URLRewrite.Hostname != nil {
				to = append(to, field{"host", literal(string(*f.URLRewrite.Hostname))})
			}
			e.action = fields{}.with("rewrite", to)
			e.prefix(f.URLRewrite.Path)
		case gateway.HTTPRouteFilterRequestRedirect:
			r := f.RequestRedirect
			to := fields{}
			if r.StatusCode != nil {
				to = append(to, field{"status", *r.StatusCode})
			}
			if r.Scheme != nil {
				to = append(to, field{"scheme", *r.Scheme})
			}
			if r.Hostname != nil {
				to = append(to, field{"host", literal(string(*r.Hostname))})
			}
			if r.Port != nil {
				to = append(to, field{"port", int(*r.Port)})
			}
			e.action = fields{{"redirect", append(to, pathModifier(r.Path)...)}}
			e.prefix(r.Path)
		case gateway.HTTPRouteFilterRequestHeaderModifier:
			e.headers = append(e.headers, field{"request", modifier(f.RequestHeaderModifier)})
		case gateway.HTTPRouteFilterResponseHeaderModifier:
			e.headers = append(e.headers, field{"response", modifier(f.ResponseHeaderModifier)})
		default:
			if tell {
				m.leave(at, "a filter of type %s is no rewrite: it stays with the HTTPRoute", f.Type)
			}
		}
	}
}

// prefix gives an entry that replaces a prefix the prefix /, which is no
// condition, so that it was left out.
func (e *entry) prefix(p *gateway.HTTPPathModifier) {
	if p != nil && p.ReplacePrefixMatch != nil && e.match.get("path") == nil {
		e.match = append(fields{{"path", fields{{"prefix", "/"}}}}, e.match...)
	}
}

func pathModifier(p *gateway.HTTPPathModifier) fields {
	switch {
	case p == nil:
		return nil
	case p.Type == gateway.FullPathHTTPPathModifier && p.ReplaceFullPath != nil:
		return fields{{"path", literal(*p.ReplaceFullPath)}, {"replace", "whole"}}
	case p.ReplacePrefixMatch != nil:
		path := *p.ReplacePrefixMatch
		if path == "" {
			path = "/"
		}
		return fields{{"path", literal(path)}}
	}
	return nil
}

func modifier(h *gateway.HTTPHeaderFilter) fields {
	edits := fields{}
	var remove []any
	for _, name := range h.Remove {
		remove = append(remove, name)
	}
	edits = edits.with("remove", remove)
	for _, op := range []struct {
		name string
		of   []gateway.HTTPHeader
	}{{"set", h.Set}, {"add", h.Add}} {
		values := fields{}
		for _, one := range op.of {
			values = append(values, field{strings.ToLower(string(one.Name)), literal(one.Value)})
		}
		edits = edits.with(op.name, values)
	}
	return edits
}
