package answers

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/wasm-rewrite/wasm-rewrite/internal/explain"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// capture is the text of one group.
type capture struct {
	Name  string `json:"name"` // $1 or ${tenant}
	Value string `json:"value"`
}

// marked is a path with the places of its groups, counted as JavaScript counts.
type marked struct {
	Text  string `json:"text"`
	Spans []span `json:"spans"`
}

type span struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Name string `json:"name"`
}

// current is where a request is on its way through the patterns.
type current struct{ path, host string }

// follow takes over what a pattern changed.
func (c *current) follow(changes []explain.Change) {
	for _, one := range changes {
		switch {
		case one.Op == "+" && one.Name == ":path":
			c.path = one.Value
		case one.Op == "+" && one.Name == ":authority":
			c.host = one.Value
		}
	}
}

// captures are the groups of a pattern's regexes on path and host. The engine has decided that they match; this only shows
// where. A regex that does not match after all is shown without.
func (c *current) captures(config *rewrite.Config, p *rewrite.Pattern) (list []capture, path *marked) {
	text, _, _ := strings.Cut(c.path, "?")
	path = &marked{Text: text, Spans: []span{}}
	if m := p.Match.Path; m != nil && m.Regex != nil {
		groups, at := match(config, *m.Regex, m.IgnoreCase, text)

		last := 0
		for i, name := range groups {
			from, to := at[2*i+2], at[2*i+3]
			if from < 0 {
				continue
			}

			label := "$" + strconv.Itoa(i+1)
			if name != "" {
				label = "${" + name + "}"
			}

			list = append(list, capture{label, text[from:to]})
			if from >= last && to > from { // groups within groups are listed, not marked
				path.Spans = append(path.Spans, span{units(text[:from]), units(text[:to]), label})
				last = to
			}
		}
	}
	if m := p.Match.Host; m != nil && m.Regex != nil {
		host := strings.ToLower(c.host)
		if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
			host = host[:i]
		}

		groups, at := match(config, *m.Regex, m.IgnoreCase, host)
		for i, name := range groups {
			if from := at[2*i+2]; from >= 0 && name != "" {
				list = append(list, capture{"${" + name + "}", host[from:at[2*i+3]]})
			}
		}
	}

	return list, path
}

var variable = regexp.MustCompile(`\$\{var\.([^}]*)\}`)

// match finds a regex of the configuration in a text: the names of its groups, and their places.
func match(config *rewrite.Config, expr string, ignoreCase bool, text string) (groups []string, at []int) {
	expr = variable.ReplaceAllStringFunc(expr, func(ref string) string {
		name, fallback, _ := strings.Cut(variable.FindStringSubmatch(ref)[1], ":-")
		value := config.Vars[name].Text
		if value == "" {
			value = fallback
		}
		return regexp.QuoteMeta(value)
	})
	if ignoreCase {
		expr = "(?i)" + expr
	}

	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, nil
	}
	if at = re.FindStringSubmatchIndex(text); at == nil {
		return nil, nil
	}

	return re.SubexpNames()[1:], at
}

func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
