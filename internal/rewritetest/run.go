package rewritetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Observed is what came of an exchange.
type Observed struct {
	Upstream *Message // the request as the upstream saw it; nil where it saw none
	Client   Message  // the response as the client saw it
	Counts   []string // pattern, result, number; nil where the runner does not see them
	Noted    *string  // what the filter left for the proxy's log; nil where the runner does not see it
}

// Subject is an implementation with one configuration in force.
type Subject interface {
	// Exchange sends one request, to an upstream that answers x.Response.
	Exchange(x Exchange) (Observed, error)
}

// Run runs the cases of a folder as subtests. start puts a configuration in
// force, or gives the faults for which it was refused.
func Run(t *testing.T, dir string, start func(t *testing.T, config []byte) (Subject, []string)) {
	cases, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	RunCases(t, cases, func(t *testing.T, c Case) (Subject, []string) { return start(t, c.Config) })
}

// RunCases is Run with cases at hand.
func RunCases(t *testing.T, cases []Case, start func(t *testing.T, c Case) (Subject, []string)) {
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			subject, errors := start(t, c)
			if c.Errors != nil || errors != nil {
				if !slices.Equal(errors, c.Errors) {
					t.Fatalf("errors:\n  %s\nwant:\n  %s", strings.Join(errors, "\n  "), strings.Join(c.Errors, "\n  "))
				}
				return
			}

			for i, x := range c.Exchanges {
				seen, err := subject.Exchange(x)
				if err != nil {
					t.Errorf("request %d, %s %s: %v", i+1, x.Request.Start, x.Request.Target, err)
					continue
				}

				for _, difference := range x.Differences(seen) {
					t.Errorf("request %d, %s %s: %s", i+1, x.Request.Start, x.Request.Target, difference)
				}
			}
		})
	}
}

// Differences says how what was seen differs from what must be.
func (x *Exchange) Differences(seen Observed) (d []string) {
	if x.Answer != nil {
		if seen.Upstream != nil {
			d = append(d, fmt.Sprintf("went upstream as %s %s, want the answer %s", seen.Upstream.Start, seen.Upstream.Target, x.Answer.Start))
		}

		d = append(d, x.Answer.differences("answer", &seen.Client, &Message{})...)
	} else {
		if seen.Upstream == nil {
			return append(d, fmt.Sprintf("was answered with %s, want it to go upstream", seen.Client.Start))
		}

		request := Message{Start: x.Request.Start, Target: x.Request.Target, Headers: x.Request.List(), Body: x.Request.Body}
		d = append(d, x.Upstream.differences("upstream", seen.Upstream, &request)...)
		d = append(d, x.Client.differences("client", &seen.Client, &x.Response)...)
	}
	if x.Counts != nil && seen.Counts != nil && !slices.Equal(seen.Counts, x.Counts) {
		d = append(d, fmt.Sprintf("counts %q, want %q", seen.Counts, x.Counts))
	}

	if x.Noted != "" && seen.Noted != nil && *seen.Noted != x.Noted {
		d = append(d, fmt.Sprintf("notes %q, want %q", *seen.Noted, x.Noted))
	}

	return d
}

// differences compares a message with what must be there: what m mentions, and
// for the rest what was sent.
func (m *Message) differences(side string, seen, sent *Message) (d []string) {
	start, target, body := m.Start, m.Target, m.Body
	if start == "" {
		start, target = sent.Start, sent.Target
	}
	if body == "" && !m.mentions(":body") {
		body = sent.Body
	}
	if seen.Start != start || seen.Target != target {
		d = append(d, fmt.Sprintf("%s: %q, want %q", side, strings.TrimSpace(seen.Start+" "+seen.Target), strings.TrimSpace(start+" "+target)))
	}
	if seen.Body != body {
		d = append(d, fmt.Sprintf("%s: body %q, want %q", side, seen.Body, body))
	}

	for _, name := range names(m, sent) {
		want := m.Values(name)
		if !m.mentions(name) {
			want = sent.Values(name)
		}
		if got := seen.Values(name); !slices.Equal(got, want) {
			d = append(d, fmt.Sprintf("%s: %s is %q, want %q", side, name, got, want))
		}
	}

	return d
}

