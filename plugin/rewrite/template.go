package rewrite

import (
	"slices"
	"strconv"
	"strings"
)

// A template is text with references, as it is in a path, a host, a value
// or a replacement. Its references are read when a pattern starts and expanded
// once: what they yield is data and is never looked at again.
type template struct {
	pieces []piece
	refs   bool // it has references, so it may have no value
	config bool // it holds ${config}, which may be longer than other values

	checked bool // a header value that is known to be fit to be written
}

type pieceKind uint8

const (
	pieceText  pieceKind = iota
	pieceRef             // a value that was read when the pattern started
	pieceGroup           // a group of the match that is being replaced
)

type piece struct {
	kind  pieceKind
	index int    // of the reference or group
	text  string // of pieceText, or what stands in for a group without a value
	deflt bool   // text is used where the group has no value
	raw   bool   // part of the received path: its escapes are kept
	whole bool   // ${query} as a whole piece of query text: stands as it is
	mod   modifier
}

// builtins are the names that no group may have.
var builtins = map[string]refKind{"method": refMethod, "scheme": refScheme, "host": refHost, "path": refPath, "query": refQuery}

func isBuiltin(name string) bool {
	_, ok := builtins[name]
	return ok || name == "config"
}

// modifier is what is done to a value: ${name|lower}.
type modifier uint8

const (
	modNone  modifier = iota
	modLower          // ASCII letters in lower case
	modUpper          // in upper case
	modPath           // its slashes stay slashes in a path
)

var modifiers = map[string]modifier{"lower": modLower, "upper": modUpper, "path": modPath}

// modified cuts the modifier off a reference's name.
func modified(name string, enc encoding) (bare string, mod modifier, reason string) {
	bare, word, found := strings.Cut(name, "|")
	if !found {
		return name, modNone, ""
	}

	mod, known := modifiers[word]
	switch {
	case !known:
		return bare, mod, "there is no modifier |" + word + ": want |lower, |upper or |path"
	case mod == modPath && enc != encodePath:
		return bare, mod, "|path keeps the slashes of a value in a path: it has no use elsewhere"
	case bare == "config":
		return bare, mod, "${config} takes no modifier"
	}

	return bare, mod, ""
}

// encoding is how a reference's value is written where it goes.
type encoding uint8

const (
	encodeNone    encoding = iota // headers and hosts: as it is, checked afterwards
	encodePath                    // a path
	encodeSlashes                 // a path, and a value with slashes
	encodeQuery                   // query text
	encodeParam                   // the decoded value of one query parameter
)

// token is a piece of a template before its references are looked up.
type token struct {
	text     string // literal text, or the name of a reference
	isRef    bool
	fallback string
	deflt    bool
}

// tokenize splits a template's text and puts in the values of ${var.NAME},
// which count as written. reasons are all faults found.
func (c *compiler) tokenize(s string) (tokens []token, reasons []string) {
	if reason := dialectReason(s); reason != "" {
		return nil, []string{reason}
	}

	t := tokenizer{c: c, text: make([]byte, 0, len(s))}
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\':
			i += t.backslash(s[i:])
		case strings.HasPrefix(s[i:], "$$"):
			t.text = append(t.text, '$')
			i += 2
		case strings.HasPrefix(s[i:], "${"):
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				return nil, append(t.reasons, "${ without its }")
			}

			t.reference(s[i+2 : i+end])
			i += end + 1
		case s[i] == '$':
			i += t.group(s[i:])
		default:
			t.text = append(t.text, s[i])
			i++
		}
	}
	t.flush()

	return t.tokens, t.reasons
}

// tokenizer is a template's text being split.
type tokenizer struct {
	c       *compiler
	text    []byte // what was read since the last token
	tokens  []token
	reasons []string
}

func (t *tokenizer) flush() {
	if len(t.text) > 0 {
		t.tokens = append(t.tokens, token{text: string(t.text)})
		t.text = t.text[:0]
	}
}

func (t *tokenizer) refuse(reason string) {
	if reason != "" {
		t.reasons = append(t.reasons, reason)
	}
}

// backslash reads \\ and \1, and says how long they are.
func (t *tokenizer) backslash(s string) int {
	switch {
	case len(s) > 1 && s[1] == '\\':
		t.text = append(t.text, '\\')
		return 2
	case len(s) > 1 && isDigit(s[1]):
		t.flush()
		t.tokens = append(t.tokens, token{text: s[1:2], isRef: true})
		return 2
	}
	t.refuse(`a stray \: write \\ for a backslash, \1 for a group`)

	return 1
}

