package test

import (
	"slices"
	"strconv"
	"strings"
)

// hostileKind is rules, with a request that costs them much.
type hostileKind struct {
	name, rules, target string
	headers             []string
}

// patterns are rules of so many patterns: one that is written, in which @ is its number.
func patterns(n int, one string) string { return `{"patterns": [` + numberedList(n, one) + `]}` }

func numberedList(n int, one string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(one, "@", strconv.Itoa(i+100))
	}

	return strings.Join(list, ",")
}

// lines are so many header lines, numbered likewise.
func lines(n int, one string) []string { return strings.Split(numberedList(n, one), ",") }

// as are so many bytes that say nothing.
func as(n int) string { return strings.Repeat("a", n) }

// openKinds are requests that are opened by the hundred: what they leave in memory counts.
func openKinds() []hostileKind {
	matcher := `{"match": {"query": [{"name": "q@", "exact": "1"}]}, "rewrite": {"path": "/b", "replace": "whole"}}`
	parameters := "/x?" + strings.Repeat("&", 58_000)
	escaped := "/x?" + strings.Repeat("%61&", 14_500)
	values := func(side string) string {
		return `{"headers": {"` + side + `": {"set": {` + numberedList(10, `"x-@": "${query}"`) + `}}}}`
	}

	return append([]hostileKind{
		{"query edits", patterns(1, `{"rewrite": {"query": {"remove": ["utm_*", "fbclid"]}}}`), parameters, nil},
		{"query edits of escaped names", patterns(1, `{"rewrite": {"query": {"remove": ["utm_*", "fbclid"], "keep": ["a*"]}}}`), escaped, nil},
		{"one query matcher", patterns(1, matcher), parameters, nil},
		{"4,096 query matchers", patterns(4096, matcher), parameters, nil},
		{"4,096 query matchers on escaped names", patterns(4096, matcher), escaped, nil},
		{"20 matchers on a long value", patterns(20, matcher), "/x?q100=" + as(58_000), nil},
		{"query edits within the budget", patterns(1, `{"rewrite": {"query": {"remove": ["utm_*", "fbclid"]}}}`), "/x?" + strings.Repeat("a=1&", 250), nil},
		{"ten header values", values("request"), parameters, nil},
		{"ten values kept for the response", values("response"), parameters, nil},
		{"1,000 patterns in shadow on dots", shadows("/${query.v}"), "/x?v=" + strings.Repeat(".-", 4_000), nil},
		{"1,000 texts that ignore case", patterns(1000, `{"match": {"query": [{"name": "q", "contains": "aaaaaaaaaaaaaaab@", "ignoreCase": true}]},
			"rewrite": {"path": "/b", "replace": "whole"}}`), "/x?q=" + strings.Repeat("A", 58_000), nil},
	}, pathRegexes()...)
}

// costKinds are requests that are held against the bound one by one.
func costKinds() []hostileKind {
	return slices.Concat(openKinds(), textKinds(), parameterKinds(), headerKinds(), pathKinds(), manyKinds())
}

func pathRegexes() []hostileKind {
	regex := func(text string) string {
		return patterns(1, `{"match": {"path": {"regex": `+strconv.Quote(text)+`}}, "rewrite": {"path": "b"}}`)
	}
	path := func(text string) string { return "/" + strings.Repeat(text, 58_000/len(text)) }

	return []hostileKind{
		{"a run and an alternative", regex("a.*z|a"), path("a"), nil},
		{"a run between literals", regex("legacy/.*/edit|legacy"), path("legacy/"), nil},
		{"300 runs", regex("(?:a.*){300}z|a"), path("a"), nil},
		{"nested repetitions", regex("((a?){2}){40}(a*)*z"), path("a"), nil},
		{"1,000 runs before what is not there", patterns(1000, `{"match": {"path": {"regex": "a*b@"}}, "rewrite": {"path": "/b"}}`), path("a"), nil},
		{"1,000 regexes that ignore case", patterns(1000, `{"match": {"path": {"regex": "(?i)/([a-z]+)/@/(view|edit)$"}}, "rewrite": {"path": "/b"}}`),
			path("/view/7"), nil},
	}
}

// shadows are 1,000 patterns that each make a path and leave it.
func shadows(path string) string {
	return patterns(1000, `{"mode": "shadow", "rewrite": {"path": "`+path+`", "replace": "whole"}}`)
}

