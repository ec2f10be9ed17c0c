package rewrite_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

func load(tb testing.TB, config string) *rewrite.Rules {
	tb.Helper()

	rules, err := rewrite.Load([]byte(config))
	if err != nil {
		tb.Fatal(err)
	}
	return rules
}

func get(path string) *source {
	return &source{list: []rewrite.Header{{Name: ":authority", Value: "example.com"}, {Name: ":path", Value: path}, {Name: ":method", Value: "GET"},
		{Name: ":scheme", Value: "http"}, {Name: "x-a", Value: "1"}}}
}

// With path rules alone a request that matches none costs one host call, and
// its response none.
func TestMissCostsOneCall(t *testing.T) {
	several := `{"match": {"path": {"exact": "/a"}}, "rewrite": {"path": "/b"}},
		{"match": {"path": {"prefix": "/a/"}}, "rewrite": {"path": "/b", "host": "${header.x-a}", "query": {"set": {"a": "1"}}}},
		{"match": {"path": {"regex": "^/a[0-9]"}, "host": {"exact": "a"}, "methods": ["GET"]}, "redirect": {"scheme": "https"}},
		{"match": {"path": {"regex": "^/a(b|bc)*$"}}, "respond": {"status": 410}},
		{"match": {"path": {"exact": "/c"}}, "headers": {"request": {"set": {"x-b": "1"}}, "response": {"set": {"x-b": "${header.x-a}"}}}}`
	for name, patterns := range map[string]string{"few": several, "many": strings.Repeat(several+",", 10) + several} {
		t.Run(name, func(t *testing.T) {
			stream := load(t, `{"patterns": [`+patterns+`]}`).NewStream()
			request := get("/other?a=/a")
			out := stream.Request(request)
			if len(out.Edits) > 0 || out.Answer != nil || len(out.Counts) > 0 {
				t.Errorf("outcome %+v of a request that matches nothing", out)
			}
			if request.single != 1 || request.all != 0 {
				t.Errorf("%d single reads and %d of all headers, want one single read", request.single, request.all)
			}

			response := &source{list: []rewrite.Header{{Name: ":status", Value: "200"}}}
			stream.Response(response)
			if response.single+response.all > 0 {
				t.Error("the response was read")
			}
		})
	}
}

// Without anything to do nothing is read.
func TestNothingToDoCostsNoCall(t *testing.T) {
	for _, config := range []string{``, `{}`, `{"headers": {"response": {"set": {"x-a": "${response.status}"}}}}`,
		`{"patterns": [{"mode": "disabled", "rewrite": {"path": "/a"}}]}`} {
		request := get("/a")
		load(t, config).NewStream().Request(request)
		if request.single+request.all > 0 {
			t.Errorf("%s: the request was read", config)
		}
	}
}

// A rule with an exact path, a prefix, a suffix or a regex that is plain text
// allocates nothing, whether it matches or not.
func TestPlainRulesAllocateNothing(t *testing.T) {
	for _, match := range []string{`{"exact": "/api/v1"}`, `{"prefix": "/api"}`, `{"suffix": "/v1"}`, `{"regex": "api"}`, `{"regex": "/api/"}`} {
		stream := load(t, `{"patterns": [{"match": {"path": `+match+`}, "rewrite": {"path": "/x"}}]}`).NewStream()
		for _, path := range []string{"/api/v1?a=b", "/other"} {
			request, response := get(path), &source{list: []rewrite.Header{{Name: ":status", Value: "200"}}}
			once := func() {
				stream.Reset()
				stream.Request(request)
				stream.Response(response)
			}
			once()
			if n := testing.AllocsPerRun(100, once); n > 0 {
				t.Errorf("%s on %s: %v allocations a request", match, path, n)
			}
		}
	}
}

