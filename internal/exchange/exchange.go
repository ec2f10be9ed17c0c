// Package exchange puts requests and their responses through a configuration,
// through the engine itself. Package compiled does it through the compiled
// filter.
package exchange

import (
	"context"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Subject is one configuration in force.
type Subject interface {
	// Exchange sends a request to an upstream that answers response. Both have
	// their pseudo-headers among the headers.
	Exchange(ctx context.Context, request, response message.Message) (Seen, error)
	// Close frees what the subject holds.
	Close(ctx context.Context) error
}

// Seen is what came of an exchange.
type Seen struct {
	Upstream *message.Message // the request as the upstream got it; nil where it got none
	Client   message.Message  // the response as the client got it
	Acted    []string         // the patterns that acted: on the request, in order, then those on the response
	Counts   map[Count]int    // the counters that went up
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

func (n *native) Exchange(_ context.Context, request, response message.Message) (Seen, error) {
	return Run(n.stream, n.rules, request, response), nil
}

// Run puts one exchange through a stream, which is reset afterwards.
func Run(stream *rewrite.Stream, rules *rewrite.Rules, request, response message.Message) Seen {
	defer stream.Reset()

	seen := Seen{Counts: map[Count]int{}}
	headers := message.NewRequestHeaders(request.Headers...)
	out := stream.Request(Source(headers))
	seen.take(rules, out)
	Write(headers, out.Edits)
	if out.Answer != nil {
		response = Answer(out.Answer, message.NewRequestHeaders(request.Headers...))
	} else {
		seen.Upstream = &message.Message{Headers: headers.All(), Body: request.Body}
	}

	headers = message.NewResponseHeaders(response.Headers...)
	out = stream.Response(Source(headers))
	seen.take(rules, out)
	if out.Answer != nil {
		seen.Client = Answer(out.Answer, message.NewRequestHeaders(request.Headers...))
		return seen
	}
	Write(headers, out.Edits)
	seen.Client = message.Message{Headers: headers.All(), Body: response.Body}

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

// Answer makes the response of the filter's own answer as Envoy does; received are the headers of the request as the
// client sent them.
func Answer(a *rewrite.Answer, received *message.HeaderMap) message.Message {
	// The engine's strings live until the stream's Reset only.
	reply := message.LocalReply{Status: a.Status, Body: strings.Clone(a.Body)}
	for _, extra := range a.Headers {
		reply.Headers = append(reply.Headers, message.Header{Name: strings.Clone(extra.Name), Value: strings.Clone(extra.Value)})
	}
	return reply.Response(received)
}

// Write puts the engine's edits into a header map, as the filter does.
func Write(h *message.HeaderMap, edits []rewrite.Edit) {
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
func Source(h *message.HeaderMap) rewrite.Source { return source{h} }

type source struct{ *message.HeaderMap }

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
func Request(method, scheme, authority, target string, headers []message.Header) message.Message {
	list := []message.Header{{Name: ":authority", Value: authority}}
	if target != "" {
		list = append(list, message.Header{Name: ":path", Value: target})
	}

	list = append(list, message.Header{Name: ":method", Value: method}, message.Header{Name: ":scheme", Value: scheme})
	return message.Message{Headers: append(list, headers...)}
}

// Line shows a request: GET https://host/path.
func Line(request message.Message) string {
	target := Value(request, ":path")
	if !strings.HasPrefix(target, "/") {
		target = " " + target // OPTIONS *
	}
	return Value(request, ":method") + " " + Value(request, ":scheme") + "://" + Value(request, ":authority") + target
}

// Response makes a response.
func Response(status int, headers []message.Header) message.Message {
	return message.Message{Headers: append([]message.Header{{Name: ":status", Value: strconv.Itoa(status)}}, headers...)}
}

// Values are all values of a header of a message, in order.
func Values(m message.Message, name string) (values []string) {
	for _, h := range m.Headers {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return values
}

// Value is the first value of a header of a message, or "".
func Value(m message.Message, name string) string {
	if values := Values(m, name); len(values) > 0 {
		return values[0]
	}
	return ""
}
