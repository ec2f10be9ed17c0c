// Package route says which route of a gateway a request takes, by the
// VirtualServices and HTTPRoutes that it is given. It knows hosts, paths,
// methods and headers; what else a route asks for is taken to hold.
package route

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Table has the routes of gateways.
type Table struct {
	routes  []route
	secured []security
}

// route is one alternative of one rule.
type route struct {
	name    string   // VirtualService shop/main, http[0]
	hosts   []string // nil for any
	path    match    // of the path
	method  match
	headers map[string]match
	rule    string // the rule's own name
	rank    int    // among those of one host: Gateway API's precedence; 0 for the order in which they are written
}

// match holds a text against a matcher; the zero value takes all.
type match struct {
	kind, text string // Exact, Prefix (of bytes), Segments, Regex
	re         *regexp.Regexp
}

func (m match) takes(text string) bool {
	switch m.kind {
	case "Exact":
		return text == m.text
	case "Prefix":
		return strings.HasPrefix(text, m.text)
	case "Segments":
		bare := strings.TrimRight(m.text, "/")
		return bare == "" || text == bare || strings.HasPrefix(text, bare+"/")
	case "Regex":
		return m.re != nil && m.re.MatchString(text)
	}

	return true
}

func regex(text string) match {
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		re = nil // takes nothing, as in a proxy that refuses it
	}
	return match{"Regex", text, re}
}

// Parse takes the routes out of objects, Lists opened. Others are left out.
func Parse(objects []map[string]any) *Table {
	t := &Table{}
	for _, o := range objects {
		t.add(o)
	}
	return t
}

// Empty says that there are no routes.
func (t *Table) Empty() bool { return t == nil || len(t.routes) == 0 }

func (t *Table) add(o map[string]any) {
	for _, item := range list(o["items"]) {
		t.add(object(item))
	}

	metadata, spec := object(o["metadata"]), object(o["spec"])

	name := fmt.Sprintf("%v %s", o["kind"], strings.TrimPrefix(text(metadata["namespace"])+"/"+text(metadata["name"]), "/"))
	switch o["kind"] {
	case "VirtualService":
		t.virtualService(name, spec)
	case "HTTPRoute":
		t.httpRoute(name, spec)
	case "SecurityPolicy":
		t.securityPolicy(metadata, spec)
	}
}

func (t *Table) virtualService(name string, spec map[string]any) {
	hosts := texts(spec["hosts"])
	if slices.Contains(hosts, "*") {
		hosts = nil
	}

	for i, rule := range list(spec["http"]) {
		at := fmt.Sprintf("%s, http[%d]", name, i)
		matches := list(object(rule)["match"])
		if len(matches) == 0 {
			matches = []any{nil}
		}

		for _, m := range matches {
			m := object(m)

			r := route{name: at, hosts: hosts, path: istio(m["uri"]), method: istio(m["method"]), headers: map[string]match{}}
			for header, value := range object(m["headers"]) {
				r.headers[strings.ToLower(header)] = istio(value)
			}

			t.routes = append(t.routes, r)
		}
	}
}

// istio reads a StringMatch.
func istio(v any) match {
	switch m := object(v); {
	case m["exact"] != nil:
		return match{kind: "Exact", text: text(m["exact"])}
	case m["prefix"] != nil:
		return match{kind: "Prefix", text: text(m["prefix"])}
	case m["regex"] != nil:
		return regex(text(m["regex"]))
	}
	return match{}
}

func (t *Table) httpRoute(name string, spec map[string]any) {
	hosts := texts(spec["hostnames"])
	for i, rule := range list(spec["rules"]) {
		matches := list(object(rule)["matches"])
		if len(matches) == 0 {
			matches = []any{nil}
		}

		for _, m := range matches {
			m := object(m)
			path := object(m["path"])
			r := route{name: fmt.Sprintf("%s, rules[%d]", name, i), hosts: hosts, headers: map[string]match{}, rule: text(object(rule)["name"])}
			value := cmp.Or(text(path["value"]), "/")
			// Exact before prefix, the longer before the shorter, then method and headers.
			r.rank = 10 * len(value)
			switch text(path["type"]) {
			case "Exact":
				r.path, r.rank = match{kind: "Exact", text: value}, 1_000_000+r.rank
			case "RegularExpression":
				r.path, r.rank = regex(value), 500_000+r.rank
			default:
				r.path = match{kind: "Segments", text: value}
			}
			if method := text(m["method"]); method != "" {
				r.method, r.rank = match{kind: "Exact", text: method}, r.rank+5
			}

			for _, h := range list(m["headers"]) {
				h := object(h)
				one := match{kind: "Exact", text: text(h["value"])}
				if h["type"] == "RegularExpression" {
					one = regex(text(h["value"]))
				}

				r.headers[strings.ToLower(text(h["name"]))] = one
			}

			r.rank += min(4, len(r.headers))
			t.routes = append(t.routes, r)
		}
	}
}

// For names the route that a request takes, or "". value gives a header, or "".
func (t *Table) For(method, host, path string, value func(name string) string) string {
	host = strings.ToLower(host)

	best, bestHost := -1, -1
	for i, r := range t.routes {
		of := r.host(host)
		switch {
		case of < 0 || !r.path.takes(path) || !r.method.takes(method):
			continue
		case best >= 0 && (of < bestHost || of == bestHost && r.rank <= t.routes[best].rank):
			continue
		}

		holds := true
		for name, m := range r.headers {
			holds = holds && m.takes(value(name))
		}
		if holds {
			best, bestHost = i, of
		}
	}
	if best < 0 {
		return ""
	}

	return t.routes[best].name
}

// host says how well a host fits: its length where it is written out, less
// for a wildcard, -1 where it does not fit.
func (r route) host(host string) int {
	if len(r.hosts) == 0 {
		return 0
	}

	best := -1
	for _, h := range r.hosts {
		h = strings.ToLower(h)
		switch end, wild := strings.CutPrefix(h, "*"); {
		case h == host:
			best = max(best, 10_000)
		case wild && strings.HasSuffix(host, end):
			best = max(best, len(end))
		}
	}

	return best
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func texts(v any) (all []string) {
	for _, one := range list(v) {
		all = append(all, text(one))
	}
	return all
}
