package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// pattern is a pattern with what is known of its conditions.
type pattern struct {
	rewrite.Pattern
	at      string // patterns[2]
	name    string
	path    *condition // nil for any
	host    *condition
	headers []condition
	query   []condition
	stops   bool // a request that it matches goes no further
	changes bool // it leaves another request to the next ones
}

// condition is a matcher as a language.
type condition struct {
	at      string // where its text stands
	written string
	key     string // exact, prefix, …
	expr    string // as a regex
	name    string // of a header or parameter
	not     bool
	present *bool
	lang    language
	re      *regexp.Regexp
	of      subject
	example string // a shortest text that fits
	known   bool   // example is one
	empty   bool   // no text fits
}

func (l *linter) prepare() {
	l.patterns = make([]pattern, len(l.config.Patterns))
	for i := range l.patterns {
		p := &l.patterns[i]
		p.Pattern = l.config.Patterns[i]
		p.at, p.name = fmt.Sprintf("patterns[%d]", i), l.rules.PatternName(i)
		m := &p.Match
		if m.Path != nil {
			c := l.condition(p.at+".match.path", pathSubject, m.Path.IgnoreCase,
				written{exact: m.Path.Exact, segments: m.Path.Prefix, ending: m.Path.Suffix, regex: m.Path.Regex})
			p.path = &c
		}
		if m.Host != nil {
			lower := func(s *string) *string {
				if s == nil {
					return nil
				}

				low := strings.ToLower(*s)
				return &low
			}
			w := written{exact: lower(m.Host.Exact), prefix: lower(m.Host.Prefix), suffix: lower(m.Host.Suffix), regex: m.Host.Regex}
			c := l.condition(p.at+".match.host", hostSubject, m.Host.IgnoreCase, w)
			if strings.Contains(c.written, "[") && strings.Contains(c.written, ":") {
				c = l.condition(p.at+".match.host", addressSubject, m.Host.IgnoreCase, w)
			}

			p.host = &c
		}

		p.headers = l.values(p.at+".match.headers", m.Headers, valueSubject)
		for i := range p.headers {
			p.headers[i].name = strings.ToLower(p.headers[i].name)
		}

		p.query = l.values(p.at+".match.query", m.Query, paramSubject)
		enforced := (p.Mode == "" || p.Mode == "enforce") && p.Sample == nil && m.Response == nil
		p.stops = enforced && p.Then != "next"
		p.changes = enforced && !p.stops && (p.Rewrite != nil || !isZero(p.Headers.Request))
	}
}

func isZero(e rewrite.HeaderEdits) bool {
	return len(e.Copy)+len(e.Rename)+len(e.Remove)+len(e.Replace)+len(e.Set)+len(e.Overwrite)+len(e.Default)+len(e.Add) == 0
}

// written is a matcher's one text by its key.
type written struct {
	exact, prefix, segments, suffix, ending, contains, regex *string // segments and ending are a path's prefix and suffix
	present                                                  *bool
}

func (l *linter) condition(at string, of subject, ignoreCase bool, w written) condition {
	c := condition{at: at, of: of, present: w.present}
	expr := ""

	quoted := func(text *string) string { c.written = *text; return regexp.QuoteMeta(l.vars(*text, false)) }
	switch {
	case w.exact != nil:
		c.key, expr = "exact", `\A`+quoted(w.exact)+`\z`
	case w.segments != nil:
		c.written = *w.segments
		c.key, expr = "prefix", `\A`+regexp.QuoteMeta(strings.TrimSuffix(l.vars(*w.segments, false), "/"))+`(?:/|\z)`
	case w.prefix != nil:
		c.key, expr = "prefix", `\A`+quoted(w.prefix)
	case w.suffix != nil:
		c.key, expr = "suffix", quoted(w.suffix)+`\z`
	case w.ending != nil:
		c.key, expr = "suffix", `(?s:.)`+quoted(w.ending)+`\z`
	case w.contains != nil:
		c.key, expr = "contains", quoted(w.contains)
	case w.regex != nil:
		c.key, c.written, expr = "regex", *w.regex, l.vars(*w.regex, true)
	default:
		c.key = "present"
	}
	if ignoreCase {
		expr = "(?i)" + expr
	}

	c.at += "." + c.key
	c.expr = expr
	var err error
	if c.re, err = regexp.Compile(expr); err != nil {
		return c
	}
	if c.lang, err = newLanguage(expr); err != nil {
		return c
	}

	example, found, known := c.lang.shortest(of, &l.work)
	c.example, c.known, c.empty = example, known && found, known && !found

	return c
}

func (l *linter) values(at string, list []rewrite.ValueMatch, of subject) (conditions []condition) {
	for i, m := range list {
		c := l.condition(fmt.Sprintf("%s[%d]", at, i), of, m.IgnoreCase,
			written{exact: m.Exact, prefix: m.Prefix, suffix: m.Suffix, contains: m.Contains, regex: m.Regex, present: m.Present})
		c.name, c.not = m.Name, m.Not
		if m.Present != nil {
			c.not = *m.Present == m.Not
		}

		conditions = append(conditions, c)
	}

	return conditions
}

var varReference = regexp.MustCompile(`\$\{var\.([^}]*)\}`)

