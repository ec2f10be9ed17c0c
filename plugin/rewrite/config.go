package rewrite

// Config is a configuration of the filter as it was said: the rule language's
// one JSON object. [Parse] makes it, [Compile] turns it into [Rules]. The zero
// Config is valid and changes nothing.
type Config struct {
	// Free values for ${var.NAME}: strings, numbers or booleans. What differs
	// between environments is here. Lists and maps may be here, but
	// cannot be referred to. Default: none.
	Vars map[string]Var `json:"vars,omitempty"`
	// Rules in the order in which they are tried; the first that matches ends
	// the search, unless it says `then: next`. At most 4,096. Default: none.
	Patterns []Pattern `json:"patterns,omitempty"`
	// Header operations for every request and response, after the patterns.
	Headers Headers `json:"headers,omitzero"`
	// Request header that is set to the received path and query where a rewrite
	// changed them, for example x-envoy-original-path. What arrived under this
	// name is removed. Default: none.
	OriginalPathHeader string `json:"originalPathHeader,omitempty"`
	// Request header that names the request patterns that acted, in order and
	// joined by commas, for example x-wasm-rewrite; a pattern in shadow is
	// there as name;shadow, with what it would have done: path=/would/be, host,
	// status, location, or unsafe; each of up to 256 bytes, with ;... after one
	// that is cut. The names of those that acted come before what shadows would
	// have done where 8 KiB are too few; ... is then the last entry. What a client
	// sent under this name is removed.
	// What became of the response is in Envoy's filter state wasm.NAME, for access
	// logs. Default: none.
	PatternHeader string `json:"patternHeader,omitempty"`
	// What happens when a rewrite or redirect would write an unsafe path, host
	// or Location: reject answers 400, keep undoes the pattern and goes on with
	// the next. Default: reject.
	OnUnsafe string `json:"onUnsafe,omitempty"`
	// 8 hexadecimal digits that name this configuration in metrics and logs.
	// Written by the chart; carried, never computed. Default: none.
	Revision string `json:"revision,omitempty"`

	source string // the text that was parsed, for ${config}
}

// Var is a free value of [Config.Vars].
type Var struct {
	Text   string // what ${var.NAME} gives: the string, the number in decimal, true or false
	Scalar bool   // false for a list or map
}

// Pattern is one rule: what it matches and what it does. It has at least one
// of Rewrite, Redirect, Respond and Headers, or `then: stop`, which leaves its
// requests as they are, and at most one of the first three.
type Pattern struct {
	// Name in metrics, logs and the pattern header: [a-z0-9-]{1,63}, unique.
	// Default: pattern-N, N being the index from 0.
	Name string `json:"name,omitempty"`
	// Conditions that must all hold. Default: every request matches.
	Match Match `json:"match,omitzero"`
	// Exceptions: where all conditions of one of them hold, the pattern does not
	// match. Default: none.
	Unless []Unless `json:"unless,omitempty"`
	// Changes path, host or query. Default: unchanged.
	Rewrite *Rewrite `json:"rewrite,omitempty"`
	// Answers with a Location instead of passing the request on. Next to
	// match.response: in place of the upstream's answer.
	Redirect *Redirect `json:"redirect,omitempty"`
	// Answers with a fixed response instead of passing the request on. Next to
	// match.response: in place of the upstream's answer.
	Respond *Respond `json:"respond,omitempty"`
	// Header operations on the request and on its response.
	Headers Headers `json:"headers,omitzero"`
	// stop ends the search after this pattern, next goes on with the next one,
	// which sees what this one changed. Default: stop.
	Then string `json:"then,omitempty"`
	// enforce acts; shadow counts and names what it would do, and changes
	// nothing; disabled is passed over. Default: enforce.
	Mode string `json:"mode,omitempty"`
	// Acts on a share of the matching requests only. Default: on all.
	Sample *Sample `json:"sample,omitempty"`
}

