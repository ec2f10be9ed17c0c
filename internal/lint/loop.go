package lint

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// maxHops is how many redirects browsers follow at the least.
const maxHops = 10

// loops puts requests that pattern i matches through the engine, and reports
// redirects that lead back and chains that undo themselves.
func (l *linter) loops(i int) {
	p := &l.patterns[i]
	if p.Mode == "shadow" || p.Redirect == nil && p.Then != "next" {
		return
	}

	for _, r := range p.requests() {
		if p.Match.Response != nil {
			if l.returns(p, r) {
				return
			}
			continue
		}
		if p.Redirect != nil && l.redirects(p, r) || p.Then == "next" && l.undone(p, r) {
			return
		}
	}
}

// request is an example that a pattern's conditions were made into.
type request struct {
	method, scheme, host, target string
	headers                      []message.Header
}

func (r request) String() string {
	return r.method + " " + r.scheme + "://" + r.host + r.target
}

// requests are examples of what meets a pattern's conditions, as far as they
// can be made.
func (p *pattern) requests() []request {
	paths := []string{"/", "/a/b"}
	if p.path != nil {
		paths = []string{p.path.example}
		for _, longer := range []string{p.path.example + "/a/b", p.path.example + "a/b", p.path.example + "1", "/a" + p.path.example} {
			if p.path.re != nil && p.path.re.MatchString(longer) {
				paths = append(paths, longer)
			}
		}
	}
	return p.requestsOf(paths)
}

// requestsOf are requests for paths that meet the pattern's other conditions.
func (p *pattern) requestsOf(paths []string) (list []request) {
	r := request{method: "GET", scheme: "http", host: "example.com", target: "/"}
	if p.Match.Methods != nil {
		r.method = p.Match.Methods[0]
	}
	if p.host != nil {
		if r.host = p.host.example; r.host == "" {
			r.host = "example.com"
		}
	}

	for _, h := range p.headers {
		if !h.not {
			r.headers = append(r.headers, message.Header{Name: h.name, Value: h.example})
		}
	}

	query := url.Values{}
	for _, q := range p.query {
		if !q.not {
			query.Add(q.name, q.example)
		}
	}

	for _, c := range p.conditions() {
		if !c.known && !c.not {
			return nil
		}
	}

	schemes := []string{"http", "https"}
	if p.Match.Scheme != "" {
		schemes = []string{p.Match.Scheme}
	}

	for _, path := range paths {
		for _, scheme := range schemes {
			// No proxy that speaks TLS itself is told that the client did not.
			if scheme == "https" && exchange.Value(message.Message{Headers: r.headers}, "x-forwarded-proto") == "http" {
				continue
			}

			r.scheme = scheme
			if r.target = path; len(query) > 0 {
				r.target += "?" + query.Encode()
			}

			list = append(list, r)
		}
	}

	return list
}

func (l *linter) exchange(r request) exchange.Seen {
	return exchange.Run(l.rules.NewStream(), l.rules,
		exchange.Request(r.method, r.scheme, r.host, r.target, r.headers), exchange.Response(200, nil))
}

// redirects follows the redirects of a request as a client does.
func (l *linter) redirects(p *pattern, r request) bool {
	first := r
	seen := map[string]bool{r.String(): true}
	way := []string{r.String()}

	foreign := "" // the first other host
	for hop := 0; hop < maxHops; hop++ {
		out := l.exchange(r)
		if hop == 0 && (len(out.Acted) == 0 || out.Acted[len(out.Acted)-1] != p.name) {
			return false
		}

		status, _ := strconv.Atoi(exchange.Value(out.Client, ":status"))
		location := exchange.Value(out.Client, "location")
		if out.Upstream != nil || status < 300 || status > 399 || location == "" {
			return false
		}

		scheme, rest, _ := strings.Cut(location, "://")
		rest, _, _ = strings.Cut(rest, "#") // no browser sends a fragment
		authority, target, _ := strings.Cut(rest, "/")
		r.scheme, r.host, r.target = scheme, authority, "/"+target
		// Browsers follow 303 with GET, and POST over 301 and 302 too.
		if r.method != "HEAD" && (status == 303 || r.method == "POST" && status < 303) {
			r.method = "GET"
		}

		r.headers = slices.Clone(r.headers)
		for i := range r.headers {
			// A load balancer that ends TLS says the new scheme.
			if r.headers[i].Name == "x-forwarded-proto" {
				r.headers[i].Value = scheme
			}
		}
		if foreign == "" && r.host != first.host {
			foreign = r.host
		}

		way = append(way, strings.TrimPrefix(r.String(), r.method+" "))
		if seen[r.String()] {
			break
		}

		seen[r.String()] = true
	}
	if len(way) > 4 {
		way = append(way[:3], "…")
	}

	reason := "a redirect without end: " + strings.Join(way, " → ")
	severity, advice := SeverityError, "match what is not at its target yet: another path, match.scheme, or match.host"
	if foreign != "" {
		severity = SeverityWarning
		reason += fmt.Sprintf(", if %s comes through this filter too", foreign)
	} else if p.Redirect.Scheme == "https" {
		advice = "match: {scheme: http}; after a load balancer that ends TLS, match a header that it sets instead, such as x-forwarded-proto"
	}
	l.find(RedirectLoop, severity, p.at+".redirect", "", reason, advice)

	return true
}

// returns reports a redirect on the response that leads back to the request that
// was answered: its answer is the same again.
func (l *linter) returns(p *pattern, r request) bool {
	if p.Redirect == nil || p.Match.Response.Status == nil {
		return false
	}

	status := p.Match.Response.Status[0].From
	request := exchange.Request(r.method, r.scheme, r.host, r.target, r.headers)
	seen := exchange.Run(l.rules.NewStream(), l.rules, request, exchange.Response(status, nil))
	location := exchange.Value(seen.Client, "location")
	if len(seen.Acted) == 0 || seen.Acted[len(seen.Acted)-1] != p.name || location != r.scheme+"://"+r.host+r.target {
		return false
	}
	l.find(RedirectLoop, SeverityWarning, p.at+".redirect", "",
		fmt.Sprintf("a redirect to where the request came from: %s → %d → %s", r, status, location),
		"name another path or host, or leave out the requests for it: unless: [{path: …}]")

	return true
}

// undone reports a chain of patterns that ends where it began.
func (l *linter) undone(p *pattern, r request) bool {
	out := l.exchange(r)
	if len(out.Acted) < 2 || out.Acted[0] != p.name || out.Upstream == nil {
		return false
	}

	for _, h := range out.Upstream.Headers {
		switch {
		case h.Name == ":path" && h.Value != r.target, h.Name == ":authority" && h.Value != r.host:
			return false
		}
	}

	rewritten := 0
	for count, n := range out.Counts {
		if count.Result.String() == "rewritten" {
			rewritten += n
		}
	}
	if rewritten < 2 {
		return false
	}
	l.find(ChainUndone, SeverityWarning, p.at+".then", "next",
		fmt.Sprintf("%s comes out as it went in: %s undo each other", r, strings.Join(out.Acted, " and ")),
		"let the chain stop after one of them, or make the later match narrower")

	return true
}
