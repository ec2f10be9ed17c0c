package rewrite

// The rule language, said once. The method keys of a struct is its table: one
// line a key, in the order in which errors and the manual list them. Decoding,
// the order of errors, hints for unknown keys, the walk over all texts, and the
// chart's schema and reference are made from these tables. What a key means is
// the comment of its field in config.go.

//go:noinline
func (c *Config) keys(k *keys) {
	k.vars("vars", &c.Vars)
	objects(k, "patterns", &c.Patterns, &Type{Form: List, Max: MaxPatterns})
	k.object("headers", &c.Headers)
	k.text("originalPathHeader", &c.OriginalPathHeader, ownHeaderType)
	k.text("patternHeader", &c.PatternHeader, ownHeaderType)
	k.word("onUnsafe", &c.OnUnsafe, onUnsafeType)
	k.text("revision", &c.Revision, revisionType)
}

//go:noinline
func (p *Pattern) keys(k *keys) {
	k.text("name", &p.Name, patternNameType)
	k.object("match", &p.Match)
	objects(k, "unless", &p.Unless, unlessType)
	optional(k, "rewrite", &p.Rewrite)
	optional(k, "redirect", &p.Redirect)
	optional(k, "respond", &p.Respond)
	k.object("headers", &p.Headers)
	k.word("then", &p.Then, thenType)
	k.word("mode", &p.Mode, modeType)
	optional(k, "sample", &p.Sample)
	k.atMostOne(answers)
}

//go:noinline
func (m *Match) keys(k *keys) {
	optional(k, "path", &m.Path)
	optional(k, "host", &m.Host)
	k.word("scheme", &m.Scheme, schemeType)
	k.texts("methods", &m.Methods, methodsType)
	objects(k, "headers", &m.Headers, matchedHeadersType)
	objects(k, "query", &m.Query, matchedParamsType)
	optional(k, "response", &m.Response)
}

//go:noinline
func (u *Unless) keys(k *keys) {
	optional(k, "path", &u.Path)
	optional(k, "host", &u.Host)
	k.word("scheme", &u.Scheme, schemeType)
	k.texts("methods", &u.Methods, methodsType)
	objects(k, "headers", &u.Headers, matchedHeadersType)
	objects(k, "query", &u.Query, matchedParamsType)
	k.atLeastOne(exceptions)
}

//go:noinline
func (m *PathMatch) keys(k *keys) {
	k.some("exact", &m.Exact, matchedPathType)
	k.some("prefix", &m.Prefix, matchedPathType)
	k.some("suffix", &m.Suffix, matchedSuffixType)
	k.some("regex", &m.Regex, regexType)
	k.flag("ignoreCase", &m.IgnoreCase)
	k.exactlyOne(pathMatchers)
}

//go:noinline
func (m *HostMatch) keys(k *keys) {
	k.some("exact", &m.Exact, matchedHostType)
	k.some("prefix", &m.Prefix, matchedHostType)
	k.some("suffix", &m.Suffix, matchedHostType)
	k.some("regex", &m.Regex, regexType)
	k.flag("ignoreCase", &m.IgnoreCase)
	k.exactlyOne(pathMatchers)
}

//go:noinline
func (m *ValueMatch) keys(k *keys) {
	k.text("name", &m.Name, k.of.Names)
	k.some("exact", &m.Exact, matchedTextType)
	k.some("prefix", &m.Prefix, matchedTextType)
	k.some("suffix", &m.Suffix, matchedTextType)
	k.some("contains", &m.Contains, matchedTextType)
	k.some("regex", &m.Regex, regexType)
	k.someFlag("present", &m.Present)
	k.flag("ignoreCase", &m.IgnoreCase)
	k.flag("not", &m.Not)
	k.exactlyOne(valueMatchers)
}

//go:noinline
func (m *ResponseMatch) keys(k *keys) {
	k.statuses("status", &m.Status, statusesType)
	objects(k, "headers", &m.Headers, matchedHeadersType)
	k.atLeastOne(responseMatchers)
}

//go:noinline
func (r *Rewrite) keys(k *keys) {
	k.some("path", &r.Path, newPathType)
	k.word("replace", &r.Replace, replaceType)
	k.some("host", &r.Host, newHostType)
	k.query("query", &r.Query, queryType)
	k.atLeastOne(rewriteParts)
}

//go:noinline
func (q *QueryEdits) keys(k *keys) {
	k.textMap("rename", &q.Rename, renameParamsType)
	k.texts("remove", &q.Remove, paramGlobsType)
	k.texts("keep", &q.Keep, paramGlobsType)
	objects(k, "replace", &q.Replace, replaceParamsType)
	k.textsMap("set", &q.Set, paramValueListsType)
	k.textMap("overwrite", &q.Overwrite, paramValuesType)
	k.textMap("default", &q.Default, paramValuesType)
	k.textsMap("add", &q.Add, paramValueListsType)
}

//go:noinline
func (r *Redirect) keys(k *keys) {
	k.number("status", &r.Status, redirectStatusType)
	k.word("scheme", &r.Scheme, schemeType)
	k.some("host", &r.Host, newHostType)
	k.number("port", &r.Port, portType)
	k.some("path", &r.Path, newPathType)
	k.word("replace", &r.Replace, replaceType)
	k.word("query", &r.Query, keepOrDropType)
}

//go:noinline
func (r *Respond) keys(k *keys) {
	k.number("status", &r.Status, respondStatusType)
	k.text("body", &r.Body, bodyType)
	k.textsMap("headers", &r.Headers, headerValueListsType)
}

//go:noinline
func (h *Headers) keys(k *keys) {
	k.object("request", &h.Request)
	k.object("response", &h.Response)
}

