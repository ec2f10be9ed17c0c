package rewrite_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

func ok(status string) *source {
	return &source{list: []rewrite.Header{{Name: ":status", Value: status}}}
}

// Trace tells the fate of every pattern that is looked at, on both passes.
func TestTrace(t *testing.T) {
	rules := load(t, `{"onUnsafe": "keep", "patterns": [
		{"name": "off", "mode": "disabled", "rewrite": {"path": "/a"}},
		{"name": "root", "rewrite": {"path": "/a"}, "match": {"path": {"exact": "/other"}}},
		{"name": "host", "match": {"host": {"exact": "other"}}, "rewrite": {"path": "/a"}},
		{"name": "scheme", "match": {"scheme": "https"}, "rewrite": {"path": "/a"}},
		{"name": "method", "match": {"methods": ["PUT"]}, "rewrite": {"path": "/a"}},
		{"name": "header", "match": {"headers": [{"name": "x-a", "present": true}, {"name": "x-b", "present": true}]}, "rewrite": {"path": "/a"}},
		{"name": "query", "match": {"query": [{"name": "a", "present": true}]}, "rewrite": {"path": "/a"}},
		{"name": "out", "sample": {"percent": 0, "by": {"header": "x-a"}}, "rewrite": {"path": "/a"}},
		{"name": "trial", "mode": "shadow", "rewrite": {"path": "/a"}},
		{"name": "bad", "rewrite": {"host": "${path}"}},
		{"name": "here", "rewrite": {"path": "/here"}, "then": "next"},
		{"name": "miss", "match": {"path": {"exact": "/x"}, "response": {"status": [200]}}, "headers": {"response": {"remove": ["x"]}}},
		{"name": "status", "match": {"response": {"status": [404]}}, "headers": {"response": {"remove": ["x"]}}},
		{"name": "headers", "match": {"response": {"headers": [{"name": "x-a", "present": false}, {"name": "x-b", "present": true}]}}, "headers": {"response": {"remove": ["x"]}}},
		{"name": "late-out", "sample": {"percent": 0, "by": {"header": "x-a"}}, "match": {"response": {"status": [200]}}, "headers": {"response": {"remove": ["x"]}}},
		{"name": "late-trial", "mode": "shadow", "match": {"response": {"status": [200]}}, "headers": {"response": {"remove": ["x"]}}},
		{"name": "late", "match": {"response": {"status": [200]}}, "headers": {"response": {"remove": ["x"]}}}
	]}`)
	stream := rules.NewStream()
	var got []string
	stream.Trace = func(s rewrite.Step) {
		got = append(got, strings.TrimSpace(fmt.Sprint(rules.PatternName(s.Pattern), " ", s.Response, " ", s.Verdict, " ", s.Condition, s.Unsafe)))
	}
	out := stream.Request(get("/"))
	if want := []int{10}; !slices.Equal(out.Acted, want) {
		t.Errorf("on the request %v acted, want %v", out.Acted, want)
	}

	out = stream.Response(ok("200"))
	if want := []int{16}; !slices.Equal(out.Acted, want) {
		t.Errorf("on the response %v acted, want %v", out.Acted, want)
	}

	want := []string{
		"miss false not matched match.path",
		"off false disabled",
		"root false not matched match.path",
		"host false not matched match.host",
		"scheme false not matched match.scheme",
		"method false not matched match.methods",
		"header false not matched match.headers[1]",
		"query false not matched match.query[0]",
		"out false sampled out",
		"trial false shadowed",
		"bad false unsafe the host is not valid",
		"here false acted",
		"status true not matched match.response.status",
		"headers true not matched match.response.headers[1]",
		"late-out true sampled out",
		"late-trial true shadowed",
		"late true acted",
	}
	if !slices.Equal(got, want) {
		t.Errorf("steps:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	got = nil
	stream.Reset()
	stream.Request(&source{list: []rewrite.Header{{Name: ":path", Value: "*"}}})
	if got[2] != "root false not matched match.path" {
		t.Errorf("OPTIONS *: %q", got[2])
	}
}

// Each thing that a request has read costs what it must and no more: the path
// alone, or all headers once.
func TestReads(t *testing.T) {
	for _, c := range []struct {
		config      string
		single, all int
	}{
		{`{"patterns": [{"match": {"path": {"exact": "/other"}, "host": {"exact": "a"}}, "rewrite": {"path": "/b"}}]}`, 1, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "rewrite": {"path": "/b"}}]}`, 1, 0},
		{`{"patterns": [{"match": {"query": [{"name": "a", "present": true}]}, "rewrite": {"path": "/b"}}]}`, 1, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "rewrite": {"path": "/b/${path}/${query.a}"}}]}`, 1, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "headers": {"request": {"set": {"x-b": "1"}, "add": {"x-c": "1"}, "remove": ["x-d"]}}}]}`, 1, 0},
		{`{"headers": {"request": {"set": {"x-b": "1"}, "add": {"x-c": "1"}, "remove": ["x-d"]}}}`, 1, 0},
		{`{"patterns": [{"mode": "disabled", "match": {"host": {"exact": "a"}}, "rewrite": {"path": "/b"}}, {"match": {"path": {"exact": "/b"}}, "rewrite": {"path": "/b"}}]}`, 1, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "headers": {"response": {"set": {"x-b": "${header.x-a}"}}}}]}`, 1, 1},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}, "host": {"exact": "a"}}, "rewrite": {"path": "/b"}}]}`, 2, 0},
		{`{"patterns": [{"match": {"host": {"exact": "a"}}, "rewrite": {"path": "/b"}}]}`, 0, 1},
		{`{"patterns": [{"match": {"scheme": "https"}, "rewrite": {"path": "/b"}}]}`, 0, 1},
		{`{"patterns": [{"match": {"methods": ["PUT"]}, "rewrite": {"path": "/b"}}]}`, 0, 1},
		{`{"patterns": [{"match": {"headers": [{"name": "x-a", "exact": "a"}]}, "rewrite": {"path": "/b"}}]}`, 0, 1},
		{`{"patterns": [{"rewrite": {"host": "b"}}]}`, 0, 1},
		{`{"patterns": [{"redirect": {"scheme": "https"}}]}`, 0, 1},
		{`{"patterns": [{"headers": {"request": {"overwrite": {"x-a": "2"}}}}]}`, 0, 1},
		{`{"headers": {"request": {"default": {"x-a": "2"}}}}`, 0, 1},
		{`{"headers": {"request": {"remove": ["x-*"]}}}`, 0, 1},
		{`{"patternHeader": "x-p"}`, 2, 0},
		{`{"patternHeader": "x-p", "headers": {"request": {"overwrite": {"x-b": "1"}}}}`, 0, 1},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "sample": {"percent": 100}, "headers": {"request": {"set": {"x-b": "1"}}}}]}`, 1, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "headers": {"request": {"set": {"x-b": "${path}"}}}}]}`, 1, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "headers": {"request": {"set": {"x-b": "${path} ${method} ${method}"}}}}]}`, 2, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "headers": {"request": {"set": {"x-b": "${method} ${method}"}}}}]}`, 2, 0},
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "headers": {"response": {"set": {"x-b": "${response.status}"}}}}]}`, 1, 0},
		{`{"patterns": [{"match": {"host": {"exact": "a"}}, "rewrite": {"path": "/b"}}, {"match": {"path": {"exact": "/b"}}, "rewrite": {"path": "/b"}}]}`, 0, 1},
		{`{"patterns": [{"match": {"path": {"exact": "/b"}}, "headers": {"request": {"overwrite": {"x-a": "2"}}}}, {"match": {"path": {"exact": "/a"}}, "rewrite": {"path": "/c"}}]}`, 1, 0},
		{`{"originalPathHeader": "x-o"}`, 2, 0},
	} {
		t.Run(c.config, func(t *testing.T) {
			request := get("/a?a=1")
			load(t, c.config).NewStream().Request(request)
			if request.single != c.single || request.all != c.all {
				t.Errorf("%d single reads and %d of all headers, want %d and %d", request.single, request.all, c.single, c.all)
			}
		})
	}
}

