package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	api "istio.io/api/networking/v1alpha3"
	istio "istio.io/client-go/pkg/apis/networking/v1"
)

// virtualService carries over the rewrites, redirects, direct responses and
// header rules of a VirtualService. Where it sends requests stays with it.
func (m *migration) virtualService(o *istio.VirtualService) {
	spec := &o.Spec
	name := "mesh"
	if len(spec.Gateways) > 0 {
		name = spec.Gateways[0][strings.LastIndexByte(spec.Gateways[0], '/')+1:]
	} else {
		m.leave("spec.gateways", "the VirtualService is of the mesh: name the Pods whose sidecars run the rules under selector, and traffic: [{mode: CLIENT}] for their clients' side")
	}
	if slices.Contains(spec.Gateways, "mesh") {
		m.leave("spec.gateways", "mesh among the gateways: the rules are carried over for the gateway only")
	}
	w := m.selected(name)
	for i, route := range spec.Http {
		at := fmt.Sprintf("spec.http[%d]", i)
		if route.Delegate != nil {
			m.leave(at+".delegate", "import the VirtualService that it names, and put its prefix in front")
		}
		matches := route.Match
		if len(matches) == 0 {
			matches = []*api.HTTPMatchRequest{nil}
		}
		for j, match := range matches {
			in := at
			if match != nil {
				in = fmt.Sprintf("%s.match[%d]", at, j)
			}
			conditions, ok := m.routeMatch(in, spec.Hosts, match)
			if !ok {
				continue
			}
			e := entry{object: m.at, path: in, match: conditions}
			if !m.routeAction(at, route, match, &e) {
				// The ones after it must not take its requests.
				e.action, e.headers = nil, nil
			}
			w.entries = append(w.entries, e)
		}
	}
	if len(spec.Tcp)+len(spec.Tls) > 0 {
		m.leave("spec.tcp, spec.tls", "is no HTTP")
	}
}

// text gives the matcher of a StringMatch. Istio's regexes are anchored.
func text(s *api.StringMatch) fields {
	switch v := s.GetMatchType().(type) {
	case *api.StringMatch_Exact:
		return fields{{"exact", v.Exact}}
	case *api.StringMatch_Prefix:
		return fields{{"prefix", v.Prefix}}
	case *api.StringMatch_Regex:
		return fields{{"regex", "^(?:" + v.Regex + ")$"}}
	}
	return fields{{"present", true}}
}

func (m *migration) routeMatch(at string, names []string, in *api.HTTPMatchRequest) (match fields, ok bool) {
	ok = true
	authority := hosts(names)
	if in == nil {
		return fields{}.with("host", authority), true
	}
	leave := func(key, reason string) {
		m.leave(at+"."+key, "%s", reason)
		ok = false
	}
	if in.Authority != nil {
		authority = text(in.Authority)
	}
	if in.Uri != nil {
		path := fields{}
		switch v := in.Uri.MatchType.(type) {
		case *api.StringMatch_Exact:
			path = fields{{"exact", v.Exact}}
		case *api.StringMatch_Prefix:
			if v.Prefix != "/" {
				path = fields{{"regex", "^" + regexp.QuoteMeta(v.Prefix)}}
			}
		case *api.StringMatch_Regex:
			path = fields{{"regex", "^(?:" + v.Regex + ")$"}}
		}
		if len(path) > 0 && in.IgnoreUriCase {
			path = append(path, field{"ignoreCase", true})
		}
		match = match.with("path", path)
	}
	match = match.with("host", authority)
	if in.Scheme != nil {
		if exact := in.Scheme.GetExact(); exact == "http" || exact == "https" {
			match = match.with("scheme", exact)
		} else {
			leave("scheme", "match.scheme is http or https")
		}
	}
	if in.Method != nil {
		if exact := in.Method.GetExact(); exact != "" {
			match = match.with("methods", []any{exact})
		} else {
			leave("method", "match.methods is a list of methods: write them out")
		}
	}
	var headers, query []any
	for _, list := range []struct {
		key string
		of  map[string]*api.StringMatch
		not bool
		to  *[]any
	}{{"headers", in.Headers, false, &headers}, {"withoutHeaders", in.WithoutHeaders, true, &headers}, {"queryParams", in.QueryParams, false, &query}} {
		for _, name := range sorted(list.of) {
			if strings.HasPrefix(name, "@") {
				leave(list.key+"."+name, "dynamic metadata cannot be matched")
				continue
			}
			one := append(fields{{"name", name}}, text(list.of[name])...)
			if list.not {
				one = append(one, field{"not", true})
			}
			*list.to = append(*list.to, one)
		}
	}
	match = match.with("headers", headers).with("query", query)
	if in.Port != 0 {
		leave("port", "give the workload traffic: [{ports: [N]}], and the pattern no port")
	}
	if len(in.SourceLabels) > 0 || in.SourceNamespace != "" {
		leave("sourceLabels", "who sends a request is chosen by selector: give those Pods a workload of their own")
	}
	if len(in.Gateways) > 0 {
		leave("gateways", "give each gateway a workload of its own")
	}
	return match, ok
}

