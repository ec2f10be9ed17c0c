// Package exchange puts requests and their responses through a configuration:
// through the engine itself, or through the compiled filter.
package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/host"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Subject is one configuration in force.
type Subject interface {
	// Exchange sends a request to an upstream that answers response. Both have
	// their pseudo-headers among the headers.
	Exchange(ctx context.Context, request, response host.Message) (Seen, error)
	// Close frees what the subject holds.
	Close(ctx context.Context) error
}

// Seen is what came of an exchange.
type Seen struct {
	Upstream *host.Message // the request as the upstream got it; nil where it got none
	Client   host.Message  // the response as the client got it
	Acted    []string      // the patterns that acted: on the request, in order, then those on the response
	Counts   map[Count]int // the counters that went up
}

// Count names a counter.
type Count struct {
	Pattern string // top_level for the operations outside the patterns
	Result  rewrite.Result
}

// topLevel is where a Count has no pattern, as in the filter's metrics.
const topLevel = "top_level"

// Native gives the engine itself. Its random samples are always in.
func Native(rules *rewrite.Rules) Subject {
	return &native{rules: rules, stream: rules.NewStream()}
}

type native struct {
	rules  *rewrite.Rules
	stream *rewrite.Stream
}

func (n *native) Close(context.Context) error { return nil }

func (n *native) Exchange(_ context.Context, request, response host.Message) (Seen, error) {
	return Run(n.stream, n.rules, request, response), nil
}

// Run puts one exchange through a stream, which is reset afterwards.
func Run(stream *rewrite.Stream, rules *rewrite.Rules, request, response host.Message) Seen {
	defer stream.Reset()
	seen := Seen{Counts: map[Count]int{}}
	headers := host.NewRequestHeaders(request.Headers...)
	out := stream.Request(Source(headers))
	seen.take(rules, out)
	Write(headers, out.Edits)
	method, _ := headers.Get(":method")
	if out.Answer != nil {
		response = Answer(out.Answer, method)
	} else {
		seen.Upstream = &host.Message{Headers: headers.All(), Body: request.Body}
	}
	headers = host.NewResponseHeaders(response.Headers...)
	out = stream.Response(Source(headers))
	seen.take(rules, out)
	Write(headers, out.Edits)
	seen.Client = host.Message{Headers: headers.All(), Body: response.Body}
	return seen
}

func (s *Seen) take(rules *rewrite.Rules, out *rewrite.Outcome) {
	for _, i := range out.Acted {
		s.Acted = append(s.Acted, rules.PatternName(i))
	}
	for _, c := range out.Counts {
		name := topLevel
		if c.Pattern != rewrite.TopLevel {
			name = rules.PatternName(c.Pattern)
		}
		s.Counts[Count{name, c.Result}]++
	}
}

// Answer makes the response of the filter's own answer as Envoy does.
func Answer(a *rewrite.Answer, method string) host.Message {
	h := host.NewResponseHeaders(host.Header{Name: ":status", Value: strconv.Itoa(a.Status)})
	for _, extra := range a.Headers {
		h.Add(strings.Clone(extra.Name), strings.Clone(extra.Value))
	}
	h.Remove("content-length")
	if a.Body == "" {
		h.Remove("content-type")
		return host.Message{Headers: h.All()}
	}
	h.Add("content-length", strconv.Itoa(len(a.Body)))
	if _, ok := h.Get("content-type"); !ok {
		h.Add("content-type", "text/plain")
	}
	body := a.Body
	if method == "HEAD" {
		body = ""
	}
	return host.Message{Headers: h.All(), Body: body}
}

// Write puts the engine's edits into a header map, as the filter does.
func Write(h *host.HeaderMap, edits []rewrite.Edit) {
	for _, e := range edits {
		// The engine's strings live until the stream's Reset only.
		name, value := strings.Clone(e.Name), strings.Clone(e.Value)
		switch e.Kind {
		case rewrite.EditSet:
			h.Set(name, value)
		case rewrite.EditAdd:
			h.Add(name, value)
		case rewrite.EditRemove:
			h.Remove(name)
		}
	}
}

// Source hands a header map to the engine.
func Source(h *host.HeaderMap) rewrite.Source { return source{h} }

type source struct{ *host.HeaderMap }

func (s source) Header(name string) (string, bool, bool) {
	value, found := s.Get(name)
	return value, found, true
}

func (s source) Headers() ([]rewrite.Header, bool) {
	all := s.All()
	list := make([]rewrite.Header, len(all))
	for i, h := range all {
		list[i] = rewrite.Header(h)
	}
	return list, true
}

// Request makes a request.
func Request(method, scheme, authority, target string, headers []host.Header) host.Message {
	list := []host.Header{{Name: ":authority", Value: authority}}
	if target != "" {
		list = append(list, host.Header{Name: ":path", Value: target})
	}
	list = append(list, host.Header{Name: ":method", Value: method}, host.Header{Name: ":scheme", Value: scheme})
	return host.Message{Headers: append(list, headers...)}
}

// Line shows a request: GET https://host/path.
func Line(request host.Message) string {
	target := Value(request, ":path")
	if !strings.HasPrefix(target, "/") {
		target = " " + target // OPTIONS *
	}
	return Value(request, ":method") + " " + Value(request, ":scheme") + "://" + Value(request, ":authority") + target
}

