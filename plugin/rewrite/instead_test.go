package rewrite_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// insteadOf401 gives what becomes of a 401 that answers a request.
func insteadOf401(t *testing.T, patterns string, host, target string) *rewrite.Outcome {
	t.Helper()

	stream := load(t, `{"patterns": [`+patterns+`]}`).NewStream()
	stream.Random = func() uint32 { return 1 }

	request := get(target)
	request.list[0].Value = host
	if out := stream.Request(request); out.Answer != nil {
		t.Fatalf("the request is answered with %+v", out.Answer)
	}

	return stream.Response(&source{list: []rewrite.Header{{Name: ":status", Value: "401"}, {Name: "x-a", Value: "theirs"}}})
}

// A redirect in place of a response keeps of the request what it needs, and loses nothing that it does not.
func TestRedirectInsteadOfAResponse(t *testing.T) {
	long := strings.Repeat("a", rewrite.KeptAtMost+1)

	for name, c := range map[string]struct{ rule, host, target, location string }{
		"a long path that goes nowhere": {`"match": {"response": {"status": [401]}}, "redirect": {"path": "/login", "query": "drop"}`,
			"h", "/" + long, "http://h/login"},
		"a long path under a prefix": {`"match": {"path": {"prefix": "/app"}, "response": {"status": [401]}},
			"redirect": {"path": "/login", "replace": "whole", "query": "drop"}`, "h", "/app/" + long, "http://h/login"},
		"a long query that is dropped": {`"match": {"response": {"status": [401]}}, "redirect": {"path": "/login", "query": "drop"}`,
			"h", "/a?" + long, "http://h/login"},
		"a long host that is replaced": {`"match": {"response": {"status": [401]}}, "redirect": {"host": "b", "path": "/login"}`,
			long, "/a?b", "http://b/login?b"},
		"a capture in a whole path": {`"match": {"path": {"regex": "^/(a+)/x$"}, "response": {"status": [401]}},
			"redirect": {"path": "/login/$1", "replace": "whole"}`, "h", "/aaa/x?", "http://h/login/aaa?"},
		"the path and no query":     {`"match": {"response": {"status": [401]}}, "redirect": {"host": "b"}`, "h", "/a/b", "http://b/a/b"},
		"the path and its query":    {`"match": {"response": {"status": [401]}}, "redirect": {"host": "b"}`, "h", "/a/b?c", "http://b/a/b?c"},
		"a long query that is kept": {`"match": {"response": {"status": [401]}}, "redirect": {"host": "b"}`, "h", "/a?" + long, ""},
		"nothing of the request": {`"match": {"response": {"status": [401]}}, "redirect": {"scheme": "https", "host": "b", "path": "/login", "query": "drop"}`,
			"h", "/a?b", "https://b/login"},
		"a backslash that came": {`"match": {"path": {"prefix": "/app"}, "response": {"status": [401]}}, "redirect": {"path": "/new"}`,
			"h", `/app/x\y`, `http://h/new/x\y`},
	} {
		t.Run(name, func(t *testing.T) {
			out := insteadOf401(t, `{`+c.rule+`}`, c.host, c.target)

			switch {
			case out.Answer == nil:
				t.Fatal("the response passes")
			case c.location == "":
				if out.Answer.Status != 400 {
					t.Errorf("%+v, want 400: what it needs is lost", out.Answer)
				}
			case !slices.Contains(out.Answer.Headers, rewrite.Header{Name: "location", Value: c.location}):
				t.Errorf("%+v, want the location %s", out.Answer, c.location)
			}
		})
	}
}

// The answer gets what the patterns add to responses, each once, and nothing of the response that it replaces.
func TestHeadersOfAnAnswerInstead(t *testing.T) {
	out := insteadOf401(t, `{"headers": {"response": {"add": {"x-first": "1"}, "set": {"x-bad": "${query.v}"}}}, "then": "next"},
		{"match": {"response": {"status": [401]}}, "sample": {"percent": 0}, "headers": {"response": {"add": {"x-seldom": "1"}}}, "then": "next"},
		{"match": {"response": {"status": [401]}}, "redirect": {"path": "/login", "query": "drop"}, "headers": {"response": {"add": {"x-own": "1"}}}},
		{"match": {"response": {"status": [401]}}, "headers": {"response": {"add": {"x-later": "1"}}}}`, "h", "/a?v=%01")
	if out.Answer == nil {
		t.Fatal("the response passes")
	}

	want := []rewrite.Header{{Name: "location", Value: "http://h/login"}, {Name: "content-type", Value: "text/plain"},
		{Name: "x-first", Value: "1"}, {Name: "x-own", Value: "1"}}
	for _, h := range want {
		if n := len(slices.DeleteFunc(slices.Clone(out.Answer.Headers), func(o rewrite.Header) bool { return o != h })); n != 1 && h.Name != "content-type" {
			t.Errorf("%v is there %d times in %v", h, n, out.Answer.Headers)
		}
	}

	for _, h := range out.Answer.Headers {
		if slices.Contains([]string{":status", "x-a", "x-later", "x-bad", "x-seldom"}, h.Name) {
			t.Errorf("%v is in the answer", h)
		}
	}

	if n := strings.Count(fmt.Sprint(out.Counts), fmt.Sprint(rewrite.Count{Pattern: 0, Result: rewrite.Unsafe})); n != 1 {
		t.Errorf("%d counts of what may not be written, want 1: %v", n, out.Counts)
	}
}

// What a redirect on the response writes itself is not kept of the request.
func TestRedirectInsteadKeepsNoMore(t *testing.T) {
	for redirect, kept := range map[string]int{
		`{"scheme": "https", "host": "b", "path": "/login", "query": "drop"}`: len("\x01\x01"),
		`{"host": "b", "path": "/login", "query": "drop"}`:                    len("\x01\x01\x06http"),
		`{"scheme": "https", "path": "/login", "query": "drop"}`:              len("\x01\x01\x03h"),
		`{"scheme": "https", "host": "b", "path": "/login"}`:                  len("\x01\x01\x03b"),
		`{"scheme": "https", "host": "b", "query": "drop"}`:                   len("\x01\x01\x04/a"),
	} {
		stream := load(t, `{"patterns": [{"match": {"response": {"status": [401]}}, "redirect": `+redirect+`}]}`).NewStream()

		request := get("/a?b")
		request.list[0].Value = "h"
		if stream.Request(request); stream.Kept() != kept {
			t.Errorf("%s keeps %d bytes, want %d", redirect, stream.Kept(), kept)
		}
	}
}

// Where the budget ends while the answer is made, the response passes.
func TestRedirectInsteadWithinTheBudget(t *testing.T) {
	const rule = `{"match": {"path": {"regex": "/|((a?){2}){40}(a*)*z"}, "response": {"status": [401]}}, "redirect": {"path": "/"}}`

	if out := insteadOf401(t, rule, "h", "/aa"); out.Answer == nil {
		t.Error("a short path is not redirected")
	}
	if out := insteadOf401(t, rule, "h", "/"+strings.Repeat("a", 8000)); out.Answer != nil {
		t.Errorf("%+v, beyond the budget", out.Answer)
	}
}
