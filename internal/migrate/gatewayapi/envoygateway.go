package gatewayapi

import (
	"regexp"
	"slices"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// answers is the place of the filter with a direct response, or -1. Envoy
// Gateway runs no filter after it, and neither a rewrite nor a redirect before.
func (f filters) answers(list []gateway.HTTPRouteFilter) int {
	return slices.IndexFunc(list, func(one gateway.HTTPRouteFilter) bool {
		if f.backend || one.Type != gateway.HTTPRouteFilterExtensionRef || one.ExtensionRef.Kind != "HTTPRouteFilter" {
			return false
		}

		known := f.m.Filters[f.namespace+"/"+string(one.ExtensionRef.Name)]

		return known != nil && known.Spec.DirectResponse != nil
	})
}

// envoyGateway carries over an HTTPRouteFilter. answered says that the rule has
// a direct response, which a rewrite of this filter or of another gives way to.
func (f filters) envoyGateway(at string, spec *FilterSpec, answered bool) {
	if spec.CredentialInjection != nil {
		f.leave(at, "credentialInjection of the HTTPRouteFilter is not a rewrite: write what it does by hand")
	}
	if len(spec.Matches) > 0 {
		f.leave(at, "matches of the HTTPRouteFilter narrows the rule down by cookies: write the pattern with a regex of the header cookie by hand")
		f.to.Left = true
	}

	switch {
	case spec.DirectResponse != nil:
		f.answer(at, spec.DirectResponse)
	case spec.URLRewrite != nil && !answered:
		f.extended(at, spec.URLRewrite)
	}
}

// extended carries over a rewrite that the Gateway API does not have.
func (f filters) extended(at string, u *FilterRewrite) {
	if f.twice(at, u.Path != nil, u.Hostname != nil) {
		return
	}

	to := plan.Fields{}
	if u.Path != nil {
		to = f.regex(at, u.Path.ReplaceRegexMatch.Pattern, strings.ReplaceAll(u.Path.ReplaceRegexMatch.Substitution, "$", "$$"))
	}
	if u.Hostname != nil {
		switch u.Hostname.Type {
		case "Header":
			to = to.With("host", "${header."+strings.ToLower(*u.Hostname.Header)+"}")
		case "PathRegex":
			f.leave(at, "the host is made of the path by a regex of its own: write a pattern that matches both, and rewrite.host")
		default:
			f.leave(at, "the host is that of a backend, which is not known before one is chosen: write rewrite.host")
		}
	}

	f.rewritten(to)
}

// rewritten adds a rewrite to that of the route's other filters.
func (f filters) rewritten(to plan.Fields) {
	if len(to) > 0 {
		was, _ := f.to.Do.Get("rewrite").(plan.Fields)
		f.to.Do = plan.Fields{{Key: "rewrite", Value: was.Merge(to)}}
	}
}

// twice reports whether a filter before rewrites the same.
func (f filters) twice(at string, path, host bool) bool {
	was, _ := f.to.Do.Get("rewrite").(plan.Fields)
	if (!path || was.Get("path") == nil) && (!host || was.Get("host") == nil) {
		return false
	}

	f.leave(at, "another filter of this rule rewrites the same, and the Gateway refuses the rule: take one of them out")
	f.to.Left = true

	return true
}

// regex replaces what a regex takes of the path. The route's own matcher holds,
// too, where the regex takes no more than it.
func (f filters) regex(at, pattern, substitution string) plan.Fields {
	if _, err := regexp.Compile(pattern); err != nil {
		f.leave(at, "%s, and the Gateway refuses the rule", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		f.to.Left = true

		return nil
	}

	path, _ := f.to.Match.Get("path").(plan.Fields)
	own, _ := path.Get("regex").(string)
	prefix, _ := path.Get("prefix").(string)
	whole := "^(?:" + strings.Trim(pattern, "^$") + ")$"

	bare := func(re string) string { return strings.Trim(strings.NewReplacer("^(?:^", "^(?:").Replace(re), "^$") }
	switch {
	case path == nil || prefix == "/":
	case own != "" && bare(own) == bare(whole) && plan.TakesAll(pattern):
		// The route takes whole paths, so its regex does, too.
		pattern = whole
	case prefix != "" && strings.HasPrefix(pattern, "^") && strings.HasPrefix(plan.Beginning(pattern), strings.TrimSuffix(prefix, "/")+"/"):
	default:
		f.leave(at, "the path is taken by one matcher and rewritten by another regex: write one that does both")
		f.to.Left = true
		return nil
	}

	regex := pattern
	if strings.HasPrefix(regex, "^") {
		if one, changed, ok := plan.OneSlash(regex, substitution); ok {
			regex, substitution = one, changed
		}
	}

	f.to.Match = f.to.Match.Put("path", plan.Fields{{Key: "regex", Value: regex}})

	return plan.Fields{{Key: "path", Value: substitution}}
}

// answer carries over a direct response.
func (f filters) answer(at string, direct *FilterAnswer) {
	f.to.Do, f.to.Answers = plan.Fields{}, true

	status := 200
	if direct.StatusCode != nil {
		status = *direct.StatusCode
	}
	if status < 200 {
		f.leave(at, "answers %d, which is not the end of a response: a pattern answers 200 to 599", status)
		f.to.Left = true

		return
	}

	respond := plan.Fields{{Key: "status", Value: status}}
	if direct.Body != nil {
		respond = respond.With("body", f.body(at, status, direct.Body))
	}

	headers := plan.Fields{}
	if kind := deref(direct.ContentType); kind != "" {
		headers = f.put(at, headers, "content-type", kind, false)
	}
	if h := direct.Header; h != nil {
		for _, one := range h.Add {
			headers = f.put(at, headers, string(one.Name), one.Value, true)
		}

		for _, one := range h.Set {
			headers = f.put(at, headers, string(one.Name), one.Value, false)
		}
	}

	f.to.Do = plan.Fields{{Key: "respond", Value: respond.With("headers", headers)}}
}

// put sets a header of an answer, or adds a value to it.
func (f filters) put(at string, headers plan.Fields, name, text string, add bool) plan.Fields {
	value, ok := plan.Commands(text)
	if !ok {
		f.leave(at, plan.NoCommand, text)
		return headers
	}

	name = strings.ToLower(name)

	switch was := headers.Get(name).(type) {
	case string:
		if add {
			return headers.Put(name, []any{was, value})
		}
	case []any:
		if add {
			return headers.Put(name, append(slices.Clip(was), value))
		}
	}

	return append(headers.Without(name), plan.Field{Key: name, Value: value})
}

// body is the text of an answer, which a rule sends as it is.
func (f filters) body(at string, status int, body *FilterBody) string {
	text := deref(body.Inline)

	switch {
	case deref(body.Type) == "ValueRef":
		f.leave(at, "the body is not in the HTTPRouteFilter: write respond.body")
		return ""
	case status == 204 || status == 304:
		return "" // these have none
	case strings.Contains(strings.ReplaceAll(text, "%%", ""), "%"):
		f.leave(at, "the body holds a command of Envoy's access log, and a rule sends it as it is: write respond.body")
		return ""
	}

	return strings.ReplaceAll(text, "%%", "%")
}