// A request that misses for its headers allocates nothing either.
func TestMissesAllocateNothing(t *testing.T) {
	stream := load(t, `{"patterns": [
		{"match": {"headers": [{"name": "x-a", "exact": "2"}]}, "rewrite": {"path": "/x"}},
		{"match": {"headers": [{"name": "x-a", "regex": "^([0-9]+)x"}]}, "rewrite": {"path": "/x"}},
		{"match": {"query": [{"name": "b", "present": true}], "host": {"exact": "example.com"}, "methods": ["GET"]}, "rewrite": {"path": "/x"}}]}`).NewStream()
	request := get("/a?c=d")
	once := func() {
		stream.Reset()
		stream.Request(request)
	}
	once()
	if n := testing.AllocsPerRun(100, once); n > 0 {
		t.Errorf("%v allocations a request", n)
	}
}

// Where the budget ends the work ends too, in the midst of a long query.
func TestBudgetEndsKeep(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprintf(`"a%d"`, i))
	}

	stream := load(t, `{"patterns": [{"rewrite": {"query": {"keep": [`+strings.Join(names, ",")+`]}}}]}`).NewStream()
	ask := func(parameters int) time.Duration {
		request := get("/?" + strings.Repeat("&", parameters))

		return fastest(func() {
			stream.Reset()

			if out := stream.Request(request); out.Answer == nil || out.Answer.Status != 400 {
				t.Fatalf("outcome %+v, want the answer 400", out)
			}
		})
	}

	// As the budget ends early in both, what is behind its end costs little: eight times as much where it is walked.
	if one, eight := ask(58_000), ask(8*58_000); eight > 3*one {
		t.Errorf("%v for a query of eight times the length, %v for this one", eight, one)
	}
}

// fastest is the least time that a function takes: what a busy machine adds is left out.
func fastest(do func()) time.Duration {
	least := time.Hour
	for range 10 {
		start := time.Now()
		do()

		least = min(least, time.Since(start))
	}

	return least
}

// What arrived is looked at once, however many patterns are held against it.
func TestReceivedPathIsReadOnce(t *testing.T) {
	patterns := strings.Repeat(`{"mode": "shadow", "rewrite": {"path": "/${header.x-dots}"}},`, 1000)
	stream := load(t, `{"patterns": [`+strings.TrimSuffix(patterns, ",")+`]}`).NewStream()
	request := get("/" + strings.Repeat("./", 29_000))
	request.list = append(request.list, rewrite.Header{Name: "x-dots", Value: ".."})
	stream.Request(request)
	if used := rewrite.Budget - stream.Steps(); used > rewrite.Budget/4 {
		t.Errorf("%d of %d steps", used, rewrite.Budget)
	}
}

// A host without a name is read once, as every other is.
func TestHostIsReadOnce(t *testing.T) {
	patterns := strings.Repeat(`{"match": {"host": {"exact": "a"}}, "rewrite": {"path": "/b"}},`, 4000)
	stream := load(t, `{"patterns": [`+strings.TrimSuffix(patterns, ",")+`]}`).NewStream()
	ask := func(size int) time.Duration {
		request := get("/")
		request.list[0].Value = ":" + strings.Repeat("a", size)

		return fastest(func() {
			stream.Reset()
			stream.Request(request)
		})
	}

	// Where each of 4,000 patterns reads it, the long one takes a thousand times as long.
	if short, long := ask(58), ask(58_000); long > 20*short {
		t.Errorf("%v for a host of 58,000 bytes, %v for one of 58", long, short)
	}
}

