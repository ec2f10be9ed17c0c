package nginx

import (
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

func (m *model) redirect(l *location, r *plan.Route, groups int, names []string) {
	key := annotation(prefix + l.set.redirect.key)

	to, err := locationOf(l.set.redirect.url, groups, names, false)
	switch code := l.set.redirect.code; {
	case err != nil:
		m.report.Leave(l.object, key, "%v: write redirect by hand", err)

		r.Left = true
	case !slices.Contains([]int{301, 302, 303, 307, 308}, code):
		m.report.Leave(l.object, key, "status %d is none of 301, 302, 303, 307 and 308: write redirect by hand", code)

		r.Left = true
	default:
		r.Answers, r.Backends = true, nil
		path, _ := r.Match.Get("path").(plan.Fields)
		regex, _ := path.Get("regex").(string)
		r.Do = plan.Fields{{Key: "redirect", Value: append(plan.Fields{{Key: "status", Value: code}}, oneSlash(r, regex, to)...)}}
	}
}

// oneSlash keeps the path of a redirect from beginning with two.
func oneSlash(r *plan.Route, path string, to plan.Fields) plan.Fields {
	text, _ := to.Get("path").(string)
	host, _ := to.Get("host").(string)
	match, ok := r.Match.Get("path").(plan.Fields)
	if !ok || match.Get("regex") == nil {
		return to
	}
	if one, changed, ok := plan.OneSlash(path, text, &host); ok {
		r.Match = r.Match.Put("path", match.Put("regex", one))
		to = to.Put("path", changed)
		if host != "" {
			to = to.Put("host", host)
		}
	}

	return to
}

// rewrite puts what nginx does before it passes a request on into the route.
func (m *model) rewrite(l *location, r *plan.Route, path string, groups int, names []string) {
	to := plan.Fields{}

	var request plan.Fields
	if l.rewrites() {
		var header string
		if to, header = m.target(l, r, path, groups, names); r.Left {
			return
		}
		if header != "" {
			request = plan.Fields{{Key: "set", Value: plan.Fields{{Key: "x-forwarded-prefix", Value: header}}}}
		}
	}
	if l.set.vhost != "" {
		host, err := variables(l.set.vhost, groups, names)
		if err != nil {
			m.report.Leave(l.object, annotation(prefix+"upstream-vhost"), "%q: %v: write rewrite.host by hand", l.set.vhost, err)
		} else {
			to = append(to, plan.Field{Key: "host", Value: host})
		}
	}
	if l.def && len(l.backends) == 0 {
		return // what the default backend gets does not matter
	}

	r.Do = plan.Fields{}.With("rewrite", to)
	r.Headers = plan.Fields{}.With("request", request).With("response", l.set.headers)
}

// target is what rewrite-target makes of the path, and the prefix that the
// upstream is told of. The route is left if it cannot be said.
func (m *model) target(l *location, r *plan.Route, path string, groups int, names []string) (to plan.Fields, header string) {
	target, drop := strings.CutSuffix(token(l.set.target), "?")

	text, err := variables(encoded(target), groups, names)
	switch {
	case err == nil && strings.Contains(target, "request_uri"):
		err = errRequestURI
	case err == nil && !strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "$"):
		err = errNoSlash
	}
	if err != nil {
		r.Left = true
		m.report.Leave(l.object, annotation(prefix+"rewrite-target"), "%q: %v: write rewrite.path by hand", l.set.target, err)
		return nil, ""
	}

	if header, err = variables(l.set.forwarded, groups, names); err != nil {
		header = ""
		m.report.Leave(l.object, annotation(prefixKey), "%q: %v: write headers.request.set by hand", l.set.forwarded, err)
	}

	if plan.Alternates(path) && strings.Contains(text, "$") {
		m.report.Ask(l.object, l.at, "nginx anchors only the first part of %q, in the location, and none in the rewrite, so its groups may be others "+
			"than those of the rules: give each part a path of its own", l.path)
	}

	// Slashes: the rules send one where nginx sends several.
	if p, ok := r.Match.Get("path").(plan.Fields); ok && p.Get("regex") != nil {
		if one, changed, ok := plan.OneSlash(path, text, &header); ok {
			if strings.HasPrefix(text, "/") && one != path && !plan.EndsInSlash(path, text) {
				m.report.Differ(l.object, l.at, "where nginx sends a path that begins with //, the rules send one /")
			}

			text = changed
			r.Match = r.Match.Put("path", p.Put("regex", one))
		}
	}
	if strings.HasPrefix(text, "//") {
		m.report.Differ(l.object, l.at, "where nginx sends a path that begins with //, the rules send one /")

		text = "/" + strings.TrimLeft(text, "/")
	}

	to = plan.Fields{{Key: "path", Value: text}, {Key: "replace", Value: "whole"}}
	if drop {
		to = append(to, plan.Field{Key: "query", Value: "drop"})
	}

	return to, header
}