// routeAction puts what a route does into the entry, and tells whether all that
// changes requests could be carried over.
func (m *migration) routeAction(at string, r *api.HTTPRoute, match *api.HTTPMatchRequest, e *entry) bool {
	ok := true
	leave := func(key, reason string) {
		m.leave(at+"."+key, "%s", reason)
		ok = false
	}
	var rewriteHost string
	e.headers, rewriteHost = m.routeHeaders(at+".headers", r.Headers)
	for i, d := range r.Route {
		if d.Headers == nil {
			continue
		}
		key := fmt.Sprintf("%s.route[%d].headers", at, i)
		if len(r.Route) > 1 {
			m.leave(key, "rules for one of several destinations: the filter acts before a destination is chosen")
			continue
		}
		more, name := m.routeHeaders(key, d.Headers)
		if e.headers == nil {
			e.headers = more
		} else if more != nil {
			m.leave(key, "merge it by hand with the headers of the route")
		}
		if rewriteHost == "" {
			rewriteHost = name
		}
	}
	switch {
	case r.Redirect != nil:
		e.action = fields{{"redirect", m.routeRedirect(at, r.Redirect)}}
	case r.DirectResponse != nil:
		respond := fields{{"status", int(r.DirectResponse.Status)}}
		if body := r.DirectResponse.Body; body != nil {
			if len(body.GetBytes()) > 0 {
				leave("directResponse.body.bytes", "a body is text")
			}
			respond = respond.with("body", body.GetString_())
		}
		e.action = fields{{"respond", respond}}
	case r.Rewrite != nil || rewriteHost != "":
		to := fields{}
		if re := r.Rewrite.GetUriRegexRewrite(); re != nil {
			if path := match.GetUri(); path != nil && path.GetPrefix() != "/" && !within(path, re.Match) {
				leave("rewrite.uriRegexRewrite", "the path is matched by one regex and rewritten by another: write one regex that does both")
				return false
			}
			e.match = e.match.replace("path", fields{{"regex", re.Match}})
			to = append(to, field{"path", strings.ReplaceAll(re.Rewrite, "$", "$$")})
		} else if uri := r.Rewrite.GetUri(); uri != "" {
			path, how := match.GetUri(), "whole"
			if path == nil || path.GetPrefix() != "" {
				how = "first"
				if path.GetPrefix() == "" || path.GetPrefix() == "/" {
					e.match = e.match.replace("path", fields{{"regex", "^/"}})
				}
			}
			to = append(to, field{"path", literal(uri)}, field{"replace", how})
		}
		if name := r.Rewrite.GetAuthority(); name != "" {
			rewriteHost = literal(name)
		}
		e.action = fields{{"rewrite", to.with("host", rewriteHost)}}
	}
	return ok
}

// within tells whether a regex takes no path but those that a prefix matcher
// takes, so that the matcher can be left out.
func within(path *api.StringMatch, regex string) bool {
	prefix := path.GetPrefix()
	return prefix != "" && strings.HasPrefix(regex, "^"+regexp.QuoteMeta(prefix)) || path.GetRegex() != "" && strings.Trim(regex, "^$") == strings.Trim(path.GetRegex(), "^$")
}

func (f fields) replace(key string, value any) fields {
	for i := range f {
		if f[i].key == key {
			f = slices.Clone(f)
			f[i].value = value
			return f
		}
	}
	return append(fields{{key, value}}, f...)
}

func (m *migration) routeRedirect(at string, r *api.HTTPRedirect) fields {
	to := fields{}
	status := int(r.RedirectCode)
	if status == 0 {
		status = 301
	}
	to = append(to, field{"status", status}).with("scheme", r.Scheme).with("host", literal(r.Authority))
	if port := r.GetPort(); port != 0 {
		to = append(to, field{"port", int(port)})
	} else if r.GetDerivePort() == api.HTTPRedirect_FROM_REQUEST_PORT {
		m.leave(at+".redirect.derivePort", "write redirect.port")
	}
	if r.Uri != "" {
		to = append(to, field{"path", literal(r.Uri)}, field{"replace", "whole"})
		if strings.Contains(r.Uri, "?") {
			to = append(to, field{"query", "drop"})
		}
	}
	return to
}

// routeHeaders carries over header operations. A host among them is a rewrite.
func (m *migration) routeHeaders(at string, h *api.Headers) (headers fields, rewriteHost string) {
	for _, side := range []struct {
		name string
		of   *api.Headers_HeaderOperations
	}{{"request", h.GetRequest()}, {"response", h.GetResponse()}} {
		edits := fields{}
		var remove []any
		for _, name := range side.of.GetRemove() {
			remove = append(remove, name)
		}
		edits = edits.with("remove", remove)
		for _, op := range []struct {
			name string
			of   map[string]string
		}{{"set", side.of.GetSet()}, {"add", side.of.GetAdd()}} {
			values := fields{}
			for _, name := range sorted(op.of) {
				value := op.of[name]
				key := at + "." + side.name + "." + op.name + "." + name
				switch low := strings.ToLower(name); {
				case strings.Contains(strings.ReplaceAll(value, "%%", ""), "%"):
					m.leave(key, "%q holds a command of Envoy's access log: write ${header.NAME}, ${path} or another reference", value)
				case (low == "host" || low == ":authority") && side.name == "request":
					rewriteHost = literal(strings.ReplaceAll(value, "%%", "%"))
				default:
					values = append(values, field{low, literal(strings.ReplaceAll(value, "%%", "%"))})
				}
			}
			edits = edits.with(op.name, values)
		}
		headers = headers.with(side.name, edits)
	}
	return headers, rewriteHost
}
