package rewrite

import (
	"slices"
	"strings"
)

// pathEdit compiles rewrite.path or redirect.path with its replace.
func (c *compiler) pathEdit(at *place, in *Pattern, text, replace string, sc scope) *pathEdit {
	e := &pathEdit{how: replaceWhole}
	m := in.Match.Path
	if replace == "first" && (m == nil || m.Regex == nil) {
		c.add(at.key("replace"), `"first"`, "needs match.path.regex")
	}

	switch {
	case replace == "whole" || m == nil || m.Exact != nil:
	case m.Prefix != nil:
		e.how = replacePrefix
	case m.Suffix != nil:
		e.how = replaceSuffix
	case replace == "first":
		e.how = replaceFirst
	default:
		e.how = replaceAll
	}

	at = at.key("path")
	if reason := flagReason(text); reason != "" {
		c.add(at, quoted(text), reason)
		return e
	}

	tokens := c.tokens(at, text)
	if tokens == nil && text != "" {
		return e // why is said
	}
	if in.Redirect != nil {
		tokens = c.fragment(at, text, tokens, e)
	}

	path, query, hasQuery := splitTokens(tokens, "?")

	sc.encoding = encodePath
	inPath := sc
	inPath.own, inPath.ownPath = c.pathRegex, true
	e.path = c.resolved(at, text, path, inPath)
	if reason := literalPathReason(&e.path, e.how); reason != "" {
		c.add(at, quoted(text), reason)
	}
	if hasQuery {
		sc.encoding = encodeQuery
		q := c.resolved(at, text, query, sc)
		if reason := literalQueryReason(&q); reason != "" {
			c.add(at, quoted(text), reason)
		}

		e.query = &q
	}

	return e
}

// fragment takes the fragment of a Location off a path's tokens.
func (c *compiler) fragment(at *place, text string, tokens []token, e *pathEdit) []token {
	before, after, found := splitTokens(tokens, "#")
	if !found {
		return tokens
	}

	e.fragment = "#"
	for _, t := range after {
		if t.isRef {
			c.add(at, quoted(text), "a reference after #: a fragment is literal text")
			break
		}

		e.fragment += t.text
	}

	for i := 0; i < len(e.fragment); i++ {
		if b := e.fragment[i]; b <= ' ' || b >= 0x7f || i > 0 && b == '#' {
			c.add(at, quoted(text), "a fragment has no space, control byte, second # or byte from 0x80 on: write it as an escape, such as %20")
			break
		}
	}

	return before
}

// splitTokens cuts a path's tokens at the first ? or # that is written.
func splitTokens(tokens []token, mark string) (path, query []token, found bool) {
	for i, t := range tokens {
		if t.isRef {
			continue
		}

		before, after, found := strings.Cut(t.text, mark)
		if !found {
			continue
		}

		path = append(slices.Clone(tokens[:i]), token{text: before})
		if after != "" {
			query = append(query, token{text: after})
		}

		return path, append(query, tokens[i+1:]...), true
	}

	return tokens, nil, false
}

func (c *compiler) host(at *place, text string, sc scope) *template {
	tokens := c.tokens(at, text)
	if tokens == nil && text != "" {
		return &template{} // why is said
	}

	t := c.resolved(at, text, tokens, sc)
	if reason := literalHostReason(&t); reason != "" {
		c.add(at, quoted(text), reason)
	}
	return &t
}
