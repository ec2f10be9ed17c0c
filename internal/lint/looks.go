package lint

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// looksRight reports what reads as if it did what it does not.
func (l *linter) looksRight(p *pattern) {
	l.stars(p)
	l.unanchored(p)
	l.deny(p)
	l.allow(p)
	l.except(p)
	l.grammar(p.at+".", p, p.VisitTexts)
	l.edits(p.at+".headers.", p.Headers)
}

// denies reports whether this is a pattern that refuses: 410 and the like say something else.
func (p *pattern) denies() bool {
	return p.Respond != nil && slices.Contains([]int{401, 403, 404}, p.Respond.Status) && p.Match.Response == nil && p.Mode != "shadow"
}

// stars reports a * that stands for itself.
func (l *linter) stars(p *pattern) {
	for _, c := range []*condition{p.path, p.host} {
		if c == nil || c.key == "regex" || !strings.Contains(c.written, "*") {
			continue
		}

		advice := "write regex, with .* for any text"
		switch {
		case c == p.path && c.key == "prefix":
			advice = "a prefix takes all that is under it: write " + strings.TrimRight(strings.TrimRight(c.written, "*"), "/")
		case c == p.host && strings.HasPrefix(c.written, "*."):
			advice = "write host: {suffix: " + c.written[1:] + "} for all names under it"
		}
		l.find(Star, SeverityWarning, c.at, c.written, "a * is not a wildcard here: it fits a * alone", advice)
	}
}

// wide are headers that hold free text, which is searched by nature.
var wide = []string{"user-agent", "accept", "accept-language", "accept-encoding", "content-type", "cookie", "referer", "via", "cache-control",
	"x-forwarded-for", "forwarded"}

// unanchored reports regexes that take more than the values that they list.
func (l *linter) unanchored(p *pattern) {
	var list []*condition
	if p.host != nil {
		list = append(list, p.host)
	}

	for i := range p.headers {
		if !slices.Contains(wide, p.headers[i].name) {
			list = append(list, &p.headers[i])
		}
	}

	for _, c := range list {
		if c.key != "regex" || c.re == nil || !c.known || c.example == "" {
			continue
		}

		host := c == p.host
		whole := closed(c.expr)
		before, after := "not", "x"
		if host {
			before, after = "evil-", ".evil.com"
		}
		var takes []string
		bare := strings.TrimPrefix(strings.TrimPrefix(c.written, "(?i)"), "^")
		if dotted := strings.ReplaceAll(c.example, ".", "x"); host && strings.Contains(bare, ".") && !strings.ContainsAny(bare, `\*+[?`) &&
			dotted != c.written && c.re.MatchString(dotted) {
			takes = append(takes, dotted)
		}
		// A name under a domain may have anything before the dot; .* says so itself.
		if open := strings.HasPrefix(bare, ".*") || strings.HasPrefix(bare, `\.`) || strings.HasPrefix(bare, `(^|\.)`) ||
			strings.HasPrefix(bare, `(?:^|\.)`); !whole && !open && c.re.MatchString(before+c.example) {
			takes = append(takes, before+c.example)
		}
		if open := strings.HasSuffix(c.written, ".*") || strings.HasSuffix(c.written, ".+"); !whole && !open && c.re.MatchString(c.example+after) {
			takes = append(takes, c.example+after)
		}
		if len(takes) == 0 {
			continue
		}

		severity := SeverityInfo
		if host || p.denies() || c.not {
			severity = SeverityWarning
		}
		l.find(Unanchored, severity, c.at, c.written, "the regex is found anywhere in the "+c.what()+": it takes "+strings.Join(takes, " and "),
			"write "+anchored(c.written, host))
	}
}

// closed reports whether this is a regex that says itself where its subject begins and ends.
func closed(expr string) bool {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || len(re.Sub) < 2 {
		return false
	}

	first, last := re.Sub[0].Op, re.Sub[len(re.Sub)-1].Op
	return first == syntax.OpBeginText && last == syntax.OpEndText
}

var bareDot = regexp.MustCompile(`(^|[^\\])\.([a-z])`)

