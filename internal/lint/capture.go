package lint

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// reference is one reference in a template.
type reference struct {
	name       string // 1, tenant, header.x-user, config; without a modifier
	start, end int    // where it is in the template
}

// references finds the references of a template that the engine has accepted.
func references(s string) (list []reference) {
	for i := 0; i < len(s); {
		end := i + 1
		switch {
		case i+1 < len(s) && (s[i] == '\\' && s[i+1] == '\\' || s[i] == '$' && s[i+1] == '$'):
			end = i + 2
		case i+1 < len(s) && s[i] == '\\' && isDigit(s[i+1]):
			end = i + 2
			list = append(list, reference{s[i+1 : end], i, end})
		case strings.HasPrefix(s[i:], "${"):
			if n := strings.IndexByte(s[i:], '}'); n > 0 {
				end = i + n + 1
				name, _, _ := strings.Cut(s[i+2:end-1], ":-")
				name, _, _ = strings.Cut(name, "|")
				list = append(list, reference{name, i, end})
			}
		case s[i] == '$':
			for end < len(s) && isDigit(s[end]) {
				end++
			}
			if end > i+1 {
				list = append(list, reference{s[i+1 : end], i, end})
			}
		}

		i = end
	}

	return list
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// groups reports the groups of the pattern's regexes that nothing refers to.
func (l *linter) groups(p *pattern) {
	used := map[string]bool{}
	p.VisitTexts(func(site rewrite.Site) {
		for _, r := range references(site.Text) {
			if !site.Own || !isDigit(r.name[0]) {
				used[strings.TrimLeft(r.name[:len(r.name)-1], "0")+r.name[len(r.name)-1:]] = true
			}
		}
	})

	for _, c := range p.conditions() {
		if c.key != "regex" || c.re == nil {
			continue
		}

		var unused []string
		for n, name := range c.re.SubexpNames() {
			number := c == p.path && used[strconv.Itoa(n)]
			if n == 0 || name != "" && used[name] || number {
				continue
			}
			if name == "" {
				name = strconv.Itoa(n)
			}

			unused = append(unused, name)
		}
		if len(unused) == 0 {
			continue
		}

		what, advice := "group", "write (?:…) for a group that nothing refers to"
		if len(unused) > 1 {
			what = "groups"
		}
		l.find(UnusedGroup, SeverityInfo, c.at, c.written, fmt.Sprintf("nothing refers to %s %s", what, strings.Join(unused, ", ")), advice)
	}
}

// clientChoice reports where a client's text becomes the first segment of the
// path that goes upstream, or a host.
func (l *linter) clientChoice(p *pattern) {
	if r := p.Rewrite; r != nil {
		if r.Path != nil {
			// A path that is cut or captured from the path is what stripping a prefix
			// means; other text of a client's is not.
			if by := l.firstSegment(p, *r.Path, r.Replace); strings.Contains(by, "{header.") || strings.Contains(by, "{query") {
				l.find(FirstSegment, SeverityInfo, p.at+".rewrite.path", *r.Path,
					"the client chooses the first segment of the new path ("+by+"), so it reaches every path of the upstream",
					"put a fixed segment in front, or let the match name the segments that are meant, as in query: [{name: v, regex: '^(?P<v>v1|v2)$'}]")
			}
		}
		if r.Host != nil {
			l.clientHost(p, p.at+".rewrite.host", *r.Host, "the request goes to any host that the proxy has a route for")
		}
	}
	if r := p.Redirect; r != nil && r.Host != nil {
		l.clientHost(p, p.at+".redirect.host", *r.Host, "an open redirect: a link to this host leads anywhere")
	}
}

// firstSegment says what of the client's becomes the first segment of the new
// path, or nothing.
func (l *linter) firstSegment(p *pattern, path, replace string) string {
	var refs []reference
	for _, r := range references(path) {
		if !strings.HasPrefix(r.name, "var.") {
			refs = append(refs, r)
		}
	}
	if m := p.Match.Path; m != nil && m.Suffix != nil && replace != "whole" {
		// What stands before the suffix stays as it came, and may be no more than
		// the beginning of the first segment.
		if len(refs) > 0 && refs[0].start == 0 {
			return l.open(p, refs[0].name)
		}
		return ""
	}

	limit := len(path)
	if i := literalIndex(path, refs, "?"); i >= 0 {
		limit = i
	}
	// Where the first segment ends; from there on all is one's own business.
	if i := literalIndex(path[:limit], refs, "/"); i >= 0 {
		if j := literalIndex(path[:limit], append(slices.Clone(refs), reference{start: 0, end: i + 1}), "/"); j > i+1 {
			limit = j
			for _, r := range refs {
				if r.start < limit {
					return l.open(p, r.name)
				}
			}
			return ""
		}
	}

	for _, r := range refs {
		if r.start < limit {
			return l.open(p, r.name)
		}
	}

	return ""
}

// literalIndex is where text stands outside references, or -1.
func literalIndex(s string, refs []reference, text string) int {
	for i := 0; i+len(text) <= len(s); i++ {
		inside := slices.ContainsFunc(refs, func(r reference) bool { return r.start <= i && i < r.end })
		if !inside && s[i:i+len(text)] == text {
			return i
		}
	}
	return -1
}

// open says which reference gives a client a choice, and how, or nothing for
// one that is bounded.
func (l *linter) open(p *pattern, name string) string {
	switch name {
	case "path", "method", "scheme", "config", "host":
		return ""
	}
	if strings.HasPrefix(name, "header.") || strings.HasPrefix(name, "query.") || name == "query" {
		return "by ${" + name + "}"
	}

	for _, c := range p.conditions() {
		if c.key != "regex" || c.not {
			continue
		}

		re, err := syntax.Parse(l.vars(c.written, true), syntax.Perl)
		if err != nil {
			continue
		}
		if group := groupOf(re, name, c == p.path); group != nil && !bounded(group) {
			return "by ${" + name + "}"
		}
	}

	return ""
}

// groupOf finds a group by its name, or by its number where numbers belong to
// the regex.
func groupOf(re *syntax.Regexp, name string, numbered bool) *syntax.Regexp {
	if numbered && name == "0" || re.Op == syntax.OpCapture && (re.Name == name || numbered && strconv.Itoa(re.Cap) == name) {
		return re
	}

	for _, sub := range re.Sub {
		if found := groupOf(sub, name, numbered); found != nil {
			return found
		}
	}
	return nil
}

// bounded reports whether a regex leaves no free choice: it lists texts, or is
// made of digits.
func bounded(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return false
	case syntax.OpCharClass:
		letters := 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] < '0' || re.Rune[i+1] > '9' {
				letters += int(re.Rune[i+1]-re.Rune[i]) + 1
			}
		}
		return letters <= 8
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return digits(re.Sub[0]) || re.Op == syntax.OpRepeat && re.Max >= 0 && re.Max <= 1 && bounded(re.Sub[0])
	}

	for _, sub := range re.Sub {
		if !bounded(sub) {
			return false
		}
	}

	return true
}

