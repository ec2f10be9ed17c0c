package gatewayapi

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// at gives what is under keys in a map of maps, or nil.
func under(m map[string]any, keys ...string) any {
	var v any = m
	for _, key := range keys {
		of, _ := v.(map[string]any)
		v = of[key]
	}
	return v
}

// envoyGateway carries over the spec of an HTTPRouteFilter.
func (f filters) envoyGateway(at string, spec map[string]any) {
	to := plan.Fields{}

	for _, key := range slices.Sorted(maps.Keys(spec)) {
		switch key {
		case "urlRewrite", "directResponse":
		default:
			f.leave(at, "%s of the HTTPRouteFilter is not a rewrite: write what it does by hand", key)
		}
	}
	if pattern, _ := under(spec, "urlRewrite", "path", "replaceRegexMatch", "pattern").(string); pattern != "" {
		substitution, _ := under(spec, "urlRewrite", "path", "replaceRegexMatch", "substitution").(string)
		to = f.regex(at, pattern, strings.ReplaceAll(substitution, "$", "$$"))
	}

	switch under(spec, "urlRewrite", "hostname", "type") {
	case nil:
	case "Header":
		header, _ := under(spec, "urlRewrite", "hostname", "header").(string)
		to = to.With("host", "${header."+strings.ToLower(header)+"}")
	default:
		f.leave(at, "the host is that of a backend, which is not known before one is chosen: write rewrite.host")
	}
	if len(to) > 0 {
		was, _ := f.to.Do.Get("rewrite").(plan.Fields)
		f.to.Do = plan.Fields{{Key: "rewrite", Value: was.Merge(to)}}
	}
	f.answer(at, spec)
}

// regex replaces what a regex takes of the path. The route's own matcher holds,
// too, where the regex takes no more than it.
func (f filters) regex(at, pattern, substitution string) plan.Fields {
	path, _ := f.to.Match.Get("path").(plan.Fields)
	own, _ := path.Get("regex").(string)
	prefix, _ := path.Get("prefix").(string)
	whole := "^(?:" + strings.Trim(pattern, "^$") + ")$"

	bare := func(re string) string { return strings.Trim(strings.NewReplacer("^(?:^", "^(?:").Replace(re), "^$") }
	switch {
	case path == nil || prefix == "/":
	case own != "" && bare(own) == bare(whole):
	case prefix != "" && strings.HasPrefix(pattern, "^") && strings.HasPrefix(plan.Beginning(pattern), strings.TrimSuffix(prefix, "/")+"/"):
	default:
		f.leave(at, "the path is taken by one matcher and rewritten by another regex: write one that does both")
		f.to.Left = true
		return nil
	}

	regex := pattern
	if _, err := regexp.Compile(regex); err == nil && strings.HasPrefix(regex, "^") {
		if one, changed, ok := plan.OneSlash(regex, substitution); ok {
			regex, substitution = one, changed
		}
	}

	f.to.Match = f.to.Match.Put("path", plan.Fields{{Key: "regex", Value: regex}})

	return plan.Fields{{Key: "path", Value: substitution}}
}

// answer carries over a direct response.
func (f filters) answer(at string, spec map[string]any) {
	direct, ok := spec["directResponse"].(map[string]any)
	if !ok {
		return
	}

	status := 200
	if n, ok := direct["statusCode"].(float64); ok {
		status = int(n)
	}

	body, _ := under(direct, "body", "inline").(string)
	if body == "" && direct["body"] != nil {
		f.leave(at, "the body is not in the HTTPRouteFilter: write respond.body")
	}

	respond := plan.Fields{{Key: "status", Value: status}}.With("body", body)
	if kind, _ := direct["contentType"].(string); kind != "" {
		respond = append(respond, plan.Field{Key: "headers", Value: plan.Fields{{Key: "content-type", Value: kind}}})
	}

	f.to.Do, f.to.Answers = plan.Fields{{Key: "respond", Value: respond}}, true
}