// group reads $1, and says how long it is.
func (t *tokenizer) group(s string) int {
	end := 1
	for end < len(s) && isDigit(s[end]) {
		end++
	}

	switch {
	case end == 1:
		t.refuse("a stray $: write $$ for a dollar, ${name} for a reference")
	case end < len(s) && (isAlnum(s[end]) || s[end] == '_'):
		t.refuse(s[:end+1] + " is a group named " + s[1:end+1] + " elsewhere: write ${" + s[1:end] + "}" + s[end:end+1])
	default:
		t.flush()
		t.tokens = append(t.tokens, token{text: s[1:end], isRef: true})
	}

	return end
}

// reference reads what is inside ${ and }.
func (t *tokenizer) reference(inner string) {
	if strings.Contains(inner, "${") {
		t.refuse("a reference inside a reference: a fallback is literal text")
		return
	}

	name, fallback, deflt := strings.Cut(inner, ":-")
	if v, isVar := strings.CutPrefix(name, "var."); isVar {
		v, mod, wrong := modified(v, encodePath)
		value, reason := t.c.variable(v, fallback, deflt)
		t.refuse(wrong)
		t.refuse(reason)

		start := len(t.text)
		t.text = append(t.text, value...)
		mod.apply(t.text[start:])
		return
	}
	t.flush()
	// A copy: the collector walks back from a pointer into a long text.
	t.tokens = append(t.tokens, token{strings.Clone(name), true, strings.Clone(fallback), deflt})
}

const maxHints = 100

// variable gives the text of ${var.NAME}.
func (c *compiler) variable(name, fallback string, deflt bool) (text, reason string) {
	v, ok := c.config.Vars[name]
	switch {
	case ok && !v.Scalar:
		return "", "${var." + name + "} is a list or map: only a string, number or boolean can be referred to"
	case deflt && v.Text == "":
		return fallback, ""
	case ok:
		if reason, ok := c.insert(len(v.Text)); !ok {
			return "", reason
		}
		return v.Text, ""
	}

	reason = "there is no vars." + name
	// Each comparison takes as long as there are vars, and nobody reads so many.
	if c.hints++; c.hints > maxHints {
		return "", reason
	}

	if near := nearest(name, sortedKeys(c.config.Vars)); near != "" {
		reason += ": did you mean " + near + "?"
	}

	return "", reason
}

// literal puts the values of ${var.NAME} into a matcher's text, where nothing
// else is special. quote is applied to each value.
func (c *compiler) literal(s string, quote func(string) string) (text string, reasons []string) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "${var.")
		b.WriteString(before)
		if !found {
			return b.String(), reasons
		}

		inner, rest, closed := strings.Cut(after, "}")
		if !closed {
			return "", append(reasons, "${ without its }")
		}

		name, fallback, deflt := strings.Cut(inner, ":-")
		value, reason := c.variable(name, fallback, deflt)
		if reason != "" {
			reasons = append(reasons, reason)
		}
		b.WriteString(quote(value))

		s = rest
	}
}

// scope is what the references of a template may name.
type scope struct {
	groups   int            // of the path regex; -1 where there is none
	names    map[string]ref // named groups of the pattern
	response bool           // ${response.…} may be here
	refs     *[]ref         // the references that are read when the pattern starts
	own      *finder        // numbers belong to this regex and are expanded once a match
	ownPath  bool           // own is the path regex
	encoding encoding
}

// resolve looks up the references of a template.
func (c *compiler) resolve(tokens []token, sc scope) (t template, reasons []string) {
	for i, tok := range tokens {
		if !tok.isRef {
			t.pieces = appendText(t.pieces, tok.text)
			continue
		}

		name, mod, wrong := modified(tok.text, sc.encoding)
		if wrong != "" {
			reasons = append(reasons, wrong)
			continue
		}

		tok.text = name
		if tok.text == "config" {
			t.config = true
			reason, ok := c.insert(len(c.config.source))
			if !ok {
				if reason != "" {
					reasons = append(reasons, reason)
				}
				continue
			}

			t.pieces = appendText(t.pieces, string(appendEncoded(nil, c.config.source, sc.encoding, false)))
			continue
		}

		t.refs = true
		p := piece{kind: pieceGroup, text: tok.fallback, deflt: tok.deflt, raw: sc.ownPath, mod: mod}
		if group, ok := sc.ownGroup(tok.text); ok {
			p.index = group
			t.pieces = append(t.pieces, p)
			continue
		}

		r, reason := sc.lookup(tok.text)
		if reason != "" {
			if !c.broken {
				reasons = append(reasons, reason)
			}
			continue
		}

		r.fallback, r.deflt = tok.fallback, tok.deflt
		index := slices.Index(*sc.refs, r)
		if index < 0 {
			index = len(*sc.refs)
			*sc.refs = append(*sc.refs, r)
		}

		t.pieces = append(t.pieces, piece{
			kind: pieceRef, index: index, mod: mod,
			raw:   r.kind == refGroup || r.kind == refPath,
			whole: r.kind == refQuery && sc.encoding == encodeQuery && wholePiece(tokens, i),
		})
	}

	return t, reasons
}