// Match is the conditions of a pattern; every one that is given must hold.
type Match struct {
	// The raw path as the proxy received and normalised it, without ? and what
	// follows. Never decoded.
	Path *PathMatch `json:"path,omitempty"`
	// The host in lower case, without its port.
	Host *HostMatch `json:"host,omitempty"`
	// http or https, from :scheme, never from x-forwarded-proto.
	Scheme string `json:"scheme,omitempty"`
	// Any of these methods, in upper case.
	Methods []string `json:"methods,omitempty"`
	// Conditions on request headers; each must hold.
	Headers []ValueMatch `json:"headers,omitempty"`
	// Conditions on query parameters, compared percent-decoded; each must hold.
	Query []ValueMatch `json:"query,omitempty"`
	// Makes this a pattern on the response, which may have headers.response, and
	// redirect or respond, which replace the answer of the upstream, of the proxy
	// or of another filter. The filter's own answers are replaced by none.
	Response *ResponseMatch `json:"response,omitempty"`
}

// Unless is an exception of a pattern: conditions on the request, every one of
// which must hold. Nothing can refer to its groups.
type Unless struct {
	// As in match.
	Path *PathMatch `json:"path,omitempty"`
	// As in match.
	Host *HostMatch `json:"host,omitempty"`
	// As in match.
	Scheme string `json:"scheme,omitempty"`
	// As in match.
	Methods []string `json:"methods,omitempty"`
	// As in match.
	Headers []ValueMatch `json:"headers,omitempty"`
	// As in match.
	Query []ValueMatch `json:"query,omitempty"`
}

// PathMatch is exactly one of Exact, Prefix, Suffix and Regex.
type PathMatch struct {
	// The whole path.
	Exact *string `json:"exact,omitempty"`
	// The path's beginning, by whole segments: /abc is not a prefix of /abcd.
	Prefix *string `json:"prefix,omitempty"`
	// The path's end, for example .html. Something must stand before it, so / fits
	// every trailing slash and never the root. The path of a rewrite or redirect
	// replaces this end alone; an empty path strips it.
	Suffix *string `json:"suffix,omitempty"`
	// RE2 without Unicode classes such as \pL, found anywhere in the path; anchor with ^ and $.
	Regex *string `json:"regex,omitempty"`
	// Letters match without regard to case. Default: false.
	IgnoreCase bool `json:"ignoreCase,omitempty"`
}

// HostMatch is exactly one of Exact, Prefix, Suffix and Regex.
type HostMatch struct {
	// The whole host.
	Exact *string `json:"exact,omitempty"`
	// The host's beginning.
	Prefix *string `json:"prefix,omitempty"`
	// The host's end, for example .example.com.
	Suffix *string `json:"suffix,omitempty"`
	// RE2 without Unicode classes such as \pL, found anywhere in the host; anchor with ^ and $.
	Regex *string `json:"regex,omitempty"`
	// Letters in a regex match without regard to case; the others always do.
	// Default: false.
	IgnoreCase bool `json:"ignoreCase,omitempty"`
}

// ValueMatch is a condition on a header or query parameter: a name and exactly
// one of Exact, Prefix, Suffix, Contains, Regex and Present. Where the name
// stands more than once, one value that fits is enough.
type ValueMatch struct {
	// The header's or parameter's name. Required.
	Name string `json:"name"`
	// The whole value.
	Exact *string `json:"exact,omitempty"`
	// The value's beginning.
	Prefix *string `json:"prefix,omitempty"`
	// The value's end.
	Suffix *string `json:"suffix,omitempty"`
	// Text anywhere in the value.
	Contains *string `json:"contains,omitempty"`
	// RE2 without Unicode classes such as \pL, found anywhere in the value; anchor with ^ and $.
	Regex *string `json:"regex,omitempty"`
	// true: there is one; false: there is none.
	Present *bool `json:"present,omitempty"`
	// Letters match without regard to case. Default: false.
	IgnoreCase bool `json:"ignoreCase,omitempty"`
	// Inverts the whole condition. Default: false.
	Not bool `json:"not,omitempty"`
}

// ResponseMatch is the conditions on the response; every one must hold.
type ResponseMatch struct {
	// Any of these: a status such as 404, or a class such as 5xx.
	Status []StatusRange `json:"status,omitempty"`
	// Conditions on response headers, as the patterns before left them.
	Headers []ValueMatch `json:"headers,omitempty"`
}

// StatusRange is the statuses From to To, both included.
type StatusRange struct{ From, To int }