// anchored is a regex that takes the whole value alone.
func anchored(text string, host bool) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(text, "^"), "$")
	if host && !strings.ContainsAny(inner, `[\`) {
		inner = bareDot.ReplaceAllString(inner, `$1\.$2`)
	}
	if strings.Contains(inner, "|") {
		inner = "(?:" + inner + ")"
	}
	return "^" + inner + "$"
}

// evading are other ways to write a path that many upstreams take for the
// same. Envoy's normalize_path, on in Istio, undoes none of them.
func evading(path string) []string {
	segment := strings.TrimPrefix(path, "/")
	if segment == "" {
		return nil
	}
	return []string{
		strings.ToUpper(path), "/" + path, path + ";a=b", path + "%2fx", "/%2f" + segment, "/x%2f.." + "%2f" + segment, path + "/",
	}
}

// deny reports a refusal that another spelling of the same thing passes.
func (l *linter) deny(p *pattern) {
	if !p.denies() {
		return
	}
	if p.Match.Scheme != "" {
		l.find(ByScheme, SeverityWarning, p.at+".match.scheme", p.Match.Scheme,
			"the scheme is what the proxy received: x-forwarded-proto, or :scheme over HTTP/2, of any hop that it trusts (use_remote_address: false)",
			"refuse where TLS ends, or by PeerAuthentication with mode: STRICT; for a browser a redirect by scheme is enough")
	}

	rules := l.alone(p)
	if rules == nil {
		return
	}

	stream := rules.NewStream()
	takes := func(r request) bool { return count(ask(rules, stream, r), rewrite.Responded) > 0 }

	// Other spellings of the path.
	var pass []string
	if p.path != nil && p.path.known && p.path.key != "suffix" {
		for _, r := range p.requestsOf(evading(p.path.example)) {
			if path, _, _ := strings.Cut(r.target, "?"); !takes(r) && !slices.Contains(pass, path) {
				pass = append(pass, path)
			}
		}
	}
	if len(pass) > 0 {
		l.find(RawPath, SeverityWarning, p.path.at, p.path.written, "a refusal by the raw path lets by "+shortList(pass)+", which many upstreams take for the same",
			"refuse in the upstream, or let only what is known pass; what stays rests on Istio's meshConfig.pathNormalization: {normalization: "+
				"DECODE_AND_MERGE_SLASHES} (Envoy: normalize_path, merge_slashes, path_with_escaped_slashes_action) and a regex with ignoreCase: true")
	}
	l.denyByValue(p, takes)
}

// denyByValue reports refusals by the whole of a value that a client can
// repeat or write in another way.
func (l *linter) denyByValue(p *pattern, takes func(request) bool) {
	first := p.requestsOf([]string{p.firstPath()})
	if len(first) == 0 {
		return
	}
	if c := p.host; c != nil && c.key == "exact" {
		r := first[0]
		if r.host += "."; !takes(r) {
			l.find(ByValue, SeverityWarning, c.at, c.written, "a refusal by the whole host lets by "+r.host+", the same name with its dot",
				`write regex: ^`+regexp.QuoteMeta(strings.ToLower(c.written))+`\.?$`)
		}
	}

	for i := range p.headers {
		c := &p.headers[i]
		if c.key != "exact" || c.example == "" {
			continue
		}

		r := first[0]
		r.headers = slices.Clone(r.headers)
		joined := "a, " + c.example

		r.headers = slices.DeleteFunc(r.headers, func(h message.Header) bool { return h.Name == c.name })
		switch {
		case c.not:
			// Whoever lacks the value is refused; one of several is enough to pass.
			r.headers = append(r.headers, message.Header{Name: c.name, Value: "a"}, message.Header{Name: c.name, Value: c.example})
			if !takes(r) {
				l.find(ByValue, SeverityWarning, c.at, c.written, fmt.Sprintf("who sends %s twice, once with %s, passes, and the upstream may read the other one",
					c.name, c.example), "let the gateway that sets "+c.name+" remove what clients send: headers: {request: {remove: ["+c.name+"]}} before it")
			}
		default:
			r.headers = append(r.headers, message.Header{Name: c.name, Value: joined})
			if !takes(r) {
				l.find(ByValue, SeverityWarning, c.at, c.written, fmt.Sprintf("a refusal by the whole value lets by %s: %s, which upstreams read as two values",
					c.name, joined), `write regex: (?:^|,)\s*`+regexp.QuoteMeta(c.written)+`\s*(?:,|$)`)
			}
		}
	}
}

func (p *pattern) firstPath() string {
	if p.path != nil && p.path.known {
		return p.path.example
	}
	return "/"
}

// allow reports what passes an allow list: a pattern that stops before one
// that refuses everything, and lets the path pass as it is.
func (l *linter) allow(p *pattern) {
	if p.path == nil || !p.path.known || !p.stops || p.Respond != nil || p.Redirect != nil || p.path.key == "exact" {
		return
	}

	after := false
	for i := range l.patterns {
		other := &l.patterns[i]
		if after && other.denies() && other.stops && len(other.conditions()) == 0 && other.Match.Scheme == "" && other.Match.Methods == nil {
			base := strings.TrimSuffix(p.path.example, "/")

			var pass []string
			for _, path := range []string{base + "/..%2fadmin", base + "/..;/admin"} {
				if p.path.re.MatchString(path) {
					pass = append(pass, path)
				}
			}
			if len(pass) > 0 {
				l.find(RawPath, SeverityWarning, p.path.at, p.path.written, "what this lets pass holds "+shortList(pass)+", which many upstreams take for another path",
					"take segments without % and ; alone, as in ^"+regexp.QuoteMeta(base)+"(/[A-Za-z0-9._-]+)*$, or set Istio's meshConfig.pathNormalization: "+
						"{normalization: DECODE_AND_MERGE_SLASHES}")
			}

			return
		}

		after = after || other == p
	}
}

// except reports what passes the exceptions of a refusal: each of them is an
// allow list by the raw path.
func (l *linter) except(p *pattern) {
	if !p.denies() || len(p.Unless) == 0 {
		return
	}

	rules := l.alone(p)
	if rules == nil {
		return
	}

	stream := rules.NewStream()

	for i, u := range p.Unless {
		if u.Path == nil || u.Path.Exact != nil {
			continue
		}

		c := l.condition(fmt.Sprintf("%s.unless[%d].path", p.at, i), pathSubject, u.Path.IgnoreCase,
			written{segments: u.Path.Prefix, ending: u.Path.Suffix, regex: u.Path.Regex})
		if !c.known {
			continue
		}

		// What is under the exception and read as something else elsewhere; a suffix has it before its end.
		base := strings.TrimSuffix(c.example, "/")
		spelled := []string{base + "/..%2fadmin", base + "/..;/admin"}
		if c.key == "suffix" {
			spelled = []string{"/admin;" + c.example[1:]}
		}

		var pass []string
		for _, r := range p.requestsOf(spelled) {
			path, _, _ := strings.Cut(r.target, "?")
			seen := ask(rules, stream, r)
			holds := p.path == nil || p.path.re != nil && p.path.re.MatchString(path)
			if holds && c.re.MatchString(path) && count(seen, rewrite.Responded) == 0 && !slices.Contains(pass, path) {
				pass = append(pass, path)
			}
		}
		if len(pass) > 0 {
			l.find(RawPath, SeverityWarning, c.at, c.written, "the exception holds "+shortList(pass)+", which many upstreams take for another path",
				"name the paths that are meant by exact, or by a regex without % and ; in it, or set Istio's meshConfig.pathNormalization: {normalization: "+
					"DECODE_AND_MERGE_SLASHES}")
		}
	}
}

func shortList(list []string) string {
	if len(list) > 4 {
		return strings.Join(list[:4], " ") + " and others"
	}
	return strings.Join(list, " ")
}

// Headers whose values have a grammar: more than one thing can be said in
// them, so a client that writes part of one may say another.
var grammars = map[string]string{
	"set-cookie": "de; Domain=.example.com", "cookie": "de; role=admin", "content-security-policy": "x; script-src *",
	"refresh": "0; url=https://evil.com", "forwarded": "x, for=10.0.0.1", "location": "https://evil.com",
	"content-security-policy-report-only": "x; script-src *", "link": "x>; rel=preload, <y",
}

// grammar reports text of clients in such headers.
func (l *linter) grammar(at string, p *pattern, visit func(func(rewrite.Site))) {
	visit(func(site rewrite.Site) {
		name := l.headerOf(p, site.Path)
		says, ok := grammars[name]
		if !ok {
			return
		}

		for _, r := range references(site.Text) {
			how := l.free(p, r.name)
			if how == "" || name == "location" && fixedHost(site.Text[:r.start]) {
				continue
			}
			l.find(Grammar, SeverityWarning, at+strings.TrimPrefix(site.Path, "."), site.Text,
				fmt.Sprintf("a client writes into %s (%s): %q says more than is meant", name, how, says),
				"let a regex in the match take the values that are meant, and refer to its group, as in (?P<lang>[a-z]{2})")
			return
		}
	})
}

var authority = regexp.MustCompile(`^(?:[a-z]+:)?//[^/$]+/|^/[^/$]`)

// fixedHost reports whether this is a URL whose host is written out.
func fixedHost(text string) bool { return authority.MatchString(text) }

// free says how a client chooses the text of a reference, or nothing where it
// hardly can.
func (l *linter) free(p *pattern, name string) string {
	if p == nil {
		if strings.HasPrefix(name, "header.") || strings.HasPrefix(name, "query") {
			return "by ${" + name + "}"
		}
		return ""
	}
	return l.open(p, name)
}

var headerSite = regexp.MustCompile(`^\.?(?:headers\.(?:request|response)\.(?:set|overwrite|default|add)|respond\.headers)\.([^\[]+)(?:\[\d+\])?$`)
var replaceSite = regexp.MustCompile(`^\.?headers\.(request|response)\.replace\[(\d+)\]`)

// headerOf is the header that a text is written to, in lower case, or "".
func (l *linter) headerOf(p *pattern, path string) string {
	if m := headerSite.FindStringSubmatch(path); m != nil {
		return strings.ToLower(m[1])
	}

	m := replaceSite.FindStringSubmatch(path)
	if m == nil {
		return ""
	}

	headers := l.config.Headers
	if p != nil {
		headers = p.Headers
	}

	list := headers.Request.Replace
	if m[1] == "response" {
		list = headers.Response.Replace
	}
	if i, err := strconv.Atoi(m[2]); err == nil && i < len(list) {
		return strings.ToLower(list[i].Name)
	}

	return ""
}

// late is what Envoy writes after the filters.
var late = map[string]string{
	"server": "server_header_transformation: PASS_THROUGH (Istio: proxyHeaders: {server: {disabled: true}} in ProxyConfig)",
	"date":   "nothing; Envoy writes one where there is none, and leaves one that is set",
}

var trusted = regexp.MustCompile(`(?i)user|auth|role|tenant|verified|admin|group|scope|token|identity|account|subject|` +
	`principal|forwarded|real-ip|client-ip|client-cert`)

// edits reports header operations that hardly do what they say. at ends before
// request and response.
func (l *linter) edits(at string, h rewrite.Headers) {
	for i, name := range h.Response.Remove {
		if instead, ok := late[strings.ToLower(name)]; ok {
			l.find(LateHeader, SeverityWarning, fmt.Sprintf("%sresponse.remove[%d]", at, i), name,
				"Envoy writes "+strings.ToLower(name)+" after the filters, so the client gets it again", "what can: "+instead)
		}
	}

	for _, name := range slices.Sorted(maps.Keys(h.Response.Set)) {
		if instead, ok := late[strings.ToLower(name)]; ok && !strings.EqualFold(name, "date") {
			l.find(LateHeader, SeverityWarning, at+"response.set."+name, name, "Envoy writes "+strings.ToLower(name)+" after the filters, over this",
				"what can: "+instead)
		}
	}

	for _, operation := range []struct {
		name string
		of   map[string]string
	}{{"copy", h.Request.Copy}, {"rename", h.Request.Rename}} {
		for _, from := range slices.Sorted(maps.Keys(operation.of)) {
			if to := operation.of[from]; trusted.MatchString(to) {
				l.find(OldName, SeverityWarning, at+"request."+operation.name+"."+from, to,
					fmt.Sprintf("where %s is absent, the %s that a client sends itself stays", from,
						to), fmt.Sprintf("write set: {%s: \"${header.%s}\"}, which removes it then", to, from))
			}
		}
	}
}

// traps reports vars that YAML reads as something else than is written.
func (l *linter) traps() {
	for _, name := range slices.Sorted(maps.Keys(l.config.Vars)) {
		found, exact := l.workload.Places.Find("vars." + name)
		text, plain := found.Text()
		if value := l.config.Vars[name].Text; exact && plain && text != "" && value != text {
			l.find(YAMLValue, SeverityWarning, "vars."+name, text, fmt.Sprintf("YAML reads this as %s, and ${var.%s} is that", value, name),
				"put it in quotes: \""+text+"\"")
		}
	}
}
