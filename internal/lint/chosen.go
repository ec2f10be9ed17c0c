package lint

import (
	"fmt"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// chosenAgain reports rewrites where the route is chosen by what they write:
// with the routes at hand, the requests that take another one.
func (l *linter) chosenAgain(p *pattern) {
	if p.Rewrite == nil || p.Rewrite.Path == nil && p.Rewrite.Host == nil || p.Mode == "shadow" {
		return
	}
	if l.routes.Empty() {
		if l.workload.Routes != "" {
			l.find(RouteChosen, SeverityInfo, p.at+".rewrite", "", "this runs at "+l.workload.Routes+", where the route is chosen again by the new path "+
				"and host: another service may answer",
				l.elsewhere()+"; or give lint the routes, with --routes, and see which each sample takes")
		}
		return
	}

	rules := l.alone(p)
	if rules == nil {
		return
	}

	// Each sample, before and after.
	stream := rules.NewStream()
	for _, path := range p.paths() {
		if !plain(path) {
			continue
		}

		for _, r := range p.requestsOf([]string{path}) {
			r = p.complete(r)
			seen := ask(rules, stream, r)
			if seen.Upstream == nil || len(seen.Acted) == 0 {
				continue
			}

			value := func(name string) string { return exchange.Value(message.Message{Headers: r.headers}, name) }
			before := l.routes.For(r.method, r.host, bare(r.target), value)
			after := l.routes.For(r.method, exchange.Value(*seen.Upstream, ":authority"), bare(exchange.Value(*seen.Upstream, ":path")), value)
			if before == after {
				continue
			}

			said := fmt.Sprintf("%s takes %s before the rewrite, and as %s it takes %s", r, named(before), exchange.Line(*seen.Upstream), named(after))
			advice := l.elsewhere() + ", or write the route for the new path"
			if guard := l.routes.Security(after); guard != "" && guard != l.routes.Security(before) {
				said += fmt.Sprintf(" past %s, which is asked for requests that come by that route alone", guard)
				advice = "give the first route the same SecurityPolicy, or set one on the Gateway"
			}
			l.find(RouteChosen, SeverityWarning, p.at+".rewrite", "", said, advice)

			return
		}
	}
}

// elsewhere is what to do with rules that run where the route is chosen again.
func (l *linter) elsewhere() string {
	if strings.HasPrefix(l.workload.Object, "EnvoyExtensionPolicy ") {
		return "keep the new path in the same route"
	}
	return "rewrite in the service's own sidecar"
}

func bare(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

func named(route string) string {
	if route == "" {
		return "no route (404)"
	}
	return route
}
