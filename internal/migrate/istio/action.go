package istio

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"

	api "istio.io/api/networking/v1alpha3"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// action puts what a route does into a plan's, but for its path, and where it
// sends requests.
func (m *model) action(at, namespace string, r *api.HTTPRoute, to *plan.Route) {
	leave := func(key, reason string, args ...any) { m.report.Leave(to.Object, at+"."+key, reason, args...) }
	headers, host := m.headers(to.Object, at+".headers", r.Headers)
	to.Headers = headers
	if len(headers) > 0 || host != "" {
		to.TakeOut = append(to.TakeOut, at+".headers")
	}

	switch {
	case r.Redirect != nil:
		to.Answers = true
		m.redirect(at, r.Redirect, to)
	case r.DirectResponse != nil:
		to.Answers = true
		status, body := int(r.DirectResponse.Status), r.DirectResponse.Body.GetString_()
		if status < 200 || status > 599 {
			leave("directResponse.status", "%d ends no response: a pattern answers 200 to 599", status)

			to.Left = true
		}
		if len(r.DirectResponse.Body.GetBytes()) > 0 {
			leave("directResponse.body.bytes", "a body is text")

			to.Left = true
		}
		if status == 204 || status == 304 {
			body = "" // these have none
		}

		to.Do = plan.Fields{{Key: "respond", Value: plan.Fields{{Key: "status", Value: status}}.With("body", body)}}
	default:
		if name := r.Rewrite.GetAuthority(); name != "" {
			host = plan.Literal(name)
		}

		to.Do = plan.Fields{}.With("rewrite", plan.Fields{}.With("host", host))
		m.backends(at, namespace, r, to, host != "")
	}
	if r.Rewrite != nil && !to.Answers {
		to.TakeOut = append(to.TakeOut, at+".rewrite")
	}
}

// backends puts the destinations into the route, each with the rules of its own.
func (m *model) backends(at, namespace string, r *api.HTTPRoute, to *plan.Route, named bool) {
	seen := map[string]int{}
	for i, d := range r.Route {
		if d.Weight == 0 && len(r.Route) > 1 {
			continue
		}

		host := d.GetDestination().GetHost()
		b := plan.Backend{Elsewhere: host}
		if service, ok := m.Resolve(host, namespace); ok {
			b = plan.Backend{Service: service}
		}

		key := fmt.Sprintf("%s.route[%d].headers", at, i)
		headers, own := m.headers(to.Object, key, d.Headers)
		b.Headers = headers
		// The route's own host counts before that of a single destination.
		if !named || len(r.Route) > 1 {
			b.Host = own
		}
		if len(headers) > 0 || own != "" {
			to.TakeOut = append(to.TakeOut, key)
		}
		if j, ok := seen[host]; ok {
			was := &to.Backends[j]
			if len(was.Headers)+len(headers) > 0 || was.Host != b.Host {
				m.report.Leave(to.Object, key, "two destinations of one Service have rules of their own, and its proxies cannot tell them apart: keep "+
					"these in the VirtualService")

				was.Headers, was.Host = nil, ""
			}
			continue
		}

		seen[host] = len(to.Backends)
		to.Backends = append(to.Backends, b)
	}
}

// rewrite puts the new path into the row, and gives a row more for what the
// route takes and the rewrite does not change. A redirect's prefix is one, too.
func (m *model) rewrite(at string, r *api.HTTPRoute, match *api.HTTPMatchRequest, one *row) []*row {
	does, key, target := "rewrite", at+".rewrite.uri", r.Rewrite.GetUri()
	if one.Answers {
		does, key, target = "redirect", at+".redirect.prefixRewrite", r.Redirect.GetPrefixRewrite()
	}

	to, _ := one.Do.Get(does).(plan.Fields)
	put := func(path plan.Fields, text, how string) {
		if path != nil {
			one.Match = one.Match.Put("path", path)
		}

		fields := plan.Fields{{Key: "path", Value: text}}.With("replace", how)
		if one.Answers {
			one.Do = plan.Fields{{Key: does, Value: append(slices.Clip(to), fields...)}}
		} else {
			one.Do = plan.Fields{{Key: does, Value: append(fields, to...)}}
		}
	}
	if re := r.Rewrite.GetUriRegexRewrite(); re != nil && !one.Answers {
		return m.regexRewrite(at, re, match, one, put)
	}

	switch {
	case target == "":
		return nil
	case !strings.HasPrefix(target, "/"):
		m.report.Leave(one.Object, key, "%q is not a path: a path begins with /", target)
		one.Left = true
		return nil
	case one.Answers && strings.ContainsAny(target, "?#"):
		m.report.Leave(one.Object, key, "%q is more than a path, and Envoy puts the rest of the path behind it", target)
		one.Left = true
		return nil
	}

	switch v := match.GetUri().GetMatchType().(type) {
	case *api.StringMatch_Exact, *api.StringMatch_Regex:
		put(nil, plan.Literal(target), "whole")
	case *api.StringMatch_Prefix:
		m.prefix(key, v.Prefix, target, match, one, put)
	default:
		m.prefix(key, "/", target, match, one, put)
	}

	return nil
}