// vars puts the values of ${var.NAME} into a text: a matcher's, or a template's, where they may have a modifier.
func (l *linter) vars(text string, quote bool) string {
	if !strings.Contains(text, "${var.") {
		return text
	}

	return varReference.ReplaceAllStringFunc(text, func(ref string) string {
		name, fallback, _ := strings.Cut(varReference.FindStringSubmatch(ref)[1], ":-")
		name, modifier, _ := strings.Cut(name, "|")

		value := l.config.Vars[name].Text
		if value == "" {
			value = fallback
		}

		switch modifier {
		case "lower":
			value = strings.ToLower(value)
		case "upper":
			value = strings.ToUpper(value)
		}
		if quote {
			value = regexp.QuoteMeta(value)
		}

		return value
	})
}

// reachable reports conditions that nothing meets and patterns that nothing
// reaches, and reports whether a request may get to pattern j.
func (l *linter) reachable(j int) bool {
	p := &l.patterns[j]

	meets := true
	for _, c := range p.conditions() {
		if c.empty && !c.not {
			meets = false
			l.find(NeverMatches, SeverityWarning, c.at, c.written, "no "+c.what()+" can match: "+c.why(), c.instead())
		}
	}
	if !meets || p.Match.Response != nil {
		return meets
	}
	if path := p.path; path != nil && path.key != "regex" && dotSegment.MatchString(path.written) {
		l.find(NeverMatches, SeverityWarning, path.at, path.written,
			"Istio's proxies resolve dot segments before the filter sees the path", "write the resolved path")
	}

	for i := j - 1; i >= 0; i-- {
		if l.patterns[i].changes {
			// Behind it stands another request than before it.
			return true
		}

		a := &l.patterns[i]
		if !a.stops || !a.covers(p, &l.work) {
			continue
		}

		reason := fmt.Sprintf("never reached: patterns[%d] (%s) takes every request that would match", i, a.name)
		if l.config.OnUnsafe == "keep" && (a.Rewrite != nil || a.Redirect != nil) {
			reason += ", unless what it produces is unsafe"
		}
		l.find(Unreachable, SeverityWarning, p.at, "", reason,
			fmt.Sprintf("move it before patterns[%d], make that one narrower, give that one then: next, or remove this one", i))

		return false
	}

	return true
}

var dotSegment = regexp.MustCompile(`/\.\.?(/|$)`)

func (p *pattern) conditions() (list []*condition) {
	if p.path != nil {
		list = append(list, p.path)
	}
	if p.host != nil {
		list = append(list, p.host)
	}

	for i := range p.headers {
		list = append(list, &p.headers[i])
	}

	for i := range p.query {
		list = append(list, &p.query[i])
	}

	return list
}

func (c *condition) what() string {
	switch c.name {
	case "":
		if c.of.first == '/' {
			return "path"
		}
		return "host"
	}
	return "value of " + c.name
}

func (c *condition) why() string {
	switch c.what() {
	case "path":
		return "a path begins with / and ends before ? and #; a query is matched by match.query"
	case "host":
		return "a host is matched in lower case and without its port"
	}
	return "the regex fits no text"
}

// instead is what to write, where that can be guessed.
func (c *condition) instead() string {
	if rest, ok := strings.CutPrefix(c.written, "^"); ok && c.what() == "path" && c.key == "regex" && !strings.HasPrefix(rest, "/") {
		return "write ^/" + rest
	}
	return "correct it, or remove the pattern"
}

// covers reports whether p matches every request that b matches. Where it is not
// known, it does not.
func (p *pattern) covers(b *pattern, work *budget) bool {
	if len(p.Unless) > 0 || p.Match.Scheme != "" && p.Match.Scheme != b.Match.Scheme {
		return false
	}
	if p.Match.Methods != nil {
		if b.Match.Methods == nil {
			return false
		}

		for _, m := range b.Match.Methods {
			if !slices.Contains(p.Match.Methods, m) {
				return false
			}
		}
	}

	return valuesCover(p.headers, b.headers, work) && valuesCover(p.query, b.query, work) &&
		covers(p.path, b.path, pathSubject, work) && covers(p.host, b.host, hostSubject, work)
}

var everything = func() language { l, _ := newLanguage(``); return l }()

// covers reports whether a holds wherever b does.
func covers(a, b *condition, of subject, work *budget) bool {
	switch {
	case a == nil:
		return true
	case a.re == nil:
		return false
	case b == nil:
		example := "x"
		if of.first != 0 {
			example = string(of.first)
		}
		return a.re.MatchString(example) && everything.within(a.lang, of, work)
	case !b.known || !a.re.MatchString(b.example):
		return false
	case b.key == "exact" && !strings.Contains(b.re.String(), "(?i)"):
		return true
	}

	return b.lang.prog != nil && b.lang.within(a.lang, of, work)
}

// valuesCover reports whether each of a's conditions follows from one of b's.
func valuesCover(as, bs []condition, work *budget) bool {
	for i := range as {
		a := &as[i]
		follows := slices.ContainsFunc(bs, func(b condition) bool {
			switch {
			case a.name != b.name || a.not != b.not:
				return false
			case a.key == b.key && a.re.String() == b.re.String():
				return true
			case a.not:
				// Nothing fits a's matcher if nothing fits a wider one of b's.
				return b.key == "present" || a.key != "present" && covers(&b, a, a.of, work)
			}
			return a.key == "present" || b.key != "present" && covers(a, &b, a.of, work)
		})
		if !follows {
			return false
		}
	}

	return true
}
