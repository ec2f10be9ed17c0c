// Package explain says what a configuration does to one exchange, pattern by
// pattern, and why.
package explain

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Explanation is what became of one exchange.
type Explanation struct {
	Request []Step   `json:"request"` // what was decided about the patterns, in order
	Untried int      `json:"untried"` // how many patterns stand behind the one that ended the search
	Outside []Change `json:"outside"` // what the operations outside the patterns changed
	// The operations outside the patterns that wrote nothing.
	OutsideIdle []Operation      `json:"outsideIdle"`
	Upstream    *message.Message `json:"upstream,omitempty"` // the request as it goes on; nil where the filter answers
	Answer      *message.Message `json:"answer,omitempty"`   // the filter's own response, before its header operations
	Response    []Step           `json:"response"`
	// What the operations outside the patterns changed on the response.
	OutsideResponse     []Change        `json:"outsideResponse"`
	OutsideResponseIdle []Operation     `json:"outsideResponseIdle"`
	Received            message.Message `json:"received"` // the response as it came to the filter
	Replaced            bool            `json:"replaced"` // a pattern on the response answers instead
	Client              message.Message `json:"client"`   // the response as the client gets it
}

// Step is the fate of one pattern.
type Step struct {
	Pattern string   `json:"pattern"`
	Verdict string   `json:"verdict"`       // as in rewrite.Step
	Why     string   `json:"why,omitempty"` // the condition that failed and what stood against it
	Changes []Change `json:"changes"`
	// Its header operations that wrote nothing.
	Idle []Operation `json:"idle"`
}

// Operation is a header operation that wrote nothing.
type Operation struct {
	Key     string `json:"key"`  // set, or respond.headers
	Name    string `json:"name"` // the header
	Outcome string `json:"outcome"`
	Why     string `json:"why"`
}