// A configuration of 1,000 mixed patterns takes effect quickly.
func TestManyPatternsCompileQuickly(t *testing.T) {
	var patterns []string
	for i := range 200 {
		patterns = append(patterns,
			fmt.Sprintf(`{"match": {"path": {"exact": "/e%d"}}, "rewrite": {"path": "/x"}}`, i),
			fmt.Sprintf(`{"match": {"path": {"prefix": "/p%d"}}, "rewrite": {"path": "/x"}}`, i),
			fmt.Sprintf(`{"match": {"path": {"regex": "^/r%d/([a-z]+)/(.*)$"}}, "rewrite": {"path": "/x/$2/$1"}}`, i),
			fmt.Sprintf(`{"match": {"path": {"regex": "^/(a|b%d)+/([a-z]+)[a-f]$"}, "host": {"suffix": ".h%d"}}, "redirect": {"path": "/x/$1"}}`, i, i),
			fmt.Sprintf(`{"match": {"headers": [{"name": "x-a", "regex": "^v%d(.*)$"}]}, "headers": {"request": {"set": {"x-b": "${header.x-a}"}}}}`, i))
	}

	start := time.Now()
	load(t, `{"patterns": [`+strings.Join(patterns, ",")+`]}`)
	if took := time.Since(start); took > time.Second {
		t.Errorf("%d patterns took %v, want less than 1s", len(patterns), took)
	}
}