// textKinds make many texts, and search in them.
func textKinds() []hostileKind {
	contains := func(what string) string {
		return patterns(800, `{"match": {"query": [{"name": "q", "contains": "`+what+`"}]}, "rewrite": {"host": "b"}}`)
	}
	regex := func(text string) string {
		return patterns(1000, `{"match": {"headers": [{"name": "x-a", "regex": `+strconv.Quote(text)+`}]}, "rewrite": {"host": "b"}}`)
	}
	header := func(text string) []string { return []string{"x-a: " + strings.Repeat(text, 50_000/len(text))} }

	return []hostileKind{
		{"paths of letters", shadows("/${query.v}"), "/x?v=" + as(8_000), nil},
		{"paths of dot segments", shadows("/${query.v|path}"), "/x?v=" + strings.Repeat("./", 4_000), nil},
		{"queries of escapes", shadows("/a?b=${query.v}"), "/x?v=" + strings.Repeat("!*", 1_300), nil},
		{"captures of escapes", patterns(1000, `{"mode": "shadow", "match": {"path": {"regex": "^/a(.*)$"}}, "rewrite": {"path": "/b$1"}}`),
			"/a" + strings.Repeat("%2e", 2_700), nil},
		{"a kept query", shadows("/b"), "/a?" + strings.Repeat("%41", 2_700), nil},
		{"redirects", patterns(1000, `{"mode": "shadow", "redirect": {"path": "/${path}", "host": "a.b"}}`), "/a?" + strings.Repeat("b", 7_900), nil},
		{"the pattern header", `{"patternHeader": "x-p", ` + shadows("/b")[1:], "/a?" + strings.Repeat("%41", 2_700), nil},
		{"short texts", contains("aaab"), "/?q=" + as(58_000), nil},
		{"long texts", contains(as(400) + "b"), "/?q=" + as(58_000), nil},
		{"a regex's text that is not there", regex("zzzz."), "/", header("zzza")},
		{"a regex's text that is often there", regex("zz[0-9]"), "/", header("z")},
		{"a regex's text at the end", regex("[xy]a*zz"), "/", []string{"x-a: " + as(50_000) + "zz"}},
		{"a regex on classes", regex("[0-9]+x"), "/", header("0")},
		{"a regex on letters", regex("[à-é一-丙][0-9]"), "/", header("一")},
		{"a regex on words", regex(`\bz`), "/", header("a ")},
		{"a regex within words", regex(`\B.\B[^a]`), "/", header("a")},
		{"a regex that ignores case", regex("(?i)" + strings.Repeat("z", 33) + "a"), "/", header("Z")},
		{"a regex with groups", regex("(?:(a)|(b)|(c)|(d)|(e))*(?P<n>z)"), "/", header("abcde")},
	}
}

// parameterKinds decode, compare and edit parameters.
func parameterKinds() []hostileKind {
	matcher := patterns(1000, `{"match": {"query": [{"name": "q", "exact": "b"}]}, "rewrite": {"host": "b"}}`)
	near := patterns(900, `{"match": {"query": [{"name": "`+as(450)+`b", "exact": "b"}]}, "rewrite": {"host": "b"}}`)
	rename := patterns(300, `{"then": "next", "rewrite": {"query": {"rename": {"`+as(450)+`b": "`+as(450)+`c"}}}}`)
	keep := patterns(3, `{"then": "next", "mode": "shadow", "rewrite": {"query": {"keep": [`+numberedList(300, `"`+as(447)+`@"`)+`]}}}`)
	globs := patterns(1000, `{"then": "next", "mode": "shadow", "rewrite": {"query": {"remove": ["*a*a*a*a*b"]}}}`)
	kept := patterns(1000, `{"match": {"response": {"status": [200]}}, "headers": {"response": {"set": {"x-a": "${query.q@}"}}}}`)
	garbage := strings.Replace(patterns(4000, `{"match": {"path": {"regex": "^/x@/([a-z]+)/(.*)$"}}, "rewrite": {"path": "/x/$2/$1"}}`),
		"[", `[{"then": "next", "rewrite": {"query": {"remove": ["fbclid"]}}},`, 1)

	return []hostileKind{
		{"escapes", matcher, "/?q=" + strings.Repeat("%61", 19_000), nil},
		{"spaces", matcher, "/?q=" + strings.Repeat("+", 58_000), nil},
		{"many values", matcher, "/?" + strings.Repeat("q=+&", 14_500), nil},
		{"names that are nearly it", near, "/?" + strings.Repeat(as(451)+"&", 128), nil},
		{"escaped names that are nearly it", near, "/?" + strings.Repeat(strings.Repeat("%61", 451)+"&", 42), nil},
		{"renamed parameters", rename, "/?" + as(450) + "b&" + strings.Repeat(as(451)+"&", 17), nil},
		{"kept parameters", keep, "/?" + strings.Repeat(as(450)+"&", 128), nil},
		{"globs on a parameter", globs, "/?" + as(58_000), nil},
		{"parameters kept for the response", kept, "/a?" + strings.Repeat("a=b&", 14_500), nil},
		{"three parameters in a host", patterns(1000, `{"mode": "shadow", "rewrite": {"host": "a${query.a}${query.b}${query.c}"}}`),
			"/a?" + strings.Repeat("&", 58_000), nil},
		{"query edits beside 4,000 patterns", garbage, "/x?" + strings.Repeat("&", 58_000), nil},
	}
}