// Change is one value of a header that came or went; pseudo-headers too.
type Change struct {
	Op    string `json:"op"` // + or -
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Explain puts a request and its response through a configuration that
// compiles.
func Explain(config *rewrite.Config, request, response message.Message) (*Explanation, error) {
	rules, err := rewrite.Compile(config)
	if err != nil {
		return nil, err
	}

	// All of it, once: which patterns were tried, and what came out.
	var steps []rewrite.Step
	var idle idleList
	all := pass{config: config, rules: rules}
	all.trace, all.idle = func(s rewrite.Step) { steps = append(steps, s) }, idle.note
	all.run(request, response)

	states, err := newStates(&all, steps, request, response)
	if err != nil {
		return nil, err
	}

	// What became of each pattern that was tried.
	e := &Explanation{Request: []Step{}, Response: []Step{}}

	last := -1
	for _, s := range steps {
		if e.add(states, &all, &idle, s) {
			last = max(last, s.Pattern)
		}
	}
	slices.SortStableFunc(e.Response, func(a, b Step) int { return index(rules, a.Pattern) - index(rules, b.Pattern) })

	for i := last + 1; i < len(config.Patterns); i++ {
		if config.Patterns[i].Match.Response == nil {
			e.Untried++
		}
	}

	// What is done outside patterns, and what leaves the filter.
	end := states.of[len(states.of)-1]
	e.Outside = changes(end.request, all.request)
	e.OutsideResponse = changes(end.response, all.response)
	e.OutsideIdle, e.OutsideResponseIdle = idle.of(rewrite.TopLevel, rewrite.HeadersRequest), idle.of(rewrite.TopLevel, rewrite.HeadersResponse)
	e.Received, e.Replaced = message.Message{Headers: all.base, Body: all.baseBody}, all.replaced
	e.Client = message.Message{Headers: all.response, Body: all.body}
	if all.answered {
		e.Answer = &message.Message{Headers: all.base, Body: all.baseBody}
	} else {
		e.Upstream = &message.Message{Headers: all.request, Body: request.Body}
	}

	return e, nil
}

// add adds what became of one pattern, and says whether the search of the
// request came to it.
func (e *Explanation) add(states *states, all *pass, idle *idleList, s rewrite.Step) (onRequest bool) {
	p := &all.config.Patterns[s.Pattern]
	before, after := states.around(s.Pattern)

	step := Step{Pattern: all.rules.PatternName(s.Pattern), Verdict: s.Verdict.String(), Why: s.Unsafe, Changes: []Change{}, Idle: []Operation{}}
	switch s.Verdict {
	case rewrite.NotMatched:
		// A pattern on the response asks of the request as it came.
		at := before.request
		if p.Match.Response != nil {
			at = states.of[0].request
		}

		step.Why = why(p, s.Condition, at, before.response)
	case rewrite.NotSampled:
		step.Why = sampled(p.Sample, before.request)
	}

	if s.Response {
		step.Changes = changes(before.response, after.response)
		step.Idle = append(idle.of(s.Pattern, rewrite.RespondHeaders), idle.of(s.Pattern, rewrite.HeadersResponse)...)
	}
	if s.Response || p.Match.Response != nil {
		e.Response = append(e.Response, step)
		return false
	}

	step.Changes = changes(before.request, after.request)
	step.Idle = append(idle.of(s.Pattern, rewrite.HeadersRequest), idle.of(s.Pattern, rewrite.RespondHeaders)...)
	e.Request = append(e.Request, step)

	// One that acted on the request can change the response, too.
	onResponse := Step{
		Pattern: step.Pattern, Verdict: rewrite.Acted.String(), Why: "on the request",
		Changes: changes(before.response, after.response), Idle: idle.of(s.Pattern, rewrite.HeadersResponse),
	}
	if s.Verdict == rewrite.Acted && len(onResponse.Changes)+len(onResponse.Idle) > 0 {
		e.Response = append(e.Response, onResponse)
	}

	return true
}

// states are the request and the response between the patterns that acted: what
// one of them changed is the difference to the same configuration cut off before
// it.
type states struct {
	acted []int  // in order
	of    []pass // before the first of them, and after each
}

func newStates(all *pass, steps []rewrite.Step, request, response message.Message) (*states, error) {
	s := &states{of: []pass{{request: message.NewRequestHeaders(request.Headers...).All(), response: all.base}}}
	for _, step := range steps {
		if step.Verdict == rewrite.Acted && !slices.Contains(s.acted, step.Pattern) {
			s.acted = append(s.acted, step.Pattern)
		}
	}
	slices.Sort(s.acted)

	for _, i := range s.acted {
		cut := *all.config
		cut.Patterns, cut.Headers, cut.OriginalPathHeader, cut.PatternHeader = all.config.Patterns[:i+1], rewrite.Headers{}, "", ""

		rules, err := rewrite.Compile(&cut)
		if err != nil {
			return nil, err
		}

		p := pass{config: &cut, rules: rules, given: &message.Message{Headers: all.base}}
		p.run(request, response)
		s.of = append(s.of, p)
	}

	return s, nil
}

// around is what there was before a pattern and after it: the same, unless it
// acted.
func (s *states) around(pattern int) (before, after *pass) {
	n, acted := slices.BinarySearch(s.acted, pattern)
	if acted {
		return &s.of[n], &s.of[n+1]
	}
	return &s.of[n], &s.of[n]
}

func index(rules *rewrite.Rules, name string) int {
	for i := range rules.Patterns() {
		if rules.PatternName(i) == name {
			return i
		}
	}
	return rules.Patterns()
}

// pass is both passes of one exchange.
type pass struct {
	config            *rewrite.Config
	rules             *rewrite.Rules
	given             *message.Message // the response that the filter gets, whatever it answered
	request, response []message.Header // as they came out
	base              []message.Header // the response as it came in
	body, baseBody    string
	answered          bool
	replaced          bool // a pattern on the response answered
	trace             func(rewrite.Step)
	idle              func(rewrite.Operation)
}

func (p *pass) run(request, response message.Message) {
	stream := p.rules.NewStream()
	stream.Trace, stream.TraceOperation = p.trace, p.idle
	headers := message.NewRequestHeaders(request.Headers...)
	out := stream.Request(exchange.Source(headers))
	if out.Answer != nil {
		p.answered = true
		response = exchange.Answer(out.Answer, message.NewRequestHeaders(request.Headers...))
	}
	exchange.Write(headers, out.Edits)
	p.request = headers.All()
	if p.given != nil {
		response = *p.given
	}

	headers = message.NewResponseHeaders(response.Headers...)
	p.base, p.body, p.baseBody = headers.All(), response.Body, response.Body
	out = stream.Response(exchange.Source(headers))
	if p.replaced = out.Answer != nil; p.replaced {
		answer := exchange.Answer(out.Answer, message.NewRequestHeaders(request.Headers...))
		p.response, p.body = answer.Headers, answer.Body
		return
	}
	exchange.Write(headers, out.Edits)
	p.response = headers.All()
}

// changes are what differs between two header maps, by name in the order in
// which they come; the order of different names is not a difference.
func changes(before, after []message.Header) []Change {
	list := []Change{}

	var names []string
	for _, h := range append(slices.Clone(before), after...) {
		if !slices.Contains(names, h.Name) {
			names = append(names, h.Name)
		}
	}

	for _, name := range names {
		was, is := exchange.Values(message.Message{Headers: before}, name), exchange.Values(message.Message{Headers: after}, name)
		if slices.Equal(was, is) {
			continue
		}

		same := 0
		for same < len(was) && same < len(is) && was[same] == is[same] {
			same++
		}

		for _, v := range was[same:] {
			list = append(list, Change{"-", name, v})
		}

		for _, v := range is[same:] {
			list = append(list, Change{"+", name, v})
		}
	}

	return list
}

// why says what a condition wants and what stood there instead.
func why(p *rewrite.Pattern, c rewrite.Condition, request, response []message.Header) string {
	get := func(list []message.Header, name string) []string {
		return exchange.Values(message.Message{Headers: list}, name)
	}
	first := func(name string) string {
		if v := get(request, name); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	path, query, _ := strings.Cut(first(":path"), "?")
	m := &p.Match
	at := c.Index

	says := func(want, what, is string) string { return c.String() + ": " + want + "; " + what + " is " + is }
	switch c.Kind {
	case rewrite.OnPath:
		if m.Path == nil || !strings.HasPrefix(path, "/") {
			return says("a path that begins with /", "the path", strconv.Quote(path))
		}

		w := wants(written{"exact": m.Path.Exact, "prefix": m.Path.Prefix, "suffix": m.Path.Suffix, "regex": m.Path.Regex}, m.Path.IgnoreCase)
		if m.Path.Suffix != nil {
			w += " with something before it"
		}
		return says(w, "the path", strconv.Quote(path))
	case rewrite.OnHost:
		w := wants(written{"exact": m.Host.Exact, "prefix": m.Host.Prefix, "suffix": m.Host.Suffix, "regex": m.Host.Regex}, m.Host.IgnoreCase)
		return says(w, "the host", strconv.Quote(first(":authority")))
	case rewrite.OnScheme:
		return says(m.Scheme, "the scheme", first(":scheme"))
	case rewrite.OnMethods:
		return says(strings.Join(m.Methods, ", "), "the method", first(":method"))
	case rewrite.OnHeaders:
		return says(value(m.Headers[at]), m.Headers[at].Name, list(get(request, strings.ToLower(m.Headers[at].Name))))
	case rewrite.OnQuery:
		values, _ := url.ParseQuery(query)
		return says(value(m.Query[at]), m.Query[at].Name, list(values[m.Query[at].Name]))
	case rewrite.OnOwnAnswer:
		return c.String() + ": the answer is the filter's own, and a proxy takes one of a filter for each request"
	case rewrite.OnUnless:
		return c.String() + " holds"
	case rewrite.OnStatus:
		var statuses []string
		for _, s := range m.Response.Status {
			if s.From == s.To {
				statuses = append(statuses, strconv.Itoa(s.From))
			} else {
				statuses = append(statuses, fmt.Sprintf("%dxx", s.From/100))
			}
		}
		return says(strings.Join(statuses, ", "), "the status", strings.Join(get(response, ":status"), ""))
	case rewrite.OnResponseHeaders:
		h := m.Response.Headers[at]
		return says(value(h), h.Name, list(get(response, strings.ToLower(h.Name))))
	}

	return c.String()
}

// sampled says what a request was drawn by.
func sampled(s *rewrite.Sample, request []message.Header) string {
	share := fmt.Sprintf("sample: %v percent", s.Percent)
	switch {
	case s.By == nil:
		return share
	case s.By.Header != "":
		return share + " by header " + s.By.Header + ", which is " + list(exchange.Values(message.Message{Headers: request}, strings.ToLower(s.By.Header)))
	}
	return share + " by cookie " + s.By.Cookie
}

// written is a matcher's texts by key; one is there.
type written map[string]*string

func wants(w written, ignoreCase bool) string {
	for key, text := range w {
		if text != nil {
			if ignoreCase {
				key += " (any case)"
			}
			return key + " " + strconv.Quote(*text)
		}
	}
	return ""
}

func value(m rewrite.ValueMatch) string {
	text := wants(written{"exact": m.Exact, "prefix": m.Prefix, "suffix": m.Suffix, "contains": m.Contains, "regex": m.Regex}, m.IgnoreCase)
	if m.Present != nil {
		text = fmt.Sprintf("present: %v", *m.Present)
	}
	if m.Not {
		text = "not " + text
	}
	return m.Name + " " + text
}

func list(values []string) string {
	switch len(values) {
	case 0:
		return "not there"
	case 1:
		return strconv.Quote(values[0])
	}
	return fmt.Sprintf("%q", values)
}
