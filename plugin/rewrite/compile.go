package rewrite

import (
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/regex"
)

// Compile checks what a configuration means and makes it ready to be applied.
// The error is [Errors] and holds every fault.
func Compile(c *Config) (*Rules, error) {
	f := &faults{}
	r := compile(c, f)
	if err := f.err(); err != nil {
		return nil, err
	}
	return r, nil
}

// compiler turns a Config into Rules and collects what is wrong with it.
type compiler struct {
	*faults
	config *Config
	// Of the pattern at hand.
	groupNames map[string]ref  // named groups that can be referred to, so far
	takenNames map[string]bool // all named groups so far
	pathRegex  *finder
	captures   int
	broken     bool // a regex is missing or wrong, so its groups are not known

	hints int // how many vars were compared with all others

	limits

	locSize int // of the largest match of a regex
}

//go:noinline
func compile(config *Config, f *faults) *Rules {
	f.settle()
	c := &compiler{faults: f, config: config}
	at := &place{}
	r := &Rules{revision: config.Revision, keepUnsafe: config.OnUnsafe == "keep"}
	if f.more > 0 {
		// There is more to put right than anybody reads.
		return r
	}

	patterns := at.key("patterns")
	if n := len(config.Patterns); n > MaxPatterns {
		c.add(patterns, "", "has "+strconv.Itoa(n)+" patterns, the limit is "+strconv.Itoa(MaxPatterns)+": split them over several workloads")
		return r
	}

	seen := map[string]int{}

	r.patterns = make([]pattern, len(config.Patterns))
	for i := range config.Patterns {
		if c.passed {
			return r
		}
		c.pattern(patterns.item(i), i, &config.Patterns[i], &r.patterns[i])
		name := r.patterns[i].name
		if first, twice := seen[name]; twice {
			c.add(patterns.item(i).key("name"), quoted(name), "is the name of patterns["+strconv.Itoa(first)+"] too: names are unique")
		} else {
			seen[name] = i
		}
	}
	c.startPattern()

	headers := at.key("headers")
	r.request = c.block(headers.key("request"), &config.Headers.Request, false, nil)
	r.response = c.block(headers.key("response"), &config.Headers.Response, true, nil)
	r.originalPathHeader = c.ownHeader(at.key("originalPathHeader"), config.OriginalPathHeader)
	r.patternHeader = c.ownHeader(at.key("patternHeader"), config.PatternHeader)
	if r.patternHeader != "" && r.patternHeader == r.originalPathHeader {
		c.add(at.key("patternHeader"), quoted(config.PatternHeader), "is originalPathHeader too: use two names")
	}

	for i, s := 0, config.Revision; i < len(s); i++ {
		if len(s) != 8 || !isDigit(s[i]) && (s[i] < 'a' || s[i] > 'f') {
			c.add(at.key("revision"), quoted(s), "want 8 hexadecimal digits in lower case; the chart writes them")
			break
		}
	}

	r.locSize = c.locSize
	if len(f.list) == 0 {
		r.plan()
	}

	return r
}

const nameReason = "want 1 to 63 of a-z, 0-9 and -"

func validName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isDigit(c) && (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return len(s) <= 63
}

func (c *compiler) startPattern() {
	if c.takenNames == nil || len(c.takenNames) > 0 {
		c.groupNames, c.takenNames = map[string]ref{}, map[string]bool{}
	}

	c.pathRegex, c.captures, c.broken = nil, 0, false
}

//go:noinline
func (c *compiler) pattern(at *place, index int, in *Pattern, p *pattern) {
	c.startPattern()

	p.name = in.Name
	if p.name == "" {
		p.name = "pattern-" + strconv.Itoa(index)
	} else if !validName(p.name) {
		c.add(at.key("name"), quoted(p.name), nameReason)
	}
	c.match(at.key("match"), &in.Match, p)
	c.unless(at.key("unless"), in.Unless, p)
	c.action(at, in, p)
	headers := at.key("headers")
	if p.onResponse {
		if !in.Headers.Request.empty() {
			c.add(headers.key("request"), "", "cannot be combined with match.response: the request has gone when the response is there")
		}

		p.response.refs, p.refs = c.remember(p), nil
	} else {
		p.request = c.block(headers.key("request"), &in.Headers.Request, false, nil)
	}

	p.response = c.block(headers.key("response"), &in.Headers.Response, true, p.response.refs)
	p.captures = c.captures

	p.next = in.Then == "next"
	if p.next && (p.redirect != nil || p.respond != nil) {
		c.add(at.key("then"), `"next"`, "cannot be combined with redirect or respond: nothing comes after an answer")
	}

	switch in.Mode {
	case "shadow":
		p.mode = shadow
	case "disabled":
		p.mode = disabled
	}
	if in.Sample != nil {
		p.sample = c.sample(at.key("sample"), in.Sample)
	}
}