// headerKinds look for headers, compare and edit them.
func headerKinds() []hostileKind {
	sample := func(by string) string {
		return patterns(1000, `{"sample": {"percent": 0.001, "by": {`+by+`}}, "rewrite": {"host": "b"}}`)
	}
	exact := func(more string) string {
		return patterns(800, `{"match": {"headers": [{"name": "x-a", `+more+`"exact": "`+as(480)+`b"}]}, "rewrite": {"host": "b"}}`)
	}
	edits := func(mode, more, operations string) string {
		return patterns(20, `{"then": "next", "mode": "`+mode+`", "headers": {"request": {`+more+`"set": {`+operations+`}}}}`)
	}
	replace := func(regex, replacement string) string {
		return patterns(100, `{"then": "next", "mode": "shadow", "headers": {"request": {"replace": [{"name": "x-a", "regex": "`+regex+
			`", "replacement": "`+replacement+`"}]}}}`)
	}
	long, some := []string{"x-a: " + as(50_000)}, lines(95, "x-@: a")
	values := numberedList(100, `"y-@": "${header.x-a}"`)

	return []hostileKind{
		{"a share by header", sample(`"header": "x-a"`), "/", long},
		{"a share by cookie", sample(`"cookie": "a"`), "/", []string{"cookie: " + strings.Repeat(";", 50_000) + "a=b"}},
		{"a share by one of many cookies", sample(`"cookie": "a"`), "/", []string{"cookie: " + strings.Repeat("; b=", 14_000)}},
		{"values that are nearly it", exact(""), "/", lines(90, "x-a: "+as(481))},
		{"values that are nearly it in either case", exact(`"ignoreCase": true, `), "/", lines(90, "x-a: "+strings.Repeat("A", 481))},
		{"headers that are nearly it", patterns(800, `{"match": {"headers": [{"name": "x-`+as(500)+`999", "present": true}]}, "rewrite": {"host": "b"}}`),
			"/", lines(95, "x-"+as(500)+"@: a")},
		{"4,000 header matchers", patterns(4000, `{"match": {"headers": [{"name": "x-999", "present": true}]}, "rewrite": {"host": "b"}}`), "/", some},
		{"globs on a header", patterns(1000, `{"then": "next", "mode": "shadow", "headers": {"request": {"remove": ["*a*a*a*a*b"]}}}`),
			"/", []string{"x-" + as(50_000) + ": a"}},
		{"many headers edited again", edits("enforce", `"default": {"x-a": "b"}, `, numberedList(250, `"y-@": "a"`)), "/", some},
		{"many headers edited in shadow", edits("shadow", `"default": {"x-a": "b"}, `, numberedList(250, `"y-@": "a"`)), "/", some},
		{"long values", edits("shadow", "", values), "/", []string{"x-a: " + as(8_000)}},
		{"a replaced letter", replace("a", "b"), "/", long},
		{"a replaced nothing", replace("b*", ""), "/", long},
		{"replaced groups", replace("(a)(a)", "$2$1"), "/", long},
	}
}

