package istio

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	api "istio.io/api/networking/v1alpha3"
	istio "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// rewritten is the header that Envoy sets where a route rewrote the path.
const rewritten = "x-envoy-original-path"

// route gives the rows of one entry of spec.http, one for each match. namespace
// is that of its destinations.
func (m *model) route(object, at string, o *istio.VirtualService, namespace string, r *api.HTTPRoute) []*row {
	matches := r.Match
	if len(matches) == 0 {
		matches = []*api.HTTPMatchRequest{nil}
	}

	var list []*row
	for j, match := range matches {
		in := at
		if match != nil {
			in = fmt.Sprintf("%s.match[%d]", at, j)
		}

		one := &row{Route: &plan.Route{Object: object, Path: in, Marks: rewritten}, gateways: gateways(o)}
		m.action(at, namespace, r, one.Route)
		if match != nil {
			m.match(in, o, match, one)
		} else {
			one.all = true
		}
		if one.scheme != "" && one.Match.Get("scheme") == nil {
			one.Match = append(one.Match, plan.Field{Key: "scheme", Value: one.scheme})
		}
		one.onward()
		// A path that is taken by one matcher and rewritten by another needs a
		// route more for what the second does not take.
		more := m.rewrite(at, r, match, one)
		list = append(list, one)
		list = append(list, more...)
	}

	var routes []*plan.Route
	for _, one := range list {
		routes = append(routes, one.Route)
	}
	plan.Together(m.report, routes)

	for _, one := range routes {
		m.left(at, r, one)
	}

	return list
}

// onward gives a redirect to another scheme, and nothing else, the one that its
// requests have: the other's would be sent to where they are.
func (r *row) onward() {
	to, _ := r.Do.Get("redirect").(plan.Fields)
	scheme, _ := to.Get("scheme").(string)
	if scheme == "" || to.Get("host") != nil || to.Get("port") != nil || to.Get("path") != nil || r.Match.Get("scheme") != nil {
		return
	}

	r.Match = r.Match.With("scheme", map[string]string{"https": "http", "http": "https"}[scheme])
}

// match puts the conditions into the row. What cannot be said leaves a row that
// does nothing but keep its requests, as far as they can be told.
func (m *model) match(at string, o *istio.VirtualService, in *api.HTTPMatchRequest, r *row) {
	leave := func(key, reason string, args ...any) {
		m.report.Leave(r.Object, at+"."+key, reason, args...)
		r.Left = true
	}
	r.Match = r.Match.With("path", uri(in))
	if in.Scheme != nil {
		switch text := in.Scheme.GetExact(); {
		case text == "http" || text == "https":
			r.Match = append(r.Match, plan.Field{Key: "scheme", Value: text})
		case in.Scheme.GetRegex() == "https?" || in.Scheme.GetRegex() == ".*" || in.Scheme.GetPrefix() == "http":
		default:
			leave("scheme", "match.scheme is http or https")
		}
	}
	if in.Method != nil {
		if list := words(in.Method); list != nil {
			r.Match = r.Match.With("methods", list)
		} else {
			leave("method", "match.methods is a list of methods: write them out")
		}
	}

	var headers, query []any
	for _, name := range slices.Sorted(maps.Keys(in.Headers)) {
		switch one := in.Headers[name]; {
		case strings.HasPrefix(name, "@"):
			leave("headers."+name, "what a token claims cannot be matched")
		case name == ":authority" || strings.EqualFold(name, "host"):
			m.host(at+".headers."+name, one, r)
		case name == ":method" && words(one) != nil:
			r.Match = r.Match.Put("methods", words(one))
		case strings.HasPrefix(name, ":"):
			leave("headers."+name, "is not a header: write match.path, match.methods or match.scheme")
		default:
			headers = append(headers, append(plan.Fields{{Key: "name", Value: strings.ToLower(name)}}, text(one, false)...))
		}
	}

	for _, name := range slices.Sorted(maps.Keys(in.WithoutHeaders)) {
		if strings.HasPrefix(name, "@") || strings.HasPrefix(name, ":") {
			leave("withoutHeaders."+name, "is not a header")
			continue
		}

		headers = append(headers, without(strings.ToLower(name), in.WithoutHeaders[name])...)
	}

	for _, name := range slices.Sorted(maps.Keys(in.QueryParams)) {
		query = append(query, append(plan.Fields{{Key: "name", Value: name}}, text(in.QueryParams[name], false)...))
		m.report.Differ(r.Object, at+".queryParams", plan.FirstValue)
	}
	if in.Authority != nil {
		m.host(at+".authority", in.Authority, r)
	}

	r.Match = r.Match.With("headers", headers).With("query", query)
	m.where(at, o, in, r, leave)
	r.all = (in.Uri == nil || in.Uri.GetPrefix() == "/" || in.Uri.GetRegex() == ".*") && len(in.Headers)+len(in.WithoutHeaders)+len(in.QueryParams) == 0 &&
		in.Method == nil && in.Scheme == nil && in.Authority == nil
}