// action compiles rewrite, redirect and respond.
//
//go:noinline
func (c *compiler) action(at *place, in *Pattern, p *pattern) {
	var given []string
	for _, a := range []struct {
		name  string
		given bool
	}{{"rewrite", in.Rewrite != nil}, {"redirect", in.Redirect != nil}, {"respond", in.Respond != nil}} {
		if a.given {
			given = append(given, a.name)
		}
	}
	if in.Rewrite != nil && p.onResponse {
		c.add(at.key("rewrite"), "", "cannot be combined with match.response: the request has gone when the response is there; redirect and respond may")
	}

	switch {
	case len(given) > 1:
		c.add(at, "", "has "+strings.Join(given, " and ")+": want one of rewrite, redirect and respond")
	case len(given) == 0 && in.Headers.Request.empty() && in.Headers.Response.empty() && in.Then != "stop":
		c.missing(at, "does nothing: want rewrite, redirect, respond or headers; or then: stop, which leaves its requests as they are and ends the search")
	}

	sc := scope{groups: c.groups(), names: c.groupNames, refs: &p.refs, response: p.onResponse}
	if in.Rewrite != nil {
		c.rewrite(at.key("rewrite"), in, p, sc)
	}
	if in.Redirect != nil {
		c.redirect(at.key("redirect"), in, p, sc)
	}
	if in.Respond != nil {
		e := &editor{compiler: c, at: at.key("respond"), sc: sc, name: c.headerName, text: c.headerValue}
		if c.counts(at.key("respond").key("headers"), values(in.Respond.Headers)) {
			e.lists(opSet, "headers", in.Respond.Headers)
		}
		if in.Respond.Body != "" && bodiless(in.Respond.Status) {
			c.add(at.key("respond").key("body"), quoted(in.Respond.Body), "a "+strconv.Itoa(in.Respond.Status)+" has no body: leave it out, or use another status")
		}

		p.respond = &respond{status: in.Respond.Status, body: in.Respond.Body, headers: e.ops}
	}

	p.needRoot = p.match.path != nil || p.newPath != nil || p.newQuery.drop || p.newQuery.ops != nil || p.redirect != nil
}

// bodiless tells the statuses whose responses have no body (RFC 9110, 6.4.1).
func bodiless(status int) bool { return status == 204 || status == 205 || status == 304 }

//go:noinline
func (c *compiler) rewrite(at *place, in *Pattern, p *pattern, sc scope) {
	r := in.Rewrite
	if r.Path == nil && r.Host == nil && !r.Query.Drop && r.Query.Edits == nil {
		c.missing(at, "changes nothing: want path, host or query")
	}
	if r.Path != nil {
		p.newPath = c.pathEdit(at, in, *r.Path, r.Replace, sc)
	} else if r.Replace != "" {
		c.add(at.key("replace"), quoted(r.Replace), "needs path with it")
	}
	if r.Host != nil {
		p.newHost = c.host(at.key("host"), *r.Host, sc)
	}

	p.newQuery.drop = r.Query.Drop
	if r.Query.Edits != nil {
		p.newQuery.ops = c.queryOps(at.key("query"), r.Query.Edits, sc)
	}
}

//go:noinline
func (c *compiler) redirect(at *place, in *Pattern, p *pattern, sc scope) {
	r := in.Redirect
	p.redirect = &redirect{status: r.Status, scheme: r.Scheme, port: r.Port}
	if r.Status == 0 {
		p.redirect.status = 302
	}
	if r.Host != nil {
		p.redirect.host = c.host(at.key("host"), *r.Host, sc)
		if text, fixed := p.redirect.host.constant(); fixed && r.Port != 0 {
			if _, port := splitPort(text); port != "" {
				c.add(at.key("port"), strconv.Itoa(r.Port), "redirect.host has the port "+port[1:]+" already: write it once")
			}
		}
	}
	if r.Path != nil {
		p.newPath = c.pathEdit(at, in, *r.Path, r.Replace, sc)
		p.redirect.fragment = p.newPath.fragment
	} else if r.Replace != "" {
		c.add(at.key("replace"), quoted(r.Replace), "needs path with it")
	}

	p.newQuery.drop = r.Query == "drop"
}

// groups is the number of groups of the path regex, or -1.
func (c *compiler) groups() int {
	if c.pathRegex == nil {
		return -1
	}
	return c.pathRegex.groups
}

// tokens splits a template and reports what is wrong with it.
func (c *compiler) tokens(at *place, text string) []token {
	tokens, reasons := c.tokenize(text)
	for _, reason := range reasons {
		c.add(at, quoted(text), reason)
	}
	return tokens
}

func (c *compiler) resolved(at *place, text string, tokens []token, sc scope) template {
	t, reasons := c.resolve(tokens, sc)
	for _, reason := range reasons {
		c.add(at, quoted(text), reason)
	}
	return t
}

func (c *compiler) template(at *place, text string, sc scope) template {
	return c.resolved(at, text, c.tokens(at, text), sc)
}

//go:noinline
func (c *compiler) sample(at *place, in *Sample) *sample {
	s := &sample{threshold: uint64(in.Percent*10000 + 0.5)}
	if by := in.By; by != nil {
		at := at.key("by")
		if (by.Header == "") == (by.Cookie == "") {
			c.missing(at, "want one of header and cookie")
		}
		if by.Header != "" {
			s.header = c.matchedName(at.key("header"), by.Header)
		}

		s.cookie = by.Cookie
		if s.cookie != "" && !isToken(s.cookie) {
			c.add(at.key("cookie"), quoted(s.cookie), "is not a cookie name")
		}
	}

	return s
}

func quoteMeta(s string) string { return regex.Quote(s) }

func asIs(s string) string { return s }