// Response makes a response.
func Response(status int, headers []host.Header) host.Message {
	return host.Message{Headers: append([]host.Header{{Name: ":status", Value: strconv.Itoa(status)}}, headers...)}
}

// Values are all values of a header of a message, in order.
func Values(m host.Message, name string) (values []string) {
	for _, h := range m.Headers {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return values
}

// Value is the first value of a header of a message, or "".
func Value(m host.Message, name string) string {
	if values := Values(m, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Module is a compiled filter, ready for configurations.
type Module struct{ module *host.Module }

// Compile makes ready a filter's module.
func Compile(ctx context.Context, wasm []byte) (*Module, error) {
	m, err := host.Compile(ctx, wasm, nil)
	if err != nil {
		return nil, err
	}
	return &Module{m}, nil
}

// Close frees the module.
func (m *Module) Close(ctx context.Context) error { return m.module.Close(ctx) }

// Start puts a configuration in force in the filter: text, which config and
// rules are for the engine; they tell what the counters mean. The filter decides
// samples without `by` at random: see [WithoutRandom]. The error is a
// *RefusedError where the filter refuses the configuration.
func (m *Module) Start(ctx context.Context, text []byte, config *rewrite.Config, rules *rewrite.Rules) (Subject, error) {
	vm, err := m.module.New(ctx, host.Options{})
	if err != nil {
		return nil, err
	}
	plugin, err := vm.Start(ctx, "wasm-rewrite", text)
	if refused := (*host.RefusedError)(nil); errors.As(err, &refused) {
		err = refusal(refused)
	}
	if err != nil {
		return nil, errors.Join(err, vm.Close(ctx))
	}
	return &module{config: config, rules: rules, vm: vm, plugin: plugin, before: vm.Metrics()}, nil
}

// RefusedError tells that the filter refuses a configuration that the engine of
// this tool takes: it is of another version.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string {
	return "the filter refuses the configuration: " + strings.Join(e.Reasons, "; ")
}

func refusal(from *host.RefusedError) *RefusedError {
	e := &RefusedError{}
	for _, l := range from.Logs {
		e.Reasons = append(e.Reasons, strings.TrimPrefix(l.Message, "wasm-rewrite: configuration refused: "))
	}
	return e
}

// WithoutRandom leaves out of a configuration the samples that are decided at
// random, so that the filter takes every request in, as the engine does for
// tests. A configuration without any comes back as it is.
func WithoutRandom(text []byte, config *rewrite.Config) ([]byte, error) {
	random := func(p rewrite.Pattern) bool { return p.Sample != nil && p.Sample.By == nil }
	if !slices.ContainsFunc(config.Patterns, random) {
		return text, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var whole struct {
		object   map[string]any
		patterns []any
	}
	if err := d.Decode(&whole.object); err != nil {
		return nil, err
	}
	whole.patterns, _ = whole.object["patterns"].([]any)
	for i, p := range whole.patterns {
		if pattern, ok := p.(map[string]any); ok && random(config.Patterns[i]) {
			delete(pattern, "sample")
		}
	}
	return json.Marshal(whole.object)
}

type module struct {
	config *rewrite.Config
	rules  *rewrite.Rules
	vm     *host.VM
	plugin *host.Plugin
	before map[string]int64
}

func (m *module) Close(ctx context.Context) error { return m.vm.Close(ctx) }

func (m *module) Exchange(ctx context.Context, request, response host.Message) (Seen, error) {
	r, err := m.plugin.Exchange(ctx, request, func(host.Message) host.Message { return response })
	if err != nil {
		return Seen{}, err
	}
	// The filter tells what it counted when the host ticks.
	if err := m.plugin.Tick(ctx); err != nil {
		return Seen{}, err
	}
	seen := Seen{Upstream: r.Upstream, Client: r.Client, Counts: map[Count]int{}}
	now := m.vm.Metrics()
	for name, value := range now {
		if value == m.before[name] {
			continue
		}
		pattern, result, ok := splitCounter(name)
		if !ok {
			continue
		}
		seen.Counts[Count{pattern, result}] += int(value - m.before[name])
	}
	m.before = now
	seen.Acted = m.acted(seen.Counts)
	return seen, nil
}

// splitCounter reads a counter's name: wasm_rewrite.<plugin>.<pattern>.<result>.
func splitCounter(name string) (pattern string, result rewrite.Result, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return "", 0, false
	}
	for result := range rewrite.Results {
		if result.String() == parts[3] {
			return parts[2], result, true
		}
	}
	return "", 0, false
}

// acted tells by the counters which patterns acted. One that matched and was
// undone as unsafe did not: it counted unsafe, and nothing that it did.
func (m *module) acted(counts map[Count]int) []string {
	var onRequest, onResponse []string
	for i := range m.rules.Patterns() {
		name := m.rules.PatternName(i)
		if counts[Count{name, rewrite.Matched}] == 0 {
			continue
		}
		did := counts[Count{name, rewrite.Rewritten}] + counts[Count{name, rewrite.Redirected}] + counts[Count{name, rewrite.Responded}]
		moves := m.rules.Possible(i, rewrite.Rewritten) || m.rules.Possible(i, rewrite.Redirected)
		if counts[Count{name, rewrite.Unsafe}] > 0 && did == 0 && moves {
			continue
		}
		if m.config.Patterns[i].Match.Response != nil {
			onResponse = append(onResponse, name)
		} else {
			onRequest = append(onRequest, name)
		}
	}
	return append(onRequest, onResponse...)
}