// A configuration with a great many faults is refused as quickly.
func TestManyFaultsAreFoundQuickly(t *testing.T) {
	var vars, references []string
	for i := range 5000 {
		vars = append(vars, fmt.Sprintf(`"variable%d": 1`, i))
		references = append(references, fmt.Sprintf(`"x-%d": "${var.varible%d}"`, i, i))
	}

	for name, config := range map[string]string{
		"of form":    `{"headers": {"request": {"remove": [` + strings.Repeat("1,", 30_000) + `1]}}}`,
		"of meaning": `{"vars": {` + strings.Join(vars, ",") + `}, "headers": {"request": {"set": {` + strings.Join(references, ",") + `}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := rewrite.Load([]byte(config)); err == nil {
				t.Fatal("it is taken")
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// Where a read fails the request or response goes on as it is, whatever the
// rules are and whichever read it was.
func TestFailedReadsChangeNothing(t *testing.T) {
	failed := false
	for _, c := range table(t) {
		if c.Errors != nil {
			continue
		}

		stream := load(t, string(c.Config)).NewStream()
		for _, x := range c.Exchanges {
			for failing := 1; failing <= 3; failing++ {
				stream.Reset()

				request := &source{list: x.Request.List(), failing: failing}
				if out := stream.Request(request); request.failed && c.Name != "over-budget" && (len(out.Edits) > 0 || out.Answer != nil || len(out.Counts) > 0) {
					t.Errorf("%s: %+v after read %d of the request failed", c.Name, out, failing)
				}

				failed = failed || request.failed
				response := &source{list: append([]rewrite.Header{{Name: ":status", Value: x.Response.Start}}, x.Response.Headers...), failing: failing}
				if out := stream.Response(response); response.failed && (len(out.Edits) > 0 || len(out.Counts) > 0) {
					t.Errorf("%s: %+v after read %d of the response failed", c.Name, out, failing)
				}
			}
		}
	}
	if !failed {
		t.Error("no read failed")
	}
}

// What hostile requests need is there from the first of them on: they leave a
// collector nothing to do, which with many patterns takes longer than the budget.
func TestHostileRequestsAllocateNothing(t *testing.T) {
	shadows := strings.Repeat(`{"mode": "shadow", "rewrite": {"path": "/${query.v}"}},`, 100)
	matches := strings.Repeat(`{"match": {"path": {"prefix": "/"}, "methods": ["PUT"]}, "rewrite": {"host": "b"}},`, 2000)

	for name, kind := range map[string]struct{ rules, target string }{
		"query edits":     {`{"patterns": [{"rewrite": {"query": {"remove": ["fbclid"]}}}]}`, "/?" + strings.Repeat("&", 58_000)},
		"long texts":      {`{"patterns": [` + strings.TrimSuffix(shadows, ",") + `]}`, "/?v=" + strings.Repeat("a", 8_000)},
		"many candidates": {`{"patterns": [` + strings.TrimSuffix(matches, ",") + `]}`, "/a"},
	} {
		t.Run(name, func(t *testing.T) {
			stream := load(t, kind.rules).NewStreamOn(rewrite.NewScratch(&rewrite.Memory{}))
			request := get(kind.target)
			once := func() {
				stream.Reset()
				stream.Request(request)
			}
			once()

			if n := testing.AllocsPerRun(10, once); n > 0 {
				t.Errorf("%v allocations a request", n)
			}
		})
	}
}

// What patterns do besides matching and writing takes from the budget, too.
func TestSmallWorkTakesFromTheBudget(t *testing.T) {
	turns := strings.Repeat(`{"then": "next", "match": {"path": {"prefix": "/a"}}, "rewrite": {"path": "/b"}},
		{"then": "next", "match": {"path": {"prefix": "/b"}}, "rewrite": {"path": "/a"}},`, 2000)

	for name, c := range map[string]struct{ patterns, few, many string }{
		"candidates of an index": {turns, "/c", "/a"},
		"slashes": {strings.Repeat(`{"mode": "shadow", "match": {"path": {"prefix": "/a"}}, "rewrite": {"path": "/b"}},`, 4000),
			"/a//b", "/a" + strings.Repeat("/", 58_000) + "b"},
		"pieces without text": {`{"match": {"path": {"regex": "a"}}, "rewrite": {"path": "` + strings.Repeat("${header.x-none}", 3000) + `"}},`,
			"/xa", "/x" + strings.Repeat("a", 300)},
	} {
		t.Run(name, func(t *testing.T) {
			stream := load(t, `{"patterns": [`+strings.TrimSuffix(c.patterns, ",")+`]}`).NewStream()
			if out := stream.Request(get(c.few)); out.Answer != nil {
				t.Errorf("little of it is answered with %+v", out.Answer)
			}
			if out := stream.Request(get(c.many)); out.Answer == nil || out.Answer.Status != 400 {
				t.Errorf("%+v after %d steps, want 400", out.Answer, rewrite.Budget-stream.Left())
			}
		})
	}
}

// However many patterns wait for the response, what has no room is a value, not the request.
func TestWaitingPatternsHaveRoom(t *testing.T) {
	one := `{"match": {"response": {"status": [404]}}, "then": "next", "headers": {"response": {"add": {"x-a": "${path}"}}}},`
	rules := load(t, `{"patterns": [`+strings.TrimSuffix(strings.Repeat(one, 300), ",")+`]}`)

	for _, length := range []int{60, 250, 8000} {
		stream := rules.NewStream()
		if out := stream.Request(get("/" + strings.Repeat("a", length))); out.Answer != nil {
			t.Errorf("a path of %d bytes is answered with %+v", length, out.Answer)
		}

		out := stream.Response(&source{list: []rewrite.Header{{Name: ":status", Value: "404"}}})
		if len(out.Edits) == 0 || stream.Kept() > rewrite.KeptAtMost {
			t.Errorf("a path of %d bytes: %d bytes are kept, and %d values written", length, stream.Kept(), len(out.Edits))
		}
	}
}

// The same holds for a stream that has no more than its own bytes.
func TestWaitingPatternsHaveRoomInACrowd(t *testing.T) {
	one := `{"match": {"response": {"status": [404]}}, "then": "next", "headers": {"response": {"add": {"x-a": "${path}"}}}},`
	rules := load(t, `{"patterns": [`+strings.TrimSuffix(strings.Repeat(one, 16), ",")+`]}`)
	scratch := rewrite.NewScratch(nil)

	for range 5000 {
		if out := rules.NewStreamOn(scratch).Request(get("/" + strings.Repeat("a", 900))); out.Answer != nil {
			t.Fatalf("one of a crowd is answered with %+v", out.Answer)
		}
	}

	for length := range 250 {
		if out := rules.NewStreamOn(scratch).Request(get("/" + strings.Repeat("a", length))); out.Answer != nil {
			t.Fatalf("a path of %d bytes is answered with %+v", length, out.Answer)
		}
	}
}