// names are the headers that messages mention, but for :method and :path,
// which are compared with the start.
func names(messages ...*Message) (list []string) {
	for _, m := range messages {
		for _, h := range m.Headers {
			list = append(list, h.Name)
		}

		list = append(list, m.Absent...)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(name string) bool { return name == ":method" || name == ":path" })
}

// Native is the engine itself.
func Native(_ *testing.T, config []byte) (Subject, []string) {
	rules, err := rewrite.Load(config)
	if err != nil {
		return nil, strings.Split(err.Error(), "\n")
	}

	stream := rules.NewStream()
	stream.Random = rand.Uint32
	return &native{rules, stream}, nil
}

type native struct {
	rules  *rewrite.Rules
	stream *rewrite.Stream
}

func (n *native) Exchange(x Exchange) (seen Observed, err error) {
	defer n.stream.Reset()

	counts := map[string]int{}
	request := headerMap(x.Request.List())
	out := n.stream.Request(request)
	if err := n.count(counts, out.Counts); err != nil {
		return seen, err
	}
	request.write(out.Edits)

	response := x.Response
	if out.Answer != nil {
		response = Message{Start: strconv.Itoa(out.Answer.Status), Headers: slices.Clone(out.Answer.Headers), Body: out.Answer.Body}
	} else {
		up := request.message(x.Request.Body)
		seen.Upstream = &up
	}

	list := append(headerMap{{Name: ":status", Value: response.Start}}, response.Headers...)
	out = n.stream.Response(list)
	if err := n.count(counts, out.Counts); err != nil {
		return seen, err
	}
	list.write(out.Edits)
	noted := out.Noted
	seen.Noted = &noted
	if a := out.Answer; a != nil {
		list = append(headerMap{{Name: ":status", Value: strconv.Itoa(a.Status)}}, slices.Clone(a.Headers)...)
		if response.Body = a.Body; x.Request.Start == "HEAD" {
			response.Body = ""
		}
	}

	seen.Client = list.message(response.Body)

	seen.Counts = []string{}
	for key, number := range counts {
		seen.Counts = append(seen.Counts, fmt.Sprintf("%s %d", key, number))
	}
	slices.Sort(seen.Counts)

	return seen, nil
}

// count adds up counters; one that the rules call impossible has no metric in a proxy.
func (n *native) count(counts map[string]int, list []rewrite.Count) error {
	for _, c := range list {
		pattern := "top_level"
		if c.Pattern != rewrite.TopLevel {
			pattern = n.rules.PatternName(c.Pattern)
			if !n.rules.Possible(c.Pattern, c.Result) {
				return fmt.Errorf("%s counts %s, which is not possible", pattern, c.Result)
			}
		}
		counts[pattern+" "+c.Result.String()]++
	}

	return nil
}

// headerMap is a header list as an engine's source.
type headerMap []rewrite.Header

func (m headerMap) Header(name string) (string, bool, bool) {
	for _, h := range m {
		if h.Name == name {
			return h.Value, true, true
		}
	}
	return "", false, true
}

func (m headerMap) Headers() ([]rewrite.Header, bool) { return slices.Clone(m), true }

func (m *headerMap) write(edits []rewrite.Edit) {
	for _, e := range edits {
		e.Name, e.Value = strings.Clone(e.Name), strings.Clone(e.Value)
		if e.Kind != rewrite.EditAdd {
			*m = slices.DeleteFunc(*m, func(h rewrite.Header) bool { return h.Name == e.Name })
		}
		if e.Kind != rewrite.EditRemove {
			*m = append(*m, rewrite.Header{Name: e.Name, Value: e.Value})
		}
	}
}

// message splits the list into a message's start and headers.
func (m headerMap) message(body string) Message {
	out := Message{Body: body}
	for _, h := range m {
		switch h.Name {
		case ":method", ":status":
			out.Start = h.Value
		case ":path":
			out.Target = h.Value
		default:
			out.Headers = append(out.Headers, h)
		}
	}

	return out
}
