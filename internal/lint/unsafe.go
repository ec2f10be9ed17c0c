package lint

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// alone makes rules of one pattern, in force and without its neighbours.
func (l *linter) alone(p *pattern) *rewrite.Rules {
	one := p.Pattern
	one.Mode, one.Sample, one.Then = "", nil, ""
	rules, err := rewrite.Compile(&rewrite.Config{Vars: l.config.Vars, Patterns: []rewrite.Pattern{one}})
	if err != nil {
		return nil
	}
	return rules
}

// ask puts a request through rules of one pattern.
func ask(rules *rewrite.Rules, stream *rewrite.Stream, r request) exchange.Seen {
	return exchange.Run(stream, rules, exchange.Request(r.method, r.scheme, r.host, r.target, r.headers), exchange.Response(200, nil))
}

// unsafePaths reports a rewrite or redirect that ends in 400 for all that it
// matches, for the path that people try first, or for paths that a browser
// sends.
func (l *linter) unsafePaths(p *pattern) {
	at := ""
	switch {
	case p.Match.Response != nil:
		return
	case p.Rewrite != nil && (p.Rewrite.Path != nil || p.Rewrite.Host != nil):
		at = p.at + ".rewrite"
	case p.Redirect != nil:
		at = p.at + ".redirect"
	default:
		return
	}

	rules := l.alone(p)
	if rules == nil {
		return
	}

	// Every sample that the pattern takes is asked about.
	stream := rules.NewStream()
	matched, refused := 0, 0

	var witness request
	for _, path := range p.paths() {
		if !plain(path) {
			continue
		}

		for _, r := range p.requestsOf([]string{path}) {
			// What a client leaves out is another matter: it is all there.
			seen := ask(rules, stream, p.complete(r))
			if count(seen, rewrite.Matched) == 0 {
				continue
			}
			matched++
			if count(seen, rewrite.Unsafe) > 0 {
				if refused++; refused == 1 {
					witness = r
				}
			}
			break // the other schemes say the same
		}
	}
	if refused == 0 {
		return
	}

	// What was written is where the mistake is.
	path, value := at, ""
	if text := pathOf(p); text != nil {
		path, value = at+".path", *text
	}

	end := "is answered 400"
	if l.config.OnUnsafe == "keep" {
		end = "is left as it is"
	}

	severity, reason := SeverityWarning, fmt.Sprintf("%s %s: what it would become is not a path that may leave the filter", witness, end)
	if refused == matched {
		severity, reason = SeverityError, fmt.Sprintf("every request %s, such as %s: what they would become is not a path that may leave the filter", end, witness)
	}
	l.find(UnsafePath, severity, path, value, reason, l.instead(p))
}

// complete gives a request the headers and parameters that the pattern refers
// to.
func (p *pattern) complete(r request) request {
	r.headers = slices.Clone(r.headers)
	p.VisitTexts(func(site rewrite.Site) {
		for _, ref := range references(site.Text) {
			if name, ok := strings.CutPrefix(ref.name, "header."); ok &&
				!slices.ContainsFunc(r.headers, func(h message.Header) bool { return h.Name == strings.ToLower(name) }) {
				r.headers = append(r.headers, message.Header{Name: strings.ToLower(name), Value: "a"})
			}

			if ref.name == "query" && !strings.Contains(r.target, "?") {
				r.target += "?a"
			}

			name, ok := strings.CutPrefix(ref.name, "query.")
			path, query, _ := strings.Cut(r.target, "?")
			if values, err := url.ParseQuery(query); ok && err == nil && !values.Has(name) {
				values.Set(name, "a")
				r.target = path + "?" + values.Encode()
			}
		}
	})

	return r
}

func pathOf(p *pattern) *string {
	if p.Rewrite != nil {
		return p.Rewrite.Path
	}
	return p.Redirect.Path
}

// instead is what to write where a path does not begin with exactly one slash.
func (l *linter) instead(p *pattern) string {
	text := pathOf(p)
	if p.path != nil && p.path.key == "regex" {
		bare, ok := strings.CutPrefix(p.path.written, "^/")
		if bare = strings.TrimSuffix(bare, "/"); ok && text != nil && *text == "/" && !strings.ContainsAny(bare, `\.+*?()[]{}|^$`) {
			return "match: {path: {prefix: /" + bare + "}} has exactly one slash where the rest begins"
		}
	}
	if p.Rewrite != nil && p.path != nil && p.path.key == "regex" && p.path.written == "/$" && text != nil && *text == "" {
		return `match: {path: {suffix: /}} takes off the slash at the end, and leaves / alone`
	}

	return "a path begins with exactly one /: capture without it, as in ^/foo(?:/(.*))?$ with /$1; or match by prefix"
}

func count(seen exchange.Seen, result rewrite.Result) (n int) {
	for c, times := range seen.Counts {
		if c.Result == result {
			n += times
		}
	}
	return n
}
