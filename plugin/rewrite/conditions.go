package rewrite

import "strings"

type matchOp uint8

const (
	opExact matchOp = iota
	opPrefix
	opSuffix
	opContains
	opRegex
	opPresent
)

// matcher is one condition on a text.
type matcher struct {
	op       matchOp
	text     string
	fold     bool
	find     *finder
	captures []capture // the named groups of find
}

// capture says which group of a regex goes to which slot.
type capture struct{ slot, group int }

// valueMatcher is a condition on a header or query parameter.
type valueMatcher struct {
	matcher
	name string
	want bool // the outcome that holds: false under not, and for present: false
}

// pathMatcher is a condition on the path.
type pathMatcher struct {
	op   matchOp
	text string // without its last slash where it is a prefix
	fold bool
	find *finder
}

// conditions are what a pattern wants of a request; all of them must hold.
type conditions struct {
	path    *pathMatcher
	host    *matcher
	scheme  string
	methods []string
	headers []valueMatcher
	query   []valueMatcher
}

// choice is one way to match, as it was written.
type choice struct {
	key  string
	op   matchOp
	text *string
}

// choose gives the one way that is written, and reports none or several.
func (c *compiler) choose(at *place, choices []choice, orPresent bool) (chosen choice, ok bool) {
	var given []string
	for _, ch := range choices {
		if ch.text != nil {
			given = append(given, ch.key)
			chosen = ch
		}
	}
	if orPresent {
		given = append(given, "present")
	}
	if len(given) == 1 {
		return chosen, !orPresent
	}

	all := make([]string, 0, len(choices))
	for _, ch := range choices {
		all = append(all, ch.key)
	}

	reason := "want one of " + strings.Join(all, ", ")
	if len(given) > 1 {
		reason = "has " + strings.Join(given, " and ") + ": " + reason
	}
	c.missing(at, reason)
	c.broken = true

	return chosen, false
}

// text puts vars into a matcher's literal text, reports what is wrong with them
// and reports whether nothing is.
func (c *compiler) text(at *place, s string, quote func(string) string) (string, bool) {
	text, reasons := c.literal(s, quote)
	for _, reason := range reasons {
		c.add(at, quoted(s), reason)
	}
	return text, len(reasons) == 0
}

func (c *compiler) regex(at *place, s string, ignoreCase bool) *finder {
	text, _ := c.text(at, s, quoteMeta)
	find, reason := &finder{}, ""
	if !c.passed {
		find, reason = newFinder(text, ignoreCase)
	}
	if reason == "" && find.re != nil {
		reason = c.program(find.re.Size())
	}
	if reason != "" {
		c.add(at, quoted(s), reason)

		find = &finder{}
	}
	if find.re != nil {
		c.locSize = max(c.locSize, find.size())
	}

	c.broken = c.broken || reason != "" || c.misread(at)

	return find
}

// name registers the named groups of a regex; ref says where they are read,
// nil that nothing outside can refer to them.
func (c *compiler) name(at *place, s string, find *finder, ref func(group int) ref) {
	for group, name := range find.names {
		if name == "" {
			continue
		}
		if isBuiltin(name) {
			c.add(at, quoted(s), "a group named "+name+": ${"+name+"} has a meaning already, use another name")
		} else if c.takenNames[name] {
			c.add(at, quoted(s), "the group name "+name+" is used twice in this pattern")
		} else {
			c.takenNames[name] = true
			if ref != nil {
				c.groupNames[name] = ref(group)
			}
		}
	}
}

//go:noinline
func (c *compiler) match(at *place, m *Match, p *pattern) {
	c.conditions(at, m, &p.match, false)
	if m.Response == nil {
		return
	}

	p.onResponse = true
	p.status = m.Response.Status
	in := at.key("response")
	if m.Response.Status == nil && m.Response.Headers == nil {
		c.missing(in, "want status or headers")
	}

	p.responseHeaders = c.valueMatchers(in.key("headers"), m.Response.Headers, refResponseCapture, true, false)
}

// unless compiles the exceptions of a pattern.
//
//go:noinline
func (c *compiler) unless(at *place, list []Unless, p *pattern) {
	p.unless = make([]conditions, len(list))
	for i := range list {
		u, at := &list[i], at.item(i)
		m := Match{Path: u.Path, Host: u.Host, Scheme: u.Scheme, Methods: u.Methods, Headers: u.Headers, Query: u.Query}
		if u.Path == nil && u.Host == nil && u.Scheme == "" && u.Methods == nil && u.Headers == nil && u.Query == nil {
			c.missing(at, "excepts every request: want path, host, scheme, methods, headers or query")
		}
		c.conditions(at, &m, &p.unless[i], true)
	}
}