// A response whose headers are set, added or removed by name is not read.
func TestResponseReads(t *testing.T) {
	for config, all := range map[string]int{
		`{"headers": {"response": {"set": {"x-b": "1"}, "add": {"x-c": "1"}, "remove": ["x-d"]}}}`:                                                 0,
		`{"patterns": [{"headers": {"response": {"set": {"x-b": "${header.x-a}"}}}}]}`:                                                             0,
		`{"headers": {"response": {"overwrite": {"x-b": "1"}}}}`:                                                                                   1,
		`{"patterns": [{"match": {"path": {"exact": "/b"}}, "headers": {"response": {"overwrite": {"x-b": "1"}}}}, {"rewrite": {"path": "/b"}}]}`:  0,
		`{"headers": {"response": {"remove": ["x-*"]}}}`:                                                                                           1,
		`{"headers": {"response": {"set": {"x-b": "${response.header.x-a}"}}}}`:                                                                    1,
		`{"patterns": [{"match": {"response": {"headers": [{"name": "x-a", "present": true}]}}, "headers": {"response": {"set": {"x-b": "1"}}}}]}`: 1,
	} {
		t.Run(config, func(t *testing.T) {
			stream := load(t, config).NewStream()
			stream.Request(get("/"))

			response := ok("200")
			if stream.Response(response); response.all != all {
				t.Errorf("%d reads of all headers, want %d", response.all, all)
			}
		})
	}
}