// host puts a condition on the host into the row. The rules see no port, so what
// tells one from another only keeps the requests of the host.
func (m *model) host(at string, s *api.StringMatch, r *row) {
	if !seesPort(s) {
		r.Match = r.Match.Put("host", text(s, true))
		return
	}

	m.report.Leave(r.Object, at, "tells one port from another, and rules see a host without its port: match the host alone, or keep the route here")
	r.Left = true

	name, _, _ := strings.Cut(s.GetPrefix(), ":")
	switch {
	case s.GetExact() != "":
		r.Match = r.Match.Put("host", text(s, true))
	case name != "":
		r.Match = r.Match.Put("host", plan.Fields{{Key: "prefix", Value: strings.ToLower(name)}})
	}
}

// seesPort reports whether a matcher of the host takes a port for what it is.
func seesPort(s *api.StringMatch) bool {
	if name := s.GetExact(); withoutPort(name) != name || strings.Contains(s.GetPrefix(), ":") {
		return true
	}

	re, err := syntax.Parse(s.GetRegex(), syntax.Perl)

	return err == nil && colon(re)
}

// colon reports whether a regex asks for a colon: the letter, or one of few.
func colon(re *syntax.Regexp) bool {
	in := func(letter rune) bool {
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] <= letter && letter <= re.Rune[i+1] {
				return true
			}
		}
		return false
	}
	switch re.Op {
	case syntax.OpLiteral:
		return slices.Contains(re.Rune, ':')
	case syntax.OpCharClass:
		return in(':') && !in('a')
	}

	return slices.ContainsFunc(re.Sub, colon)
}

// where decides which gateways and ports have the row.
func (m *model) where(at string, o *istio.VirtualService, in *api.HTTPMatchRequest, r *row, leave func(key, reason string, args ...any)) {
	if in.Port != 0 {
		switch scheme := m.port(o, in.Port); {
		case scheme == "":
			leave("port", "what port %d speaks is not known: add the Gateways %s to the input, or write match.scheme by hand", in.Port, strings.Join(gateways(o), ", "))
		case m.several(o, in.Port, scheme):
			r.scheme = scheme
			m.report.Ask(r.Object, at+".port", "another port speaks %s, too, and the rules do not tell one from another: match a host, or a header, that "+
				"only port %d has", scheme, in.Port)
		default:
			r.scheme = scheme
			m.report.Differ(r.Object, at+".port", "the rules tell http from https, not one port from another: port %d is %s", in.Port, scheme)
		}
	}
	if len(in.Gateways) > 0 {
		var some []string
		for _, g := range in.Gateways {
			some = append(some, qualified(g, o.Namespace))
		}

		r.gateways = slices.DeleteFunc(slices.Clone(r.gateways), func(g string) bool { return !slices.Contains(some, g) })
		if len(r.gateways) < len(gateways(o)) && len(r.gateways) > 0 && !r.Answers {
			leave("gateways", "a backend cannot tell which gateway a request came by: keep this rewrite in the VirtualService, or run it there with --at gateway")
		}
		return
	}
	if len(in.SourceLabels) > 0 || in.SourceNamespace != "" {
		leave("sourceLabels", "who sends a request is not known to its rules: give those Pods a workload of their own, with traffic: [{mode: CLIENT}]")
	}
}