// prefix replaces the beginning of the path as Istio does, byte by byte; but
// where that gives two slashes at the joint, the rules give the one that was
// meant.
func (m *model) prefix(key, prefix, target string, match *api.HTTPMatchRequest, one *row, put func(path plan.Fields, text, how string)) {
	regex := "^" + regexp.QuoteMeta(prefix)
	switch cut := strings.TrimRight(prefix, "/"); {
	case prefix == target:
		return // nothing changes
	case prefix == "" && strings.HasSuffix(target, "/"):
		m.report.Differ(one.Object, key, "Istio joins %q and /x to %q, and the rules to %q", target, target+"/x", target+"x")

		regex = "^/*"
	case strings.HasSuffix(target, "/") && cut == prefix:
		m.report.Differ(one.Object, key, "Istio makes %q of %q, and the rules %q", target+"/x", prefix+"/x", target+"x")

		regex += "/*"
	case strings.HasSuffix(target, "/"):
		regex = "^" + regexp.QuoteMeta(cut) + "/+"
	case cut != prefix:
		m.report.Differ(one.Object, key, "Istio makes %q of %q, and so do the rules: write %s/ where a segment was meant", target+"x",
			prefix+"x", target)
	}

	path := plan.Fields{{Key: "regex", Value: regex}}
	if match.GetIgnoreUriCase() {
		path = append(path, plan.Field{Key: "ignoreCase", Value: true})
	}
	put(path, plan.Literal(target), "first")
}