// A header of the filter's own that did not come costs one read and no write.
func TestOwnHeaderThatDidNotCome(t *testing.T) {
	for _, config := range []string{
		`{"patternHeader": "x-p"}`, `{"originalPathHeader": "x-p"}`,
		`{"patternHeader": "x-p", "headers": {"request": {"overwrite": {"x-b": "1"}}}}`,
		`{"patternHeader": "x-p", "patterns": [{"match": {"host": {"exact": "other"}}, "headers": {"request": {"set": {"x-b": "1"}}}}]}`,
	} {
		stream := load(t, config).NewStream()
		if out := stream.Request(get("/a")); len(out.Edits) > 0 {
			t.Errorf("%s: %v", config, out.Edits)
		}

		came := get("/a")
		came.list = append(came.list, rewrite.Header{Name: "x-p", Value: "forged"}, rewrite.Header{Name: "x-z", Value: "1"})
		stream.Reset()
		if out := stream.Request(came); !reflect.DeepEqual(out.Edits, []rewrite.Edit{{Kind: rewrite.EditRemove, Name: "x-p"}}) {
			t.Errorf("%s: %v", config, out.Edits)
		}
	}
}

// Before an answer only the header that access logs show is written.
func TestAnswerWritesThePatternHeaderAlone(t *testing.T) {
	stream := load(t, `{"patternHeader": "x-p", "originalPathHeader": "x-o", "headers": {"request": {"set": {"x-b": "1"}}}, "patterns": [
		{"name": "first", "rewrite": {"path": "/b", "host": "b"}, "headers": {"request": {"set": {"x-a": "2"}}}, "then": "next"},
		{"name": "second", "respond": {"status": 410}}]}`).NewStream()
	out := stream.Request(get("/a"))
	if want := []rewrite.Edit{{Kind: rewrite.EditSet, Name: "x-p", Value: "first,second"}}; out.Answer == nil || !reflect.DeepEqual(out.Edits, want) {
		t.Errorf("%+v before %+v, want %+v", out.Edits, out.Answer, want)
	}
}

// What comes to nothing is not written.
func TestNothingIsWrittenTwice(t *testing.T) {
	stream := load(t, `{"patterns": [
		{"match": {"path": {"exact": "/a"}}, "rewrite": {"path": "/b", "host": "b"}, "headers": {"request": {"set": {"x-n": "1"}}}, "then": "next"},
		{"match": {"path": {"exact": "/b"}}, "rewrite": {"path": "/a", "host": "example.com"}}],
		"headers": {"request": {"overwrite": {"x-a": "1", "x-none": "1"}, "remove": ["x-n*"], "replace": [{"name": "x-a", "regex": "1", "replacement": "1"}, {"name": "x-r", "regex": "(.)x", "replacement": "$1"}, {"name": "x-r", "regex": "$", "replacement": "x"}]}}}`).NewStream()
	request := get("/a")
	request.list = append([]rewrite.Header{{Name: "x-r", Value: "1x"}, {Name: "x-a", Value: "1"}, {Name: "x-r", Value: "2x"}}, request.list[:4]...)
	if out := stream.Request(request); len(out.Edits) > 0 {
		t.Errorf("%v", out.Edits)
	}
}

