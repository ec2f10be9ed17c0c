package mesh_test

import (
	"fmt"
	"math/rand/v2"
)

// importedServices are the backends of generated routes.
var importedServices = []string{"s0", "s1", "s2"}

// document is an object as YAML and JSON have it.
type document = map[string]any

// routeSet is the objects of one seed, and the hosts that they have.
type routeSet struct {
	seed    uint64
	kind    string // VirtualService or HTTPRoute
	objects []document
	hosts   []string
}

// routeGenerator makes VirtualServices and HTTPRoutes that share the hosts of one set. gateway is their Gateway's name.
type routeGenerator struct {
	*rand.Rand
	set     string
	gateway string
}

func (g routeGenerator) of(list ...string) string { return list[g.IntN(len(list))] }
func (g routeGenerator) chance(n int) bool        { return g.IntN(n) == 0 }

// routes gives the objects of one seed. It is the same for both gateways, but for their names.
func routes(seed uint64, number int, gateway string) routeSet {
	g := routeGenerator{rand.New(rand.NewPCG(seed, 5)), fmt.Sprintf("set%d", number), gateway}
	set := routeSet{seed: seed, kind: g.of("VirtualService", "HTTPRoute"), hosts: []string{"a." + g.set + ".example.com", "b." + g.set + ".example.com"}}
	wild := g.chance(4)
	if wild {
		set.hosts[1] = "*." + g.set + ".example.com"
	}

	for i := range 1 + g.IntN(2) {
		hosts := anyOf(set.hosts[:1+g.IntN(2)])
		if wild {
			// istiod refuses a VirtualService with a host and a wildcard of it.
			hosts = anyOf(set.hosts[i : i+1])
		}

		name := fmt.Sprintf("%s-%d", g.set, i)
		if set.kind == "HTTPRoute" {
			set.objects = append(set.objects, g.httpRoute(name, hosts))
		} else {
			set.objects = append(set.objects, g.virtualService(name, hosts)...)
		}
	}

	return set
}

func anyOf(texts []string) (list []any) {
	for _, text := range texts {
		list = append(list, text)
	}
	return list
}

func (g routeGenerator) virtualService(name string, hosts []any) (objects []document) {
	var http []any
	for i := range 1 + g.IntN(4) {
		route := g.istioRoute()
		// One in eight is a route of another VirtualService, under the conditions of this one.
		if g.chance(8) {
			child := fmt.Sprintf("%s-delegate-%d", name, i)
			root := document{"delegate": document{"name": child}}
			if g.chance(2) {
				root["match"] = []any{document{"uri": document{"prefix": g.of("/app", "/api", "/")}}}
			}
			if g.chance(3) {
				root["headers"] = g.istioHeaders()
			}
			if g.chance(3) {
				root["rewrite"] = document{"uri": g.of("/", "/new")}
			}

			objects = append(objects, document{
				"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": document{"name": child},
				"spec": document{"http": []any{route, g.istioRoute()}},
			})
			route = root
		}

		http = append(http, route)
	}

	return append(objects, document{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": document{"name": name},
		"spec": document{"hosts": hosts, "gateways": []any{g.gateway}, "http": http},
	})
}

// istioRoute is one entry of spec.http.
func (g routeGenerator) istioRoute() document {
	route := document{}

	var match []any
	for range g.IntN(3) {
		match = append(match, g.istioMatch())
	}
	if len(match) > 0 {
		route["match"] = match
	}

	switch g.IntN(8) {
	case 0:
		route["redirect"] = g.istioRedirect()
		return route
	case 1:
		route["directResponse"] = document{"status": 410, "body": document{"string": g.of("gone", "away")}}
		return route
	case 2, 3, 4:
		route["rewrite"] = document{"uri": g.of("/", "/new", "/new/", "/x/y", "/app", "/a$1")}
	case 5, 6:
		re := [][2]string{
			{"^/app/(.*)", `/\1`}, {"^/app(/.*)?$", `/x\1`}, {"^/api/(v[0-9]+)/(.*)$", `/\2/\1`}, {"/app", "/new"}, {"^/(.*)$", `/end/\1`},
			{"^/(app|api)/?(.*)$", `/new/\2/\1`}, {"(.*)", `/z\1`}, {"/app/(.*)", `/\1`}, {"^/v[0-9]+/(.*)$", `/\1`}, {"o", "0"},
		}[g.IntN(10)]
		route["rewrite"] = document{"uriRegexRewrite": document{"match": re[0], "rewrite": re[1]}}
	}
	if rewrite, ok := route["rewrite"].(document); ok && g.chance(4) {
		rewrite["authority"] = "internal.example.com"
	}
	if g.chance(3) {
		route["headers"] = g.istioHeaders()
	}

	route["route"] = g.destinations()

	return route
}

