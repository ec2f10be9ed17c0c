package rewrite_test

import (
	"fmt"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// headers is the simplest Source: a list.
type headers []rewrite.Header

func (h headers) Header(name string) (value string, found, ok bool) {
	for _, one := range h {
		if one.Name == name {
			return one.Value, true, true
		}
	}
	return "", false, true
}

func (h headers) Headers() ([]rewrite.Header, bool) { return h, true }

// show prints an outcome line by line.
func show(out *rewrite.Outcome) {
	for _, e := range out.Edits {
		fmt.Println([]string{"set", "add", "remove"}[e.Kind], strings.TrimSpace(e.Name+" "+e.Value))
	}
	if a := out.Answer; a != nil {
		fmt.Println("answer", a.Status, a.Headers, a.Body)
	}
}

// request shows what rules make of a request with a path and more headers.
func request(config, path string, more ...rewrite.Header) *rewrite.Stream {
	rules, err := rewrite.Load([]byte(config))
	if err != nil {
		panic(err)
	}

	stream := rules.NewStream()
	show(stream.Request(append(headers{
		{Name: ":authority", Value: "blue.example.com"}, {Name: ":path", Value: path}, {Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"},
	}, more...)))
	return stream
}

// A configuration is read once; each request and its response pass a stream.
func Example() {
	rules, err := rewrite.Load([]byte(`{
		"patterns": [{"name": "teapot", "match": {"path": {"regex": "banana/([0-9]*)"}}, "rewrite": {"path": "status/$1"}}],
		"headers": {"response": {"set": {"who-am-i": "wasm-rewrite"}}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	stream := rules.NewStream()
	out := stream.Request(headers{{Name: ":authority", Value: "example.com"}, {Name: ":path", Value: "/banana/418?v=2"}, {Name: ":method", Value: "GET"}})
	show(out)

	for _, c := range out.Counts {
		fmt.Println("count", rules.PatternName(c.Pattern), c.Result)
	}
	show(stream.Response(headers{{Name: ":status", Value: "418"}}))
	stream.Reset()
	// Output:
	// set :path /status/418?v=2
	// count teapot matched
	// count teapot rewritten
	// set who-am-i wasm-rewrite
}

// Every fault comes at once, with its place, the value and what to write.
func ExampleLoad_errors() {
	_, err := rewrite.Load([]byte(`{"patterns": [{"match": {"path": {"regex": "^/a("}}, "rewrite": {"path": "/b"}, "than": "next"}, {"rewrite": {"host": 5}}]}`))
	fmt.Println(err)
	// Output:
	// patterns[0].match.path.regex: "^/a(": missing closing )
	// patterns[0].than: is an unknown key: did you mean then?
	// patterns[1].rewrite.host: 5: want a string: put it in quotes
}

// All conditions of a match must hold.
func ExampleMatch() {
	config := `{"patterns": [{
		"match": {
			"path": {"prefix": "/api"}, "host": {"suffix": ".example.com"}, "scheme": "http", "methods": ["GET", "HEAD"],
			"headers": [{"name": "x-env", "exact": "blue"}, {"name": "x-debug", "present": false}],
			"query": [{"name": "v", "regex": "^[0-9]+$"}]
		},
		"rewrite": {"path": "/v2"}
	}]}`
	request(config, "/api/users?v=7", rewrite.Header{Name: "x-env", Value: "blue"})
	request(config, "/apis?v=7", rewrite.Header{Name: "x-env", Value: "blue"})
	// Output:
	// set :path /v2/users?v=7
}

// Path, host and query are rewritten together, from what matched.
func ExampleRewrite() {
	request(`{"patterns": [{
		"match": {"path": {"regex": "^/shop/([a-z]+)/(.*)$"}, "host": {"regex": "^(?P<tenant>[a-z]+)[.]"}},
		"rewrite": {"path": "/$2?category=$1", "host": "${tenant}.internal:8080", "query": {"remove": ["utm_*"], "default": {"page": "1"}}}
	}]}`, "/shop/shoes/red?size=9&utm_source=x")
	// Output:
	// set :path /red?category=shoes&size=9&page=1
	// set :authority blue.internal:8080
}

// A prefix is replaced as Gateway API does, with one slash at the joint.
func ExampleRewrite_prefix() {
	config := `{"patterns": [{"match": {"path": {"prefix": "/old"}}, "rewrite": {"path": "/new/"}}]}`
	request(config, "/old/shoes")
	request(config, "/older")
	// Output:
	// set :path /new/shoes
}

// A suffix is replaced alone: here .html goes, and so does a trailing slash.
func ExampleRewrite_suffix() {
	config := `{"patterns": [
		{"match": {"path": {"suffix": ".html"}}, "rewrite": {"path": ""}},
		{"match": {"path": {"suffix": "/"}}, "redirect": {"status": 308, "path": ""}}
	]}`
	request(config, "/shoes/red.html?size=9")
	request(config, "/shoes/")
	request(config, "/")
	// Output:
	// set :path /shoes/red?size=9
	// answer 308 [{location http://blue.example.com/shoes}]
}

// A redirect answers with a Location.
func ExampleRedirect() {
	request(`{"patterns": [{"match": {"path": {"prefix": "/old"}}, "redirect": {"status": 308, "scheme": "https", "path": "/new"}}]}`, "/old/shoes?size=9")
	// Output:
	// answer 308 [{location https://blue.example.com/new/shoes?size=9}]
}

// A fixed answer needs no upstream.
func ExampleRespond() {
	request(`{"patterns": [{"match": {"path": {"exact": "/gone"}}, "respond": {"status": 410, "body": "gone", "headers": {"x-path": "${path}"}}}]}`, "/gone")
	// Output:
	// answer 410 [{x-path /gone}] gone
}

// Header operations run in the order copy, rename, remove, replace, set,
// overwrite, default, add, on the request and on the response.
func ExampleHeaders() {
	stream := request(`{"headers": {
		"request": {"copy": {"x-user": "x-owner"}, "remove": ["x-debug-*"], "set": {"x-method": "${method}"}, "default": {"x-env": "live"}},
		"response": {"replace": [{"name": "location", "regex": "^http://internal", "replacement": "https://${host}"}]}
	}}`, "/", rewrite.Header{Name: "x-user", Value: "alice"}, rewrite.Header{Name: "x-debug-level", Value: "3"})
	show(stream.Response(headers{{Name: ":status", Value: "302"}, {Name: "location", Value: "http://internal/login"}}))
	// Output:
	// set x-owner alice
	// remove x-debug-level
	// set x-method GET
	// set x-env live
	// set location https://blue.example.com/login
}

// A pattern on the response matches its status and headers.
func ExampleResponseMatch() {
	stream := request(`{"patterns": [{
		"match": {"path": {"prefix": "/api"}, "response": {"status": [404, "5xx"]}},
		"headers": {"response": {"remove": ["x-powered-by"], "set": {"x-failed": "${path} ${response.status}"}}}
	}]}`, "/api/users")
	show(stream.Response(headers{{Name: ":status", Value: "503"}, {Name: "x-powered-by", Value: "php"}}))
	// Output:
	// remove x-powered-by
	// set x-failed /api/users 503
}

// With then: next the search goes on, and the next pattern sees what this one changed.
func ExamplePattern_then() {
	request(`{"patternHeader": "x-patterns", "originalPathHeader": "x-original-path", "patterns": [
		{"name": "version", "match": {"path": {"prefix": "/v1"}}, "rewrite": {"path": "/v2"}, "then": "next"},
		{"name": "users", "match": {"path": {"exact": "/v2/users"}}, "rewrite": {"path": "/v2/people"}}
	]}`, "/v1/users")
	// Output:
	// set :path /v2/people
	// set x-original-path /v1/users
	// set x-patterns version,users
}

// A pattern in shadow changes nothing and shows what it would do.
func ExamplePattern_mode() {
	request(`{"patternHeader": "x-patterns", "patterns": [{"name": "trial", "mode": "shadow", "match": {"path": {"prefix": "/v1"}}, "rewrite": {"path": "/v2"}}]}`, "/v1/users")
	// Output:
	// set x-patterns trial;shadow;path=/v2/users
}

// A share of the requests is drawn by a header or cookie: one value always
// falls on one side.
func ExampleSample() {
	config := `{"patterns": [{"name": "canary", "sample": {"percent": 20, "by": {"header": "x-user"}}, "rewrite": {"path": "/canary"}}]}`
	request(config, "/", rewrite.Header{Name: "x-user", Value: "alice"})
	request(config, "/", rewrite.Header{Name: "x-user", Value: "bob"})
	// Output:
	// set :path /canary
}

// Values that differ between environments are in vars.
func ExampleVar() {
	request(`{"vars": {"domain": "example.com"}, "patterns": [{
		"match": {"host": {"regex": "^(?P<tenant>[a-z]+)[.]${var.domain}$"}},
		"rewrite": {"host": "${tenant}.new.${var.domain}"}
	}]}`, "/")
	// Output:
	// set :authority blue.new.example.com
}

// A reference may have a fallback for no value or an empty one.
func Example_references() {
	request(`{"headers": {"request": {"set": {"x-a": "${header.x-user:-nobody}", "x-b": "${header.x-user}", "x-c": "${query.q} $$1"}}}}`, "/?q=a%20b")
	// Output:
	// set x-a nobody
	// set x-c a b $1
}

// What may not leave the filter does not: the request is answered 400, or with
// onUnsafe: keep the pattern is undone.
func Example_unsafe() {
	config := `{"onUnsafe": %q, "patterns": [{"match": {"path": {"regex": "^/api(.*)"}}, "rewrite": {"path": "/$1"}}]}`
	request(fmt.Sprintf(config, "reject"), "/api../admin")
	request(fmt.Sprintf(config, "keep"), "/api../admin")
	// Output:
	// answer 400 []
}

// Trace tells each pattern's fate.
func ExampleStream_trace() {
	rules, err := rewrite.Load([]byte(`{"patterns": [
		{"name": "off", "mode": "disabled", "rewrite": {"path": "/a"}},
		{"name": "post", "match": {"methods": ["POST"]}, "rewrite": {"path": "/b"}},
		{"name": "header", "match": {"headers": [{"name": "x-a", "present": true}, {"name": "x-b", "present": true}]}, "rewrite": {"path": "/c"}},
		{"name": "all", "rewrite": {"path": "/d"}}
	]}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	stream := rules.NewStream()
	stream.Trace = func(s rewrite.Step) {
		fmt.Println(strings.TrimSpace(rules.PatternName(s.Pattern) + " " + s.Verdict.String() + " " + s.Condition.String()))
	}
	stream.Request(headers{{Name: ":path", Value: "/"}, {Name: ":method", Value: "GET"}, {Name: "x-a", Value: "1"}})
	// Output:
	// off disabled
	// post not matched match.methods
	// header not matched match.headers[1]
	// all acted
}