// Values that stay are not written again where others follow them.
func TestAppendedValuesAreAdded(t *testing.T) {
	stream := load(t, `{"headers": {"request": {"default": {"x-none": "1"}, "add": {"x-a": "2"}}}}`).NewStream()
	want := []rewrite.Edit{{Kind: rewrite.EditAdd, Name: "x-none", Value: "1"}, {Kind: rewrite.EditAdd, Name: "x-a", Value: "2"}}

	out := stream.Request(get("/a"))
	for i := range out.Edits {
		if out.Edits[i].Name == "x-none" {
			out.Edits[i].Kind = rewrite.EditAdd // set or added is the same for one that was not there
		}
	}
	if !reflect.DeepEqual(out.Edits, want) {
		t.Errorf("%v, want %v", out.Edits, want)
	}
}

// A response without a request, as one of a proxy that refused it, gets the top
// level's headers, whose references to the request have no value.
func TestResponseWithoutRequest(t *testing.T) {
	stream := load(t, `{"headers": {"response": {"set": {"x-a": "${header.x-a:-none}", "x-b": "${response.status}", "x-c": "${path}", "x-d": "${response.header.x-e:-none}"}}}}`).NewStream()
	for range 2 {
		var got []string
		for _, e := range stream.Response(ok("400")).Edits {
			got = append(got, e.Name+" "+e.Value)
		}
		if want := []string{"x-a none", "x-b 400", "x-d none"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		stream.Reset()
	}
}

// After a pass that was given up nothing is done on the response either.
func TestNothingFollowsAFailedRead(t *testing.T) {
	for _, c := range []struct {
		config  string
		failing int
	}{
		{`{"patterns": [{"match": {"path": {"exact": "/a"}}, "headers": {"response": {"set": {"x-a": "${path}"}}}, "then": "next"}, {"match": {"path": {"exact": "/a"}, "host": {"exact": "b"}}, "rewrite": {"path": "/b"}}]}`, 2},
		{`{"originalPathHeader": "x-o", "headers": {"request": {"set": {"x-b": "1"}}}, "patterns": [{"rewrite": {"path": "/${method}"}, "match": {"path": {"exact": "/b"}}, "then": "next"}, {"match": {"path": {"exact": "/a"}}, "headers": {"response": {"set": {"x-m": "${method}"}}}}]}`, 2},
		{`{"originalPathHeader": "x-o", "headers": {"request": {"set": {"x-b": "1", "x-c": "${method}"}}}}`, 2},
	} {
		stream := load(t, c.config).NewStream()
		request := get("/a")
		request.failing = c.failing
		if out := stream.Request(request); !request.failed || len(out.Edits) > 0 || len(out.Counts) > 0 {
			t.Errorf("%s: %+v after a read that failed", c.config, out)
		}
		if out := stream.Response(ok("200")); len(out.Edits) > 0 {
			t.Errorf("%s: %+v on the response", c.config, out.Edits)
		}
	}
}

// A response without a request gets the top level's headers after a stream that
// was used for others, and after a request that was given up.
func TestResponseWithoutRequestAfterOthers(t *testing.T) {
	stream := load(t, `{"headers": {"response": {"set": {"x-m": "${method:-none}"}}}, "patterns": [{"match": {"path": {"exact": "/a"}}, "rewrite": {"path": "/b/${method}"}}]}`).NewStream()
	want := []rewrite.Edit{{Kind: rewrite.EditSet, Name: "x-m", Value: "none"}}
	stream.Request(get("/a"))
	stream.Reset()
	if out := stream.Response(ok("400")); !reflect.DeepEqual(out.Edits, want) {
		t.Errorf("%+v, want %+v", out.Edits, want)
	}
	stream.Reset()

	request := get("/a")
	request.failing = 3
	stream.Request(request)
	if out := stream.Response(ok("400")); !request.failed || !reflect.DeepEqual(out.Edits, want) {
		t.Errorf("%+v, want %+v", out.Edits, want)
	}
}

// What the response's headers take from the request is still there when the
// host has taken its memory back.
func TestResponseKeepsTheRequest(t *testing.T) {
	stream := load(t, `{"headers": {"response": {"set": {"x-b": "${header.x-a}"}}}}`).NewStream()
	memory := []byte("one")
	request := get("/a")
	request.list = append([]rewrite.Header{{Name: "x-a", Value: unsafe.String(&memory[0], len(memory))}}, request.list...)
	stream.Request(request)
	copy(memory, "two")
	if out := stream.Response(ok("200")); len(out.Edits) != 1 || out.Edits[0].Value != "one" {
		t.Errorf("%+v, want the value one", out.Edits)
	}
}

// Path and host are set, not added to what was there.
func TestPathAndHostAreSet(t *testing.T) {
	stream := load(t, `{"patterns": [{"rewrite": {"path": "/b", "host": "b"}}]}`).NewStream()
	want := []rewrite.Edit{{Kind: rewrite.EditSet, Name: ":path", Value: "/b"}, {Kind: rewrite.EditSet, Name: ":authority", Value: "b"}}
	if out := stream.Request(get("/a")); !reflect.DeepEqual(out.Edits, want) {
		t.Errorf("%+v, want %+v", out.Edits, want)
	}
}

// A glob leaves x-forwarded-proto, which its own name removes.
func TestGlobLeavesForwardedProto(t *testing.T) {
	for name, want := range map[string]int{"x-f*": 1, "x-forwarded-proto": 2} {
		stream := load(t, `{"headers": {"request": {"remove": ["`+name+`"], "overwrite": {"x-a": "2"}}}}`).NewStream()
		request := get("/a")
		request.list = append(request.list, rewrite.Header{Name: "x-forwarded-proto", Value: "https"})
		if out := stream.Request(request); len(out.Edits) != want {
			t.Errorf("%s: %+v", name, out.Edits)
		}
	}
}

// A CONNECT has no scheme: a reference to it has no value, however it is read.
func TestNoScheme(t *testing.T) {
	for _, match := range []string{`"path": {"exact": "/a"}`, `"host": {"exact": "example.com"}`, `"headers": [{"name": "x-a", "present": true}]`} {
		stream := load(t, `{"patterns": [{"match": {`+match+`}, "headers": {"request": {"set": {"x-s": "${scheme}", "x-m": "${method}"}}}}]}`).NewStream()
		request := get("/a")
		request.list = slices.DeleteFunc(request.list, func(h rewrite.Header) bool { return h.Name == ":scheme" })
		if out := stream.Request(request); out.Edits[0].Name != "x-m" || out.Edits[0].Value != "GET" || len(out.Edits) > 1 &&
			out.Edits[1] != (rewrite.Edit{Kind: rewrite.EditRemove, Name: "x-s"}) {
			t.Errorf("%s: %+v, want the method, and no scheme", match, out.Edits)
		}
	}
}

// What is too long is said to be too long, whatever else is wrong with it.
func TestTooLongIsSaid(t *testing.T) {
	long := strings.Repeat("a", 8<<10)
	for _, c := range []struct{ match, rewrite, path, header string }{
		{`{}`, `{"path": "${header.x-a}/b"}`, "/a", "//" + long},
		{`{}`, `{"path": "${header.x-a}"}`, "/a", "//" + long[1:]},
		{`{}`, `{"path": "/${header.x-b}?${header.x-a}"}`, "/a", long + "a"},
		{`{"path": {"prefix": "/a"}}`, `{"path": "/${header.x-a}"}`, "/a/b", "/" + long},
		{`{"path": {"regex": "b"}}`, `{"path": "${header.x-a}", "replace": "first"}`, "//b", long},
		{`{"path": {"regex": "b"}}`, `{"path": "${header.x-a}"}`, "/bbbbbb", long},
		{`{"path": {"regex": "b"}}`, `{"path": "${header.x-a}?c"}`, "/bbbbbb", long},
	} {
		stream := load(t, `{"patterns": [{"match": `+c.match+`, "rewrite": `+c.rewrite+`}]}`).NewStream()
		why := ""
		stream.Trace = func(s rewrite.Step) { why = s.Verdict.String() + ": " + s.Unsafe }
		request := get(c.path)
		request.list = append(request.list[:4:4], rewrite.Header{Name: "x-a", Value: c.header}, rewrite.Header{Name: "x-b", Value: "/"})
		if stream.Request(request); why != "unsafe: path and query are longer than 8 KiB" {
			t.Errorf("%s on %s: %s", c.rewrite, c.path, why)
		}
	}
}

// Compile takes a Config from anywhere and says what is wrong with it.
func TestCompile(t *testing.T) {
	c, err := rewrite.Parse([]byte(`{"revision": "1a2b3c4d"}`))
	if err != nil {
		t.Fatal(err)
	}
	if rules, err := rewrite.Compile(c); err != nil || rules.Revision() != "1a2b3c4d" {
		t.Errorf("%v, %v", rules, err)
	}

	c = &rewrite.Config{Patterns: []rewrite.Pattern{{Name: strings.Repeat("\x80", 100), Respond: &rewrite.Respond{Status: 200}}}}
	want := `patterns[0].name: ""…: want 1 to 63 of a-z, 0-9 and -`
	if rules, err := rewrite.Compile(c); rules != nil || err == nil || err.Error() != want {
		t.Errorf("%v, %v, want %s", rules, err, want)
	}
}

// Of a great many unknown vars a hundred are listed, each with a hint: the first of those that are as near.
func TestHints(t *testing.T) {
	var vars, references []string
	for i := range 10 {
		vars = append(vars, fmt.Sprintf(`"ab%d": 1`, i))
	}

	for i := range 110 {
		references = append(references, fmt.Sprintf(`"x-%d": "${var.abx}"`, i))
	}

	_, err := rewrite.Load([]byte(`{"vars": {` + strings.Join(vars, ",") + `}, "headers": {"request": {"set": {` + strings.Join(references, ",") + `}}}}`))
	if err == nil || strings.Count(err.Error(), "there is no vars.abx") != 100 || strings.Count(err.Error(), "did you mean ab0?") != 100 ||
		!strings.HasSuffix(err.Error(), "\nand 10 more") {
		t.Errorf("%v, want 100 hints at ab0, and 10 more", err)
	}
}

// A share without a header or cookie is drawn by Random; without it every
// request is in.
func TestRandomShare(t *testing.T) {
	stream := load(t, `{"patterns": [{"sample": {"percent": 12.5}, "rewrite": {"path": "/b"}}]}`).NewStream()
	in := func() bool {
		stream.Reset()
		return len(stream.Request(get("/a")).Edits) > 0
	}
	if !in() {
		t.Error("out without Random")
	}

	for number, want := range map[uint32]bool{0: true, 124_999: true, 125_000: false, 999_999: false, 1_000_000: true, 1_125_000: false,
		4_294_000_000: true, 4_294_967_295: false} {
		stream.Random = func() uint32 { return number }
		if in() != want {
			t.Errorf("%d is in: %t, want %t", number, !want, want)
		}
	}
}

// What a pattern can count follows from what it does.
func TestPossible(t *testing.T) {
	rules := load(t, `{"patterns": [
		{"mode": "disabled", "rewrite": {"path": "/a"}},
		{"mode": "shadow", "rewrite": {"path": "/a"}},
		{"rewrite": {"path": "/a"}},
		{"rewrite": {"host": "a"}},
		{"rewrite": {"query": "drop"}},
		{"rewrite": {"query": {"remove": ["a"]}}},
		{"redirect": {"path": "/a"}},
		{"mode": "shadow", "redirect": {"path": "/a"}},
		{"respond": {"status": 200}},
		{"mode": "shadow", "respond": {"status": 200}},
		{"sample": {"percent": 1}, "headers": {"request": {"remove": ["a"]}}}]}`)
	for i, want := range []string{
		"", "shadowed unsafe", "matched rewritten unsafe", "matched rewritten unsafe", "matched rewritten unsafe", "matched rewritten unsafe",
		"matched redirected unsafe", "shadowed unsafe", "matched responded unsafe", "shadowed unsafe", "matched unsafe sampled_out",
	} {
		var got []string
		for r := range rewrite.Results {
			if rules.Possible(i, r) {
				got = append(got, r.String())
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("pattern %d can have %q, want %q", i, got, want)
		}
	}
}

// Rules tell their name, revision and patterns.
func TestRules(t *testing.T) {
	rules := load(t, `{"revision": "1a2b3c4d", "patterns": [{"respond": {"status": 200}}, {"name": "a", "respond": {"status": 200}}]}`)
	if got := fmt.Sprint(rules.Revision(), rules.Patterns(), rules.PatternName(0), rules.PatternName(1)); got != "1a2b3c4d 2 pattern-0 a" &&
		got != "1a2b3c4d2pattern-0a" {
		t.Errorf("got %s", got)
	}
}