//go:noinline
func (h *HeaderEdits) keys(k *keys) {
	k.textMap("copy", &h.Copy, renameHeadersType)
	k.textMap("rename", &h.Rename, renameHeadersType)
	k.texts("remove", &h.Remove, headerGlobsType)
	objects(k, "replace", &h.Replace, replaceHeadersType)
	k.textsMap("set", &h.Set, headerValueListsType)
	k.textMap("overwrite", &h.Overwrite, headerValuesType)
	k.textMap("default", &h.Default, headerValuesType)
	k.textsMap("add", &h.Add, headerValueListsType)
}

//go:noinline
func (r *Replace) keys(k *keys) {
	k.text("name", &r.Name, k.of.Names)
	k.text("regex", &r.Regex, replacedType)
	k.text("replacement", &r.Replacement, k.of.Elem)
}

//go:noinline
func (s *Sample) keys(k *keys) {
	k.share("percent", &s.Percent, percentType)
	optional(k, "by", &s.By)
}

//go:noinline
func (b *SampleBy) keys(k *keys) {
	k.text("header", &b.Header, sampledHeaderType)
	k.text("cookie", &b.Cookie, cookieType)
	k.exactlyOne(sampledBy)
}

// The types of the values.

const replaceMissing = "is missing: an entry of replace needs name, regex and replacement"

var (
	onUnsafeType   = &Type{Form: Word, Words: []string{"reject", "keep"}}
	thenType       = &Type{Form: Word, Words: []string{"stop", "next"}}
	modeType       = &Type{Form: Word, Words: []string{"enforce", "shadow", "disabled"}}
	schemeType     = &Type{Form: Word, Words: []string{"http", "https"}}
	replaceType    = &Type{Form: Word, Words: []string{"all", "first", "whole"}}
	keepOrDropType = &Type{Form: Word, Words: []string{"keep", "drop"}}

	redirectStatusType = &Type{Form: Number, Numbers: []int{301, 302, 303, 307, 308}}
	portType           = &Type{Form: Number, What: "a port", Min: 1, Max: 65535}
	respondStatusType  = &Type{Form: Number, What: "a status", Min: 200, Max: 599, Missing: "is missing: respond needs a status from 200 to 599"}
	percentType        = &Type{Form: Share, What: "a number", Max: 100, Missing: "is missing: want a number from 0 to 100"}

	patternNameType   = &Type{Format: PatternName}
	revisionType      = &Type{Format: Revision}
	bodyType          = &Type{Format: Free}
	ownHeaderType     = &Type{Format: HeaderName, MayBeEmpty: true}
	sampledHeaderType = &Type{Format: MatchedHeader, MayBeEmpty: true}
	cookieType        = &Type{Format: Token, MayBeEmpty: true}

	regexType         = &Type{Format: Regex}
	matchedPathType   = &Type{Format: MatchedPath}
	matchedSuffixType = &Type{Format: MatchedSuffix}
	matchedHostType   = &Type{Format: MatchedHost}
	matchedTextType   = &Type{Format: MatchedText}
	methodsType       = &Type{Form: List, Elem: &Type{Format: Method}, Empty: "an empty list matches nothing: name a method, or leave the key out"}
	statusesType      = &Type{Form: List, Elem: &Type{Form: Status}, Empty: "an empty list matches nothing: name a status, or leave the key out"}

	unlessType         = &Type{Form: List}
	matchedHeadersType = &Type{Form: List, Names: &Type{Format: MatchedHeader, Required: true}}
	matchedParamsType  = &Type{Form: List, Names: &Type{Format: ParamName, Required: true}}

	newPathType = &Type{Format: NewPath}
	newHostType = &Type{Format: NewHost}
	queryType   = &Type{Form: WordOrObject, Words: keepOrDropType.Words}

	replacedType       = &Type{Format: Regex, Missing: replaceMissing}
	replaceHeadersType = &Type{Form: List, Names: &Type{Format: HeaderName, Missing: replaceMissing}, Elem: &Type{Format: HeaderValue, Missing: replaceMissing}}
	replaceParamsType  = &Type{Form: List, Names: &Type{Format: ParamName, Missing: replaceMissing}, Elem: &Type{Format: ParamValue, Missing: replaceMissing}}

	headerNameType       = &Type{Format: HeaderName}
	headerGlobsType      = &Type{Form: List, Elem: &Type{Format: HeaderGlob}}
	renameHeadersType    = &Type{Form: Map, Names: headerNameType, Elem: headerNameType}
	headerValuesType     = &Type{Form: Map, Names: headerNameType, Elem: &Type{Format: HeaderValue}}
	headerValueListsType = &Type{Form: Map, Names: headerNameType, Elem: &Type{Form: TextOrList, Format: HeaderValue, Empty: noValues}}

	paramNameType       = &Type{Format: ParamName}
	paramGlobsType      = &Type{Form: List, Elem: paramNameType}
	renameParamsType    = &Type{Form: Map, Names: paramNameType, Elem: paramNameType}
	paramValuesType     = &Type{Form: Map, Names: paramNameType, Elem: &Type{Format: ParamValue}}
	paramValueListsType = &Type{Form: Map, Names: paramNameType, Elem: &Type{Form: TextOrList, Format: ParamValue, Empty: noValues}}
)

const noValues = "an empty list: name a value, or use remove"

// What excludes or needs what.
var (
	answers          = []string{"rewrite", "redirect", "respond"}
	pathMatchers     = []string{"exact", "prefix", "suffix", "regex"}
	valueMatchers    = []string{"exact", "prefix", "suffix", "contains", "regex", "present"}
	responseMatchers = []string{"status", "headers"}
	exceptions       = []string{"path", "host", "scheme", "methods", "headers", "query"}
	rewriteParts     = []string{"path", "host", "query"}
	sampledBy        = []string{"header", "cookie"}
)