// regexRewrite replaces what a regex takes of the paths that the route takes.
func (m *model) regexRewrite(at string, re *api.RegexRewrite, match *api.HTTPMatchRequest, one *row, put func(path plan.Fields, text, how string)) []*row {
	key := at + ".rewrite.uriRegexRewrite"
	if _, err := regexp.Compile(re.Match); err != nil {
		m.report.Leave(one.Object, key, "%v", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		one.Left = true
		return nil
	}

	text := strings.ReplaceAll(re.Rewrite, "$", "$$")
	regex, changed, fixed := plan.OneSlash(re.Match, text)
	if fixed && regex != re.Match && !plan.EndsInSlash(re.Match, text) {
		m.report.Differ(one.Object, key, "where Istio sends a path that begins with //, the rules send one /")
	}

	uri := match.GetUri()
	within := plan.Beginning(re.Match)
	if !strings.HasPrefix(re.Match, "^") {
		within = ""
	}

	switch prefix := begins(uri); {
	case uri == nil || uri.GetPrefix() == "/" || prefix == "/" || prefix == "" && uri.GetExact() == "" && uri.GetRegex() == "" ||
		uri.GetRegex() == ".*" || uri.GetRegex() == "/.*":
	case uri.GetExact() != "" && match.GetIgnoreUriCase():
		// Each spelling of the path would become another.
		if regexp.MustCompile("(?i:" + re.Match + ")").MatchString(uri.GetExact()) {
			m.report.Leave(one.Object, key, "rewrites one path in any case to different ones: match each of them, or a regex")
			one.Left = true
		}
		return nil
	case uri.GetExact() != "":
		// One path becomes another.
		result := regexp.MustCompile(re.Match).ReplaceAllString(uri.GetExact(), envoys.ReplaceAllString(text, "$${$1}"))
		put(nil, plan.Literal(result), "whole")
		return nil
	case uri.GetRegex() != "" && strings.Trim(re.Match, "^$") == strings.Trim(uri.GetRegex(), "^$") && plan.TakesAll(re.Match):
		put(plan.Fields{{Key: "regex", Value: "^(?:" + strings.Trim(regex, "^$") + ")$"}}, changed, "")
		return nil
	case prefix != "" && strings.HasPrefix(within, prefix):
	case prefix != "" && strings.HasPrefix(plan.Beginning("^"+strings.TrimPrefix(re.Match, "^")), prefix) &&
		strings.HasSuffix(strings.TrimRight(re.Match, "$)"), "."+"*"):
		// Not anchored, but all that follows is taken: the first place counts.
		regex = "^" + strings.TrimPrefix(regex, "^")
		m.report.Differ(one.Object, key, "%q is taken at the beginning of a path only", re.Match)
	default:
		m.report.Leave(one.Object, key, "the path is taken by one regex and rewritten by another that takes other paths, too: write one that does both")
		one.Left = true
		return nil
	}
	// What the rewrite does not take goes on unchanged, but is taken.
	rest := *one
	copied := *one.Route
	rest.Route = &copied
	rest.Match = append(plan.Fields{}, one.Match...)
	rest.TakeOut = nil
	put(plan.Fields{{Key: "regex", Value: regex}}, changed, "")
	if head, ok := strings.CutSuffix(strings.TrimSuffix(re.Match, "$"), "(.*)"); ok &&
		(head == "^"+uri.GetPrefix() || head == "^/" && uri.GetPrefix() == "") && uri.GetRegex() == "" {
		return nil // it takes all that the route takes
	}

	return []*row{&rest}
}

var envoys = regexp.MustCompile(`\\([0-9])`)

// begins gives the literal beginning of all paths that a matcher takes, where
// it takes all that begin so.
func begins(uri *api.StringMatch) string {
	if p := uri.GetPrefix(); p != "" {
		return p
	}
	if head, ok := strings.CutSuffix(uri.GetRegex(), ".*"); ok && plan.Beginning(head) == head {
		return head
	}
	return ""
}

func (m *model) redirect(at string, r *api.HTTPRedirect, route *plan.Route) {
	status := int(r.RedirectCode)
	switch status {
	case 0:
		status = 301
	case 301, 302, 303, 307, 308:
	default:
		m.report.Leave(route.Object, at+".redirect.redirectCode", "%d is none of 301, 302, 303, 307 and 308", status)
		route.Left = true
	}

	// A port of its own takes the place of one that the authority has; but Istio
	// writes none that is the scheme's own, and then the authority's counts.
	authority, own := r.Authority, 0
	if port, is := r.RedirectPort.(*api.HTTPRedirect_Port); is {
		own = int(port.Port)
		usual := own == 443 && r.Scheme == "https" || own == 80 && r.Scheme != "https"
		if _, port, err := net.SplitHostPort(authority); err == nil {
			if usual {
				own = 0
			} else {
				authority = strings.TrimSuffix(authority, ":"+port)
			}
		}
	}

	to := plan.Fields{{Key: "status", Value: status}}.With("scheme", r.Scheme).With("host", plan.Literal(authority))
	switch port := r.RedirectPort.(type) {
	case *api.HTTPRedirect_Port:
		if own != 0 {
			to = append(to, plan.Field{Key: "port", Value: own})
		}
	case *api.HTTPRedirect_DerivePort:
		if port.DerivePort == api.HTTPRedirect_FROM_REQUEST_PORT {
			m.report.Differ(route.Object, at+".redirect.derivePort", "the gateway's port is not known to its rules: write redirect.port where it is not 80 or 443")
		}
	}
	if r.Uri != "" {
		to = append(to, plan.Field{Key: "path", Value: plan.Literal(r.Uri)}, plan.Field{Key: "replace", Value: "whole"})
		if strings.Contains(r.Uri, "?") {
			to = append(to, plan.Field{Key: "query", Value: "drop"})
		}
	}

	route.Do = plan.Fields{{Key: "redirect", Value: to}}
}

// headers carries over header operations. A host among them is a rewrite.
func (m *model) headers(object, at string, h *api.Headers) (headers plan.Fields, host string) {
	for _, side := range []struct {
		name string
		of   *api.Headers_HeaderOperations
	}{{"request", h.GetRequest()}, {"response", h.GetResponse()}} {
		edits := plan.Fields{}

		var remove []any
		for _, name := range side.of.GetRemove() {
			if !strings.HasPrefix(name, ":") && !strings.EqualFold(name, "host") {
				remove = append(remove, strings.ToLower(name))
			}
		}

		edits = edits.With("remove", remove)
		for _, op := range []struct {
			name string
			of   map[string]string
		}{{"set", side.of.GetSet()}, {"add", side.of.GetAdd()}} {
			values := plan.Fields{}
			for _, name := range slices.Sorted(maps.Keys(op.of)) {
				low := strings.ToLower(name)

				value, ok := m.value(object, at+"."+side.name+"."+op.name+"."+name, op.of[name])
				switch {
				case !ok:
				case low == "host" || low == ":authority":
					if side.name == "request" && (host == "" || op.name == "set") {
						host = value
					}
				case op.name == "add" && values.Get(low) != nil:
					// Two spellings of one name: both are added.
					values = values.Put(low, append(list(values.Get(low)), value))
				default:
					values = append(values.Without(low), plan.Field{Key: low, Value: value})
				}
			}

			edits = edits.With(op.name, values)
		}

		headers = headers.With(side.name, edits)
	}

	return headers, host
}

func list(value any) []any {
	if l, ok := value.([]any); ok {
		return l
	}
	return []any{value}
}

// value writes a header's value with Envoy's commands as one with references.
func (m *model) value(object, at, text string) (string, bool) {
	value, ok := plan.Commands(text)
	if !ok {
		m.report.Leave(object, at, plan.NoCommand, text)
	}
	return value, ok
}
