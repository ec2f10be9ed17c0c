package example

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// Verdict is what came of one test.
type Verdict struct {
	Test     *Test
	Acted    []string  // the patterns that acted
	Failures []Failure // none: the test passed
	Seen     exchange.Seen
}

// Failure is one expectation that was not met.
type Failure struct {
	Key  string // of expect: responseHeaders.site
	Got  string
	Want string
}

func (f Failure) String() string { return f.Key + ": got " + f.Got + ", want " + f.Want }

// Run runs tests against a configuration in force. The error is one of the
// filter, not of a test.
func Run(ctx context.Context, s exchange.Subject, tests []Test) ([]Verdict, error) {
	verdicts := make([]Verdict, 0, len(tests))
	for i := range tests {
		t := &tests[i]
		seen, err := s.Exchange(ctx, t.Request.message(), t.Response.message())
		if err != nil {
			return nil, fmt.Errorf("test %s: %w", t.Name, err)
		}

		// What leaves the filters is not yet what the client gets.
		seen.Client = message.Served(seen.Client)
		verdicts = append(verdicts, Verdict{Test: t, Acted: seen.Acted, Failures: t.Expect.check(seen), Seen: seen})
	}

	return verdicts, nil
}

func (r Request) message() message.Message {
	return exchange.Request(r.Method, r.Scheme, r.Host, r.Path, r.Headers.list())
}

func (r Response) message() message.Message { return exchange.Response(r.Status, r.Headers.list()) }

// list gives the headers one value an entry, by name.
func (h Headers) list() (list []message.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			list = append(list, message.Header{Name: name, Value: value})
		}
	}
	return list
}

func (e *Expect) check(seen exchange.Seen) (failures []Failure) {
	fail := func(key, got, want string) { failures = append(failures, Failure{key, got, want}) }
	equal := func(key, got, want string) {
		if got != want {
			fail(key, strconv.Quote(got), strconv.Quote(want))
		}
	}
	if e.Pattern != nil {
		met := slices.Equal(e.Pattern, seen.Acted)
		if e.OnePattern {
			met = slices.Contains(seen.Acted, e.Pattern[0])
		}
		if !met {
			fail("pattern", patterns(seen.Acted), patterns(e.Pattern))
		}
	}

	answered := "none: the request was answered with " + exchange.Value(seen.Client, ":status") + " and went nowhere"
	upstream := func(key, name string, want *string) {
		switch {
		case want == nil:
		case seen.Upstream == nil:
			fail(key, answered, strconv.Quote(*want))
		default:
			equal(key, exchange.Value(*seen.Upstream, name), *want)
		}
	}
	upstream("path", ":path", e.Path)
	upstream("host", ":authority", e.Host)
	if e.Status != nil {
		if got := exchange.Value(seen.Client, ":status"); got != strconv.Itoa(*e.Status) {
			fail("status", got, strconv.Itoa(*e.Status))
		}
	}
	if e.Location != nil {
		if got := exchange.Values(seen.Client, "location"); !slices.Equal(got, []string{*e.Location}) {
			fail("location", values(got), strconv.Quote(*e.Location))
		}
	}

	headers := func(key string, m *message.Message, want Headers, absentKey string, absent []string) {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if m == nil {
				fail(key+"."+name, answered, values(want[name]))
			} else if got := exchange.Values(*m, name); !slices.Equal(got, want[name]) {
				fail(key+"."+name, values(got)+byEnvoy(m, seen, name), values(want[name]))
			}
		}

		for _, name := range absent {
			if m == nil {
				fail(absentKey, answered, "a request without "+name)
			} else if got := exchange.Values(*m, name); got != nil {
				fail(absentKey, name+": "+values(got)+byEnvoy(m, seen, name), "no "+name)
			}
		}
	}
	headers("requestHeaders", seen.Upstream, e.RequestHeaders, "absentRequestHeaders", e.AbsentRequestHeaders)
	headers("responseHeaders", &seen.Client, e.ResponseHeaders, "absentResponseHeaders", e.AbsentResponseHeaders)

	return failures
}

// byEnvoy says that no filter has a say in a header of the response.
func byEnvoy(m *message.Message, seen exchange.Seen, name string) string {
	if m == seen.Upstream || !message.WrittenAfterFilters(name) {
		return ""
	}
	return " (Envoy writes it after the filters)"
}

func patterns(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func values(list []string) string {
	switch len(list) {
	case 0:
		return "none"
	case 1:
		return strconv.Quote(list[0])
	}

	quoted := make([]string, len(list))
	for i, v := range list {
		quoted[i] = strconv.Quote(v)
	}

	return "[" + strings.Join(quoted, ", ") + "]"
}

// String shows a request as a line: GET https://host/path.
func (r Request) String() string { return exchange.Line(r.message()) }