// wholePiece reports whether the token stands alone between ?, & and the end.
func wholePiece(tokens []token, i int) bool {
	before := i == 0 || !tokens[i-1].isRef && strings.HasSuffix(tokens[i-1].text, "&")
	after := i == len(tokens)-1 || !tokens[i+1].isRef && strings.HasPrefix(tokens[i+1].text, "&")
	return before && after
}

func appendText(pieces []piece, text string) []piece {
	if text == "" {
		return pieces
	}
	if n := len(pieces); n > 0 && pieces[n-1].kind == pieceText {
		pieces[n-1].text += text
		return pieces
	}
	return append(pieces, piece{kind: pieceText, text: text})
}

// ownGroup gives the number of a group of the regex that is being replaced.
func (sc scope) ownGroup(name string) (int, bool) {
	if sc.own == nil {
		return 0, false
	}
	if n, ok := groupNumber(name); ok {
		return n, n <= sc.own.groups
	}

	n := slices.Index(sc.own.names, name)
	return n, n > 0
}

func groupNumber(name string) (int, bool) {
	return digitsOf(name)
}

//go:noinline
func (sc scope) lookup(name string) (ref, string) {
	if name != "" && isDigit(name[0]) {
		n, ok := groupNumber(name)
		groups := sc.groups
		if sc.own != nil {
			groups = sc.own.groups
		}

		switch {
		case !ok:
			return ref{}, "${" + name + "} is neither a number nor a name"
		case groups < 0:
			return ref{}, "$" + name + " needs match.path.regex"
		case n > groups:
			return ref{}, "there is no group " + name + ": the regex has " + strconv.Itoa(groups)
		}

		return ref{kind: refGroup, index: n}, ""
	}
	if kind, ok := builtins[name]; ok {
		return ref{kind: kind}, ""
	}
	if r, ok := sc.names[name]; ok {
		return r, ""
	}
	if header, ok := strings.CutPrefix(name, "header."); ok {
		return headerRef(refHeader, header)
	}
	if param, ok := strings.CutPrefix(name, "query."); ok && param != "" {
		return ref{kind: refParam, name: param}, ""
	}
	if strings.HasPrefix(name, "response.") && !sc.response {
		return ref{}, "${" + name + "} is known on the response only: it may be used in headers.response, and in redirect and respond with match.response"
	}
	if name == "response.status" {
		return ref{kind: refStatus}, ""
	}
	if header, ok := strings.CutPrefix(name, "response.header."); ok {
		return headerRef(refResponseHeader, header)
	}

	return ref{}, sc.unknown(name)
}

func headerRef(kind refKind, header string) (ref, string) {
	if instead := insteadOfPseudo(header, "${", "}"); instead != "" && kind == refHeader {
		return ref{}, "${header." + header + "} is not a header here: write " + instead
	}
	if !isToken(header) {
		return ref{}, quoted(header) + " is not a header name"
	}
	return ref{kind: kind, name: strings.ToLower(header)}, ""
}

func (sc scope) unknown(name string) string {
	if reason := variableReason(name); reason != "" {
		return reason
	}
	if kind, rest, dotted := strings.Cut(name, "."); dotted {
		if near := nearest(kind, []string{"header", "query", "var"}); near != "" && near != kind {
			return "there is no ${" + name + "}: did you mean ${" + near + "." + rest + "}?"
		}
	}

	known := []string{"config", "host", "method", "path", "query", "scheme"}
	for n := range sc.names {
		known = append(known, n)
	}
	if sc.response {
		known = append(known, "response.status")
	}

	known = sorted(known)

	reason := "there is no ${" + name + "}"
	if near := nearest(name, known); near != "" {
		return reason + ": did you mean ${" + near + "}?"
	}

	return reason + ": want a group's name or number, " + strings.Join(known, ", ") + ", var.NAME, header.NAME or query.NAME"
}

// constant gives the template's text where it has no references.
func (t *template) constant() (string, bool) {
	switch {
	case len(t.pieces) == 0:
		return "", true
	case len(t.pieces) == 1 && t.pieces[0].kind == pieceText:
		return t.pieces[0].text, true
	}
	return "", false
}