// pathKinds walk over many patterns, with an index and past it.
func pathKinds() []hostileKind {
	const turns = `{"then": "next", "match": {"path": {"regex": "^/a(.*)$"}}, "rewrite": {"path": "/b$1"}},
		{"then": "next", "match": {"path": {"regex": "^/b(.*)$"}}, "rewrite": {"path": "/a$1"}}`
	turning := func(regex string) string {
		return `{"patterns": [` + numberedList(100, turns) + `,` + numberedList(1500, `{"match": {"path": {"regex": "`+regex+`"}}, "rewrite": {"path": "/b"}}`) +
			`,` + numberedList(1500, `{"match": {"path": {"regex": "(?i)`+regex+`"}}, "rewrite": {"path": "/b"}}`) + `]}`
	}
	missing := patterns(4000, `{"match": {"headers": [{"name": "x-a", "exact": "v@"}]}, "rewrite": {"host": "b"}}`)
	first := func(more string) string {
		return patterns(4000, `{"match": {"path": {"prefix": "/a"}, `+more+`}, "rewrite": {"host": "b"}}`)
	}
	unless := patterns(350, `{"then": "next", "mode": "shadow", "match": {"path": {"prefix": "/a"}}, "rewrite": {"host": "b"}, "unless": [`+
		numberedList(60, `{"methods": ["M@"]}`)+`]}`)

	return []hostileKind{
		{"a long path past 4,000 patterns", missing, "/" + as(58_000), []string{"x-a: b"}},
		{"a long path in 4,000 hosts", patterns(4000, `{"then": "next", "match": {"headers": [{"name": "x-a", "present": true}]}, "rewrite": {"host": "b"}}`),
			"/" + as(58_000), []string{"x-a: b"}},
		{"4,000 schemes", first(`"scheme": "https"`), "/a", nil},
		{"4,000 methods", first(`"methods": ["PUT"]`), "/a", nil},
		{"21,000 exceptions", unless, "/a", nil},
		{"paths that change under an index", turning("x@[0-9]"), "/a" + strings.Repeat("x100", 2_000), nil},
		{"paths that an index knows well", turning("[0-9]x@"), "/a" + strings.Repeat("x102x103x157", 600), nil},
		{"replaced letters", patterns(1000, `{"then": "next", "mode": "shadow", "match": {"path": {"regex": "a"}}, "rewrite": {"path": "b"}}`),
			"/" + as(8_000), nil},
		{"4,000 hosts", patterns(4000, `{"then": "next", "match": {"host": {"regex": "A"}}, "rewrite": {"host": "B"}}`), "/a", nil},
	}
}

// manyKinds do little, very often: what takes no step of its own adds up.
func manyKinds() []hostileKind {
	blocks := func(n int, side, key string, open, one, closed string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = `{"then": "next", "headers": {"` + side + `": {"` + key + `": ` + open +
				numberedList(512, strings.ReplaceAll(one, "#", strconv.Itoa(i+100))) + closed + `}}}`
		}

		return `{"patterns": [{"then": "next", "headers": {"response": {"set": {` + numberedList(95, `"z-@": "1"`) + `}}}},` + strings.Join(list, ",") + `]}`
	}
	const there, back = `{"then": "next", "match": {"path": {"prefix": "/a"}}, "rewrite": {"path": "/b"}}`,
		`{"then": "next", "match": {"path": {"prefix": "/b"}}, "rewrite": {"path": "/a"}}`

	empty := func(n int) string { return strings.Repeat("${header.x-none}", n) }

	return []hostileKind{
		{"16,000 response headers", blocks(31, "response", "set", "{", `"x-#-@": "1"`, "}"), "/", nil},
		{"16,000 response headers that are looked for", blocks(31, "response", "default", "{", `"x-#-@": "1"`, "}"), "/", nil},
		{"16,000 globs on the response", blocks(31, "response", "remove", "[", `"z-#*@"`, "]"), "/", nil},
		{"16,000 copies on the response", blocks(24, "response", "copy", "{", `"z-@": "y-#-@"`, "}"), "/", nil},
		{"16,000 values of one request header", blocks(31, "request", "add", `{"x-a": [`, `"1"`, "]}"), "/", nil},
		{"16,000 values of one response header", blocks(31, "response", "add", `{"x-a": [`, `"1"`, "]}"), "/", nil},
		{"patterns that turn the path to and fro", patterns(2000, there+","+back), "/a", nil},
		{"slashes after a prefix", patterns(4000, `{"mode": "shadow", "match": {"path": {"prefix": "/a"}}, "rewrite": {"path": "/b"}}`), "/a" + strings.Repeat("/", 58_000) + "b", nil},
		{"references without a value for each letter", patterns(1, `{"match": {"path": {"regex": "a"}},
			"rewrite": {"path": "`+empty(3000)+`"}}`), "/" + as(58_000), nil},
		{"groups without a value for each letter", patterns(1, `{"headers": {"request": {"replace": [{"name": "x-a", "regex": "a(b?)",
			"replacement": "`+strings.Repeat("$1", 20_000)+`"}]}}}`), "/", []string{"x-a: " + as(50_000)}},
		{"references without a value for each parameter", patterns(1, `{"rewrite": {"query": {"replace": [{"name": "q", "regex": "a",
			"replacement": "`+empty(2000)+`"}]}}}`), "/?" + strings.Repeat("q=a&", 14_000), nil},
	}
}
