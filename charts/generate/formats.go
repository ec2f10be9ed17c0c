package main

import (
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// check is one thing that a text has to be. A validator says: value must be
// '<want>'. A JSON Schema has no words of its own for a pattern, but it shows
// the constant that it wants.
type check struct {
	want    string
	matches string // the text matches this regex, where it is given
	lacks   string // the text does not match this one
}

// A schema cannot put vars in, so what holds ${var.…} is left to the compiler
// wherever the var decides. The regexes are of the subset that RE2 and
// ECMAScript share.
const (
	inToken  = "!#$%&'*+.^_`|~0-9A-Za-z-"
	noVar    = `^[^$]*`
	literal  = `^([^$]|\$[^{]|\$\{[^}]*\})*` // up to a place outside of references
	tokenAll = "^[" + inToken + "]+$"
)

var (
	noControl  = check{want: "text without control bytes", lacks: literal + `[\x00-\x08\x0a-\x1f\x7f]`}
	noBlank    = check{want: "text without a space or control byte (write it as an escape, such as %20)", lacks: literal + `[\x00-\x20\x7f]`}
	headerName = check{want: "the name of a header", matches: tokenAll}

	// Headers that belong to the connection or to the message's frame.
	ownPath   = check{want: "(a path is changed by rewrite.path)", lacks: anyCase("^:path$")}
	authority = check{want: "(a host is changed by rewrite.host)", lacks: anyCase("^(host|:authority)$")}
	untouched = check{want: "(what belongs to the connection or frames the message is never changed)",
		lacks: anyCase("^(content-length|transfer-encoding|connection|te|trailer|upgrade|keep-alive|proxy-connection|:method|:scheme|:status|:protocol)$")}
)

// format is a kind of text: what its definition is called, and its checks.
type format struct {
	name   string
	checks []check
}

// formats are the checks of each format that the language's table knows. What
// is missing here any text may be.
var formats = map[rewrite.Format]format{
	rewrite.Free:        {name: "text"},
	rewrite.Regex:       {name: "regex"},
	rewrite.MatchedHost: {name: "matchedHost"},
	rewrite.MatchedText: {name: "matchedText"},
	rewrite.Revision:    {name: "revision"},
	rewrite.ParamValue:  {name: "paramValue"},
	rewrite.PatternName: {"patternName", []check{{want: "1 to 63 of a-z, 0-9 and -", matches: "^[a-z0-9-]{1,63}$"}}},
	rewrite.MatchedPath: {"matchedPath", []check{
		{want: "a path, which begins with / (anything else never matches)", matches: `^(/|\$\{var\.)`},
		{want: "a path without ? and #, where every path ends (match the query with match.query)", lacks: noVar + "[?#]"},
	}},
	rewrite.MatchedSuffix: {"matchedSuffix", []check{
		{want: "the end of a path, which is not empty (every path has the empty one: leave match.path out)", matches: "."},
		{want: "the end of a path without ? and #, where every path ends (match the query with match.query)", lacks: noVar + "[?#]"},
	}},
	rewrite.Method: {"method", []check{{want: "a method in upper case, such as GET", matches: "^[!#$%&'*+.^_`|~0-9A-Z-]+$"}}},
	rewrite.MatchedHeader: {"matchedHeader", []check{
		{want: "(not a header here: use match.host)", lacks: anyCase("^(host|:authority)$")},
		{want: "(not a header here: use match.path)", lacks: anyCase("^:path$")},
		{want: "(not a header here: use match.methods)", lacks: anyCase("^:method$")},
		{want: "(not a header here: use match.scheme)", lacks: anyCase("^:scheme$")},
		{want: "(not a header here: use match.response.status)", lacks: anyCase("^:status$")},
		headerName,
	}},
	rewrite.HeaderName: {"headerName", []check{ownPath, authority, untouched, headerName}},
	rewrite.HeaderGlob: {"headerGlob", []check{ownPath, authority, untouched,
		{want: "the name of a header, or one with * for any text", matches: `^[` + inToken + `]+$|\*`}}},
	rewrite.ParamName:   {"paramName", []check{{want: "the name of a parameter", matches: "^[\\s\\S]"}}},
	rewrite.Token:       {"token", []check{{want: "the name of a cookie", matches: tokenAll}}},
	rewrite.NewPath:     {"newPath", []check{noBlank}},
	rewrite.NewHost:     {"newHost", []check{{want: "a name, an IPv4 address or an [IPv6] address, with an optional :port", matches: hostText()}}},
	rewrite.HeaderValue: {"headerValue", []check{noControl}},
}

// hostText fits what a host may be as far as a regex can say it: references and
// what stands between them.
func hostText() string {
	reference := `\$\{[^}]*\}|\$[0-9]+|\\[0-9]`
	literal := `[A-Za-z0-9._-]+(:[1-9][0-9]{0,4})?|\[[0-9A-Fa-f:.]+\](:[1-9][0-9]{0,4})?`
	return "^(" + literal + "|([A-Za-z0-9._:\\[\\]-]|" + reference + ")*(" + reference + ")([A-Za-z0-9._:\\[\\]-]|" + reference + ")*)$"
}

// anyCase makes letters of a regex fit in either case.
func anyCase(regex string) string {
	var b strings.Builder
	for _, c := range regex {
		if c >= 'a' && c <= 'z' {
			b.WriteString("[" + strings.ToUpper(string(c)) + string(c) + "]")
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// bad fits a text that fails the check. Anything else passes: its type is
// refused elsewhere, and null removes.
func (c check) bad(mayBeEmpty bool) schema {
	bad := schema{"type": "string"}
	if c.matches != "" {
		bad["not"] = schema{"pattern": c.matches}
	} else {
		bad["pattern"] = c.lacks
	}
	if mayBeEmpty {
		bad["minLength"] = 1
	}
	return bad
}

// refusal is a value that may not be, and what is wanted instead.
type refusal struct {
	bad  schema
	want string
}

// refuse adds refusals to a schema. The first that fits is shown.
func refuse(s schema, list []refusal) {
	for i, r := range list {
		s["if"], s["then"] = r.bad, schema{"const": r.want}
		if i+1 < len(list) {
			next := schema{}
			s["else"] = next
			s = next
		}
	}
}

// hold adds checks to the schema of a text.
func hold(s schema, t *rewrite.Type) {
	var list []refusal
	for _, c := range formats[t.Format].checks {
		list = append(list, refusal{c.bad(t.MayBeEmpty), c.want})
	}
	refuse(s, list)
}

// holdNames adds the checks of a map's keys. Validators name the place of a
// wrong key badly, so each wrong one gets a value that cannot be.
func holdNames(s schema, t *rewrite.Type) {
	wrong := schema{}
	for _, c := range formats[t.Format].checks {
		regex := c.lacks
		if c.matches != "" {
			regex = opposite[c.matches]
		}

		wrong[regex] = schema{"if": schema{"not": schema{"type": "null"}}, "then": schema{"const": c.want}}
	}
	if len(wrong) > 0 {
		s["patternProperties"] = wrong
	}
}

// opposite are regexes that fit exactly what others do not.
var opposite = map[string]string{
	tokenAll:    "^$|[^" + inToken + "]",
	"^[\\s\\S]": "^$",
}