// destinations are one Service, or two of which one has no weight: which of two is chosen is nothing to compare.
func (g routeGenerator) destinations() []any {
	to := func(name string) document {
		return document{"destination": document{"host": name, "port": document{"number": 80}}}
	}
	first := to(g.of(importedServices...))
	if g.chance(6) {
		first["headers"] = g.istioHeaders()
	}
	if g.chance(8) {
		first["weight"] = 100
		second := to(g.of(importedServices...))
		second["weight"] = 0
		return []any{first, second}
	}

	return []any{first}
}

func (g routeGenerator) istioMatch() document {
	match := document{}
	switch g.IntN(7) {
	case 0:
		match["uri"] = document{"exact": g.of("/app", "/app/v1", "/api/", "/other", "/APP")}
	case 1, 2, 3:
		match["uri"] = document{"prefix": g.of("/", "/app", "/app/", "/api", "/api/v1/", "/API", "/v")}
	case 4, 5:
		match["uri"] = document{"regex": g.of("/app/.*", "/v[0-9]+/.*", "/(app|api)(/.*)?", ".*", "/app(/[a-z]+)?", "/api/(v[0-9]+)/(.*)")}
	}
	if match["uri"] != nil && g.chance(5) {
		match["ignoreUriCase"] = true
	}

	text := func() document {
		switch g.IntN(4) {
		case 0:
			return document{"exact": g.of("blue", "green")}
		case 1:
			return document{"prefix": g.of("bl", "g")}
		case 2:
			return document{"regex": g.of("b.*", "blue|green", ".+")}
		}
		return document{}
	}
	if g.chance(5) {
		match["headers"] = document{"x-env": text()}
	}
	if g.chance(8) {
		match["withoutHeaders"] = document{"x-user": text()}
	}
	if g.chance(8) {
		match["queryParams"] = document{"v": document{g.of("exact", "regex"): g.of("2", "[0-9]")}}
	}
	if g.chance(10) {
		match["method"] = document{"exact": g.of("GET", "POST")}
	}
	if g.chance(12) {
		match["authority"] = document{"prefix": g.of("a.", "b.", "w.")}
	}

	return match
}

func (g routeGenerator) istioHeaders() document {
	headers := document{}
	if g.chance(2) {
		headers["request"] = g.edits("x-user", "x-route", "x-env")
	}
	if g.chance(2) || len(headers) == 0 {
		headers["response"] = g.edits("x-up", "x-site", "x-more")
	}
	return headers
}

// edits are header operations in Istio's words.
func (g routeGenerator) edits(names ...string) document {
	edits := document{}
	if g.chance(2) {
		edits["set"] = document{g.of(names...): g.of("one", "two", "a$b", "50%%")}
	}
	if g.chance(3) {
		edits["remove"] = []any{g.of(names...)}
	}
	if g.chance(3) || len(edits) == 0 {
		edits["add"] = document{g.of(names...): g.of("three", "four")}
	}

	return edits
}

func (g routeGenerator) istioRedirect() document {
	to := document{}
	if g.chance(2) {
		to["uri"] = g.of("/moved", "/moved/", "/moved?a=b", "/")
	}
	if g.chance(2) || len(to) == 0 {
		to["authority"] = g.of("elsewhere.example.com", "elsewhere.example.com:8443")
	}
	if g.chance(3) {
		to["scheme"] = "https"
	}
	if g.chance(4) {
		to["port"] = []int{443, 80, 8443}[g.IntN(3)]
	}
	if g.chance(2) {
		to["redirectCode"] = []int{301, 302, 303, 307, 308}[g.IntN(5)]
	}

	return to
}

func (g routeGenerator) httpRoute(name string, hosts []any) document {
	var rules []any
	for range 1 + g.IntN(4) {
		rules = append(rules, g.apiRule())
	}
	return document{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": document{"name": name},
		"spec": document{"parentRefs": []any{document{"name": g.gateway}}, "hostnames": hosts, "rules": rules},
	}
}