// port gives what a port speaks: by the Gateways, or by custom.
func (m *model) port(o *istio.VirtualService, port uint32) string {
	for _, g := range gateways(o) {
		if known, ok := m.Gateways[g]; ok {
			return known.Ports[port]
		}
	}
	return map[uint32]string{80: "http", 443: "https"}[port]
}

// several reports whether any of the Gateways has another port of a scheme.
func (m *model) several(o *istio.VirtualService, port uint32, scheme string) bool {
	for _, g := range gateways(o) {
		for other, speaks := range m.Gateways[g].Ports {
			if other != port && speaks == scheme {
				return true
			}
		}
	}
	return false
}

// uri gives match.path. Istio's regexes take the whole path, its prefixes need
// not end with a segment.
func uri(in *api.HTTPMatchRequest) plan.Fields {
	path := plan.Fields{}
	switch v := in.Uri.GetMatchType().(type) {
	case *api.StringMatch_Exact:
		path = plan.Fields{{Key: "exact", Value: v.Exact}}
	case *api.StringMatch_Prefix:
		if v.Prefix != "/" && v.Prefix != "" {
			path = plan.Fields{{Key: "regex", Value: "^" + regexp.QuoteMeta(v.Prefix)}}
		}
	case *api.StringMatch_Regex:
		if v.Regex != ".*" && v.Regex != "/.*" {
			path = plan.Fields{{Key: "regex", Value: "^(?:" + v.Regex + ")$"}}
		}
	}
	// The case of a regex is never ignored.
	if len(path) > 0 && in.IgnoreUriCase && in.Uri.GetRegex() == "" {
		path = append(path, plan.Field{Key: "ignoreCase", Value: true})
	}

	return path
}

// text gives the matcher of a StringMatch; of a host without its port.
func text(s *api.StringMatch, host bool) plan.Fields {
	switch v := s.GetMatchType().(type) {
	case *api.StringMatch_Exact:
		value := v.Exact
		if host {
			value = strings.ToLower(withoutPort(value))
		}
		return plan.Fields{{Key: "exact", Value: value}}
	case *api.StringMatch_Prefix:
		if host {
			return plan.Fields{{Key: "prefix", Value: strings.ToLower(v.Prefix)}}
		}
		return plan.Fields{{Key: "prefix", Value: v.Prefix}}
	case *api.StringMatch_Regex:
		if v.Regex != "*" {
			return plan.Fields{{Key: "regex", Value: "^(?:" + v.Regex + ")$"}}
		}
	}
	if host {
		return plan.Fields{{Key: "regex", Value: "."}}
	}

	return plan.Fields{{Key: "present", Value: true}}
}

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// without inverts a header's matcher. Envoy takes a header that is missing as
// an empty one.
func without(name string, s *api.StringMatch) []any {
	one := append(plan.Fields{{Key: "name", Value: name}}, text(s, false)...)
	if one.Get("present") != nil {
		return []any{plan.Fields{{Key: "name", Value: name}, {Key: "present", Value: false}}}
	}

	list := []any{append(one, plan.Field{Key: "not", Value: true})}
	takesEmpty := s.GetExact() == "" && s.GetPrefix() == "" && s.GetRegex() == ""
	if re, err := regexp.Compile("^(?:" + s.GetRegex() + ")$"); s.GetRegex() != "" && err == nil && re.MatchString("") {
		takesEmpty = true
	}
	if takesEmpty {
		list = append(list, plan.Fields{{Key: "name", Value: name}, {Key: "present", Value: true}})
	}

	return list
}

var wordList = regexp.MustCompile(`^\(?[A-Z]+(\|[A-Z]+)*\)?$`)

// words gives the methods that a matcher takes, where they can be written out.
func words(s *api.StringMatch) []any {
	if one := s.GetExact(); one != "" {
		return []any{one}
	}

	re := s.GetRegex()
	if !wordList.MatchString(re) {
		return nil
	}

	var all []any
	for one := range strings.SplitSeq(strings.Trim(re, "()"), "|") {
		all = append(all, one)
	}

	return all
}