// Rewrite changes where a request goes.
type Rewrite struct {
	// The new path; what follows its first ? is put before the kept query.
	// Default: unchanged.
	Path *string `json:"path,omitempty"`
	// With match.path.regex: all replaces every match, first the leftmost.
	// whole, with any matcher, makes Path the whole new path. Default: all.
	Replace string `json:"replace,omitempty"`
	// The new host, with an optional port. Default: unchanged.
	Host *string `json:"host,omitempty"`
	// keep, drop, or edits of single parameters. Default: keep.
	Query Query `json:"query,omitzero"`
}

// Query is what happens to the query: kept, dropped or edited.
type Query struct {
	Drop  bool
	Edits *QueryEdits
}

// QueryEdits change single query parameters, in the order of the fields.
// Names and values are decoded text and are written encoded.
type QueryEdits struct {
	Rename    map[string]string  `json:"rename,omitempty"`    // old name: new name
	Remove    []string           `json:"remove,omitempty"`    // names, * for any text
	Keep      []string           `json:"keep,omitempty"`      // names, * for any text; all others are removed
	Replace   []Replace          `json:"replace,omitempty"`   // in each value
	Set       map[string]Strings `json:"set,omitempty"`       // create or overwrite
	Overwrite map[string]string  `json:"overwrite,omitempty"` // only if present
	Default   map[string]string  `json:"default,omitempty"`   // only if absent
	Add       map[string]Strings `json:"add,omitempty"`       // append
}

// Redirect answers with a Location: scheme://host[:port]path[?query].
type Redirect struct {
	// 301, 302, 303, 307 or 308. Default: 302.
	Status int `json:"status,omitempty"`
	// http or https. Default: the received scheme.
	Scheme string `json:"scheme,omitempty"`
	// Default: the current host.
	Host *string `json:"host,omitempty"`
	// 1 to 65535. Default: the host's own; none where scheme is given.
	Port int `json:"port,omitempty"`
	// As in a rewrite. Default: the current path.
	Path *string `json:"path,omitempty"`
	// As in a rewrite. Default: all.
	Replace string `json:"replace,omitempty"`
	// keep or drop. Default: keep.
	Query string `json:"query,omitempty"`
}

// Respond answers without asking the upstream.
type Respond struct {
	// 200 to 599. Required.
	Status int `json:"status"`
	// Sent as it is. Default: empty.
	Body string `json:"body,omitempty"`
	// Default: none.
	Headers map[string]Strings `json:"headers,omitempty"`
}

// Headers are the operations on request and response headers.
type Headers struct {
	// What the upstream sees.
	Request HeaderEdits `json:"request,omitzero"`
	// What the client sees.
	Response HeaderEdits `json:"response,omitzero"`
}

// HeaderEdits change headers, in the order of the fields; within one of them
// names go in byte order.
type HeaderEdits struct {
	Copy      map[string]string  `json:"copy,omitempty"`      // from: to; all values, replacing what to held
	Rename    map[string]string  `json:"rename,omitempty"`    // from: to
	Remove    []string           `json:"remove,omitempty"`    // names, * for any text
	Replace   []Replace          `json:"replace,omitempty"`   // in each value
	Set       map[string]Strings `json:"set,omitempty"`       // create or overwrite
	Overwrite map[string]string  `json:"overwrite,omitempty"` // only if present
	Default   map[string]string  `json:"default,omitempty"`   // only if absent
	Add       map[string]Strings `json:"add,omitempty"`       // append
}

// Replace replaces every match of a regex in each value of a header or query parameter.
type Replace struct {
	// The header's or parameter's name. Required.
	Name string `json:"name"`
	// RE2 without Unicode classes such as \pL, found anywhere in the value. Required.
	Regex string `json:"regex"`
	// May be empty; numbers belong to this entry's regex. Required.
	Replacement string `json:"replacement"`
}

// Strings is one string or a list of them.
type Strings []string

// Sample lets a pattern act on a share of the requests that match.
type Sample struct {
	// 0 to 100; may be fractional.
	Percent float64 `json:"percent"`
	// Where the share is drawn by: one value always falls on one side, on every
	// proxy. Default: at random.
	By *SampleBy `json:"by,omitempty"`
}

// SampleBy is exactly one of Header and Cookie, by name.
type SampleBy struct {
	// A request header's name.
	Header string `json:"header,omitempty"`
	// A cookie's name.
	Cookie string `json:"cookie,omitempty"`
}