// conditions compiles conditions on the request. Nothing can refer to the groups
// of an exception.
func (c *compiler) conditions(at *place, m *Match, to *conditions, exception bool) {
	if m.Path != nil {
		to.path = c.path(at.key("path"), m.Path, exception)
	}
	if m.Host != nil {
		in := m.Host
		to.host = &matcher{fold: in.IgnoreCase}
		ch, ok := c.choose(at.key("host"), []choice{{"exact", opExact, in.Exact}, {"prefix", opPrefix, in.Prefix}, {"suffix", opSuffix, in.Suffix},
			{"regex", opRegex, in.Regex}}, false)
		if ok {
			c.matcher(at.key("host").key(ch.key), ch, to.host, refCapture, exception)
			// Hosts are compared in lower case whatever their case was.
			to.host.text, to.host.fold = strings.ToLower(to.host.text), false
		}
	}

	to.scheme = m.Scheme
	for i, method := range m.Methods {
		if !isToken(method) || !isUpper(method) {
			c.add(at.key("methods").item(i), quoted(method), "want a method in upper case, such as GET")
		}
	}

	to.methods = m.Methods
	to.headers = c.valueMatchers(at.key("headers"), m.Headers, refCapture, true, exception)
	to.query = c.valueMatchers(at.key("query"), m.Query, refCapture, false, exception)
}

func (c *compiler) path(at *place, in *PathMatch, exception bool) *pathMatcher {
	m := &pathMatcher{fold: in.IgnoreCase}
	ch, ok := c.choose(at, []choice{{"exact", opExact, in.Exact}, {"prefix", opPrefix, in.Prefix}, {"suffix", opSuffix, in.Suffix},
		{"regex", opRegex, in.Regex}}, false)
	if !ok {
		return m
	}

	at = at.key(ch.key)
	m.op = ch.op
	if ch.op == opRegex {
		m.find = c.regex(at, *ch.text, in.IgnoreCase)
		if exception {
			c.name(at, *ch.text, m.find, nil)
			return m
		}

		c.pathRegex = m.find
		c.name(at, *ch.text, m.find, func(group int) ref { return ref{kind: refGroup, index: group} })
		return m
	}

	m.text, ok = c.text(at, *ch.text, asIs)
	switch {
	case !ok:
	case strings.ContainsAny(m.text, "?#"):
		c.add(at, quoted(*ch.text), "never matches: a path ends before ? and #; match the query with match.query")
	case ch.op == opSuffix && m.text == "":
		c.add(at, quoted(*ch.text), "is the end of every path: leave match.path out")
	case ch.op != opSuffix && !strings.HasPrefix(m.text, "/"):
		c.add(at, quoted(*ch.text), "never matches: a path begins with /")
	case ch.op == opPrefix:
		m.text = strings.TrimSuffix(m.text, "/")
	}

	return m
}

// matcher compiles one chosen way to match a text. Under not and in an exception
// a group has no value, so nothing can refer to it.
func (c *compiler) matcher(at *place, ch choice, m *matcher, kind refKind, not bool) {
	m.op = ch.op
	if ch.op != opRegex {
		m.text, _ = c.text(at, *ch.text, asIs)
		return
	}

	m.find = c.regex(at, *ch.text, m.fold)
	if not {
		c.name(at, *ch.text, m.find, nil)
		return
	}
	c.name(at, *ch.text, m.find, func(group int) ref {
		m.captures = append(m.captures, capture{c.captures, group})
		c.captures++
		return ref{kind: kind, index: c.captures - 1}
	})
}

func (c *compiler) valueMatchers(at *place, list []ValueMatch, kind refKind, headers, exception bool) []valueMatcher {
	if list == nil {
		return nil
	}

	out := make([]valueMatcher, len(list))
	for i := range list {
		in, m, at := &list[i], &out[i], at.item(i)
		m.fold, m.want, m.name = in.IgnoreCase, !in.Not, in.Name
		if headers {
			m.name = c.matchedName(at.key("name"), in.Name)
		} else if in.Name == "" {
			c.missing(at.key("name"), "is missing: want a parameter's name")
		}

		ch, ok := c.choose(at, []choice{{"exact", opExact, in.Exact}, {"prefix", opPrefix, in.Prefix}, {"suffix", opSuffix, in.Suffix},
			{"contains", opContains, in.Contains}, {"regex", opRegex, in.Regex}, {key: "present"}}, in.Present != nil)
		switch {
		case ok:
			c.matcher(at.key(ch.key), ch, &m.matcher, kind, in.Not || exception)
		case in.Present != nil:
			m.op = opPresent
			m.want = *in.Present != in.Not
		}
	}

	return out
}

// matchedName checks the name of a header that is only read.
func (c *compiler) matchedName(at *place, name string) string {
	if instead := insteadOfPseudo(name, "match.", ""); instead != "" {
		c.add(at, quoted(name), "is not a header here: use "+instead)
	} else if name == "" {
		c.missing(at, "is missing: want a header's name")
	} else if !isToken(name) {
		c.add(at, quoted(name), "is not a header name")
	}
	return strings.ToLower(name)
}

// insteadOfPseudo gives what to write for host and the pseudo-headers, or "".
func insteadOfPseudo(name, before, after string) string {
	key := ""
	switch strings.ToLower(name) {
	case "host", ":authority":
		key = "host"
	case ":path":
		key = "path"
	case ":method":
		if key = "method"; before == "match." {
			key = "methods"
		}
	case ":scheme":
		key = "scheme"
	case ":status":
		key = "response.status"
	}
	if key == "" {
		return ""
	}

	return before + key + after
}