// digits reports whether a regex fits nothing but digits.
func digits(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpCharClass:
		return len(re.Rune) == 2 && re.Rune[0] >= '0' && re.Rune[1] <= '9'
	case syntax.OpCapture:
		return digits(re.Sub[0])
	}
	return false
}

func (l *linter) clientHost(p *pattern, at, text, danger string) {
	by, suffix := "", text
	for _, r := range references(text) {
		if strings.HasPrefix(r.name, "var.") {
			continue
		}

		how := l.open(p, r.name)
		if r.name == "host" && text != "${host}" {
			how = "by ${host}"
		}
		if how != "" {
			by, suffix = how, text[r.end:]
		}
	}
	if by == "" {
		return
	}

	suffix, _, _ = strings.Cut(l.vars(suffix, false), ":")
	if len(strings.Trim(suffix, ".")) > 0 && strings.HasPrefix(suffix, ".") && !strings.HasSuffix(suffix, ".") {
		l.find(ClientHost, SeverityInfo, at, text, "the client chooses a host under "+suffix+" ("+by+")",
			"make sure that every host under it may be reached, or list them in the match")
		return
	}
	l.find(ClientHost, SeverityWarning, at, text, "the client chooses the host ("+by+"): "+danger,
		"list the hosts that are meant in the match, as in (shop|blog), or end the host in a fixed domain")
}
