// Package rewrite is the rule language of wasm-rewrite and its engine: which
// requests a rule matches, and what becomes of their path, host, query and
// headers, and of the headers of their responses. It knows no proxy and imports
// the standard library alone, so that the filter in a proxy, the command line
// and tests decide the same.
//
// [Load] reads a configuration, one JSON object with the keys of [Config], and
// gives [Rules]; what is wrong with it comes as [Errors], all at once, each with
// the place, the value and what to write instead. Rules never change and may be
// shared.
//
// For each request [Rules.NewStream] gives a [Stream], or one is used again
// after [Stream.Reset]. [Stream.Request] decides about the request and
// [Stream.Response] about its response. Both read what arrived through a
// [Source], as little of it as the rules need, and give an [Outcome]: the
// headers to write, the answer to send instead of passing the request on, and
// the counters that go up. Whoever calls them does what the outcome says.
//
// A pattern's conditions are in [Match]; what it does in [Rewrite],
// [Redirect], [Respond] and [Headers]. Texts that are written may hold
// references: $1, ${1} and \1 are groups of the path's regex, $0 is its whole
// match, ${name} is a named group of any regex of the pattern, ${method},
// ${scheme}, ${host}, ${path} and ${query} are the request as it was received,
// ${header.NAME} and ${query.NAME} what the patterns before left of it,
// ${var.NAME} a value of [Config.Vars], ${config} the configuration;
// on the response also ${response.status} and ${response.header.NAME}. Each may
// have a fallback: ${header.x-user:-nobody}. $$ is a dollar, \\ a backslash.
//
// What leaves the engine is safe to write: a path begins with one slash and has
// no dot segment, control byte or invalid escape that was not received, a host
// is a host, a header value has no line break. A pattern that would write
// something else is undone or the request is answered 400 ([Config.OnUnsafe]).
package rewrite