// apiRule is one entry of spec.rules. Where a prefix is replaced, its one match is a prefix: the API server wants it so.
func (g routeGenerator) apiRule() document {
	rule := document{}
	kind := g.of("", "", "headers", "full", "prefix", "prefix", "redirect", "redirect-prefix")
	var filters []any

	var matches []any
	switch kind {
	case "prefix", "redirect-prefix":
		matches = []any{g.apiMatch("PathPrefix")}
	default:
		for range g.IntN(3) {
			matches = append(matches, g.apiMatch(g.of("PathPrefix", "PathPrefix", "Exact", "RegularExpression")))
		}
	}
	if len(matches) > 0 {
		rule["matches"] = matches
	}

	prefix := document{"type": "ReplacePrefixMatch", "replacePrefixMatch": g.of("", "/", "/new", "/new/", "/app")}
	if len(matches) > 0 && matches[0].(document)["path"].(document)["value"] == "/" {
		// Istio joins /new to what follows / without a slash; the rules do as the Gateway API says.
		prefix["replacePrefixMatch"] = g.of("", "/")
	}

	full := document{"type": "ReplaceFullPath", "replaceFullPath": g.of("/", "/new", "/new/x")}
	switch kind {
	case "full":
		filters = append(filters, g.urlRewrite(full))
	case "prefix":
		filters = append(filters, g.urlRewrite(prefix))
	case "redirect":
		filters = append(filters, g.apiRedirect(full))
	case "redirect-prefix":
		// Istio takes an empty prefix of a redirect for none; the rules do as the Gateway API says.
		if prefix["replacePrefixMatch"] == "" {
			prefix["replacePrefixMatch"] = "/"
		}

		filters = append(filters, g.apiRedirect(prefix))
	}
	if kind == "headers" || g.chance(5) {
		filters = append(filters, g.modifiers()...)
	}
	if len(filters) > 0 {
		rule["filters"] = filters
	}
	if kind != "redirect" && kind != "redirect-prefix" {
		backend := document{"name": g.of(importedServices...), "port": 80}
		if g.chance(6) {
			backend["filters"] = g.modifiers()
		}

		rule["backendRefs"] = []any{backend}
	}

	return rule
}

func (g routeGenerator) apiMatch(kind string) document {
	value := map[string]string{
		"Exact":             g.of("/app", "/app/v1", "/other", "/x/y"),
		"PathPrefix":        g.of("/", "/app", "/app/", "/api", "/api/v1", "/app/v1"),
		"RegularExpression": g.of("/app/.*", "/v[0-9]+/.*", "/(app|api)(/.*)?"),
	}[kind]
	match := document{"path": document{"type": kind, "value": value}}
	if g.chance(5) {
		match["headers"] = []any{document{"name": "x-env", "value": g.of("blue", "green")}}
	}
	if g.chance(8) {
		match["queryParams"] = []any{document{"name": "v", "value": g.of("2", "3")}}
	}
	if g.chance(10) {
		match["method"] = g.of("GET", "POST")
	}

	return match
}

func (g routeGenerator) urlRewrite(path document) document {
	rewrite := document{"path": path}
	if g.chance(4) {
		rewrite["hostname"] = "internal.example.com"
	}
	return document{"type": "URLRewrite", "urlRewrite": rewrite}
}

func (g routeGenerator) apiRedirect(path document) document {
	to := document{}
	if path["type"] == "ReplacePrefixMatch" || g.chance(2) {
		to["path"] = path
	}
	if g.chance(2) || len(to) == 0 {
		to["hostname"] = "elsewhere.example.com"
	}
	if g.chance(3) {
		to["scheme"] = "https"
	}
	if g.chance(4) {
		to["port"] = []int{443, 80, 8443}[g.IntN(3)]
	}
	if g.chance(2) {
		to["statusCode"] = []int{301, 302}[g.IntN(2)]
	}

	return document{"type": "RequestRedirect", "requestRedirect": to}
}

// modifiers are filters for the headers of the request, the response, or both.
func (g routeGenerator) modifiers() (filters []any) {
	edits := func(names ...string) document {
		edits := document{}
		if g.chance(2) {
			edits["set"] = []any{document{"name": g.of(names...), "value": g.of("one", "two")}}
		}
		if g.chance(3) {
			edits["remove"] = []any{g.of(names...)}
		}
		if g.chance(3) || len(edits) == 0 {
			edits["add"] = []any{document{"name": g.of(names...), "value": g.of("three", "four")}}
		}

		return edits
	}
	both := g.IntN(3)
	if both != 0 {
		filters = append(filters, document{"type": "RequestHeaderModifier", "requestHeaderModifier": edits("x-user", "x-route", "x-env")})
	}
	if both != 1 {
		filters = append(filters, document{"type": "ResponseHeaderModifier", "responseHeaderModifier": edits("x-up", "x-site", "x-more")})
	}

	return filters
}
