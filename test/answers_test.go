package test

import (
	"net"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

const answerRules = `{"patterns": [
	{"match": {"response": {"status": [401]}}, "redirect": {"path": "/login?back=${path}", "query": "drop"}},
	{"match": {"response": {"headers": [{"name": "grpc-status", "exact": "16"}]}}, "respond": {"status": 403, "body": "log in"}},
	{"match": {"response": {"status": [404]}}, "redirect": {"status": 301, "path": "/else", "replace": "whole"}},
	{"match": {"response": {"status": ["5xx"]}}, "respond": {"status": 503, "body": "back soon\n", "headers": {"retry-after": "60"}}}
]}`

// answerKind is an answer that a pattern on the response replaces.
type answerKind struct {
	listener string
	method   string
	grpc     bool
	answer   wire.Message // the upstream's
	status   string       // what the client gets
	body     string
	headers  map[string]string
}

var (
	long  = strings.Repeat("a trace of a stack\n", 1<<20/19)
	login = map[string]string{"location": "http://example.com/login?back=%2Fa", "x-upstream": ""}
	soon  = map[string]string{"retry-after": "60", "content-type": "text/plain", "x-upstream": ""}
)

func upstreamSays(status, body string, more ...rewrite.Header) wire.Message {
	return wire.Message{Start: status, Body: body, Headers: append([]rewrite.Header{{Name: "x-upstream", Value: "1"}}, more...)}
}

var answerKinds = map[string]answerKind{
	"without a body":       {answer: upstreamSays("401", ""), status: "302", headers: login},
	"with a body":          {answer: upstreamSays("401", "who?"), status: "302", headers: login},
	"with a long body":     {answer: upstreamSays("500", long), status: "503", body: "back soon\n", headers: soon},
	"with a long POST":     {method: "POST", answer: upstreamSays("404", long), status: "301", headers: map[string]string{"location": "http://example.com/else?b=c"}},
	"to HEAD":              {method: "HEAD", answer: upstreamSays("500", ""), status: "503", headers: soon},
	"nobody listens":       {listener: "nobody", status: "503", body: "back soon\n", headers: soon},
	"nobody, to HEAD":      {listener: "nobody", method: "HEAD", status: "503", headers: soon},
	"no route":             {listener: "nowhere", status: "301", headers: map[string]string{"location": "http://example.com/else?b=c"}},
	"a filter after it":    {listener: "filters", status: "302", headers: login},
	"a filter before it":   {listener: "before", answer: upstreamSays("401", ""), status: "302", headers: map[string]string{"x-before": ""}},
	"before, not replaced": {listener: "before", answer: upstreamSays("200", ""), status: "200", headers: map[string]string{"x-before": "1"}},
	"gRPC, a status":       {grpc: true, answer: upstreamSays("503", ""), status: "200", headers: map[string]string{"grpc-status": "14", "grpc-message": "back soon%0A", "x-upstream": ""}},
	"gRPC, trailers alone": {grpc: true, answer: upstreamSays("200", "", rewrite.Header{Name: "content-type", Value: "application/grpc"}, rewrite.Header{Name: "grpc-status", Value: "16"}), status: "200", headers: map[string]string{"grpc-status": "7", "grpc-message": "log in", "x-upstream": ""}},
	"none of its business": {answer: upstreamSays("200", long), status: "200", body: long, headers: map[string]string{"x-upstream": "1", "retry-after": ""}},
}

// Redirect and respond on the response take the place of the upstream's answer,
// of Envoy's own and of other filters', in every Envoy that the case table runs in.
func TestAnswersOnTheResponse(t *testing.T) {
	for _, version := range append(strings.Fields(made.Variable(t, "ENVOY_OLDER_VERSIONS")), "") {
		binary := made.Envoy(t)
		if version != "" {
			binary = made.File(t, "build/envoy/"+version+"/envoy")
		}
		t.Run("Envoy "+version, func(t *testing.T) { answersIn(t, binary) })
	}
}

func answersIn(t *testing.T, binary string) {
	// The upstream answers what the request names.
	upstream, err := wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		kind, is := answerKinds[strings.Join(request.Values("x-kind"), "")]
		if !is {
			return upstreamSays("200", "another")
		}
		return kind.answer
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })

	rules := plugin(t, "answers", answerRules)
	refuse := lua("refuse", "function envoy_on_request(h) h:respond({[':status'] = '401', ['x-upstream'] = '1'}, 'a filter says no') end")
	add := lua("add", "function envoy_on_response(h) h:headers():add('x-before', '1') end")
	proxy := envoy.MustStart(t, envoy.Config{Binary: binary, SameProtocol: true, Listeners: []envoy.Listener{
		{Name: "upstream", Filters: []envoy.Filter{rules}, Upstream: upstream.Address},
		{Name: "nobody", Filters: []envoy.Filter{rules}, Upstream: nobody(t)},
		{Name: "nowhere", Filters: []envoy.Filter{rules}, Upstream: upstream.Address, Routes: []map[string]any{
			{"match": map[string]any{"path": "/other"}, "route": map[string]any{"cluster": upstream.Address}},
		}},
		{Name: "filters", Filters: []envoy.Filter{rules, refuse}, Upstream: upstream.Address},
		{Name: "before", Filters: []envoy.Filter{add, rules}, Upstream: upstream.Address},
	}})

	for _, protocol := range []wire.Protocol{wire.HTTP1, wire.HTTP2} {
		for name, kind := range answerKinds {
			if kind.grpc && protocol == wire.HTTP1 {
				continue
			}
			t.Run(strings.ReplaceAll(string(protocol), "/", "")+"/"+name, func(t *testing.T) { kind.try(t, proxy, protocol, name) })
		}
	}
	if log := proxy.Log(); strings.Contains(log, "Uncaught RuntimeError") || strings.Contains(log, "host call") {
		t.Errorf("the filter failed:\n%s", log)
	}
}

func lua(name, code string) envoy.Filter {
	return envoy.Filter{Name: name, Static: true, Config: map[string]any{
		"@type":               "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
		"default_source_code": map[string]any{"inline_string": code},
	}}
}

// nobody gives an address where nobody listens.
func nobody(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// try sends a request, and another one on the same connection.
func (k answerKind) try(t *testing.T, proxy *envoy.Envoy, protocol wire.Protocol, name string) {
	if k.listener == "" {
		k.listener = "upstream"
	}

	request := wire.Message{Start: "GET", Target: "/a?b=c", Headers: []rewrite.Header{
		{Name: ":authority", Value: "example.com"}, {Name: ":scheme", Value: "http"}, {Name: "x-kind", Value: name},
	}}
	switch {
	case k.grpc:
		request.Start, request.Body = "POST", "\x00\x00\x00\x00\x00"
		request.Headers = append(request.Headers, rewrite.Header{Name: "content-type", Value: "application/grpc"}, rewrite.Header{Name: "te", Value: "trailers"})
	case k.method == "POST":
		request.Start, request.Body = "POST", long[:32<<10]
	case k.method != "":
		request.Start = k.method
	}

	connection, err := wire.Dial(t.Context(), protocol, address(proxy, k.listener))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()

	for range 2 {
		response, err := connection.Exchange(request)
		if err != nil {
			t.Fatal(err)
		}
		if response.Start != k.status || response.Body != k.body {
			t.Errorf("the client gets %s with a body of %d bytes, want %s with %q", response.Start, len(response.Body), k.status, k.body)
		}

		for header, want := range k.headers {
			if got := strings.Join(response.Values(header), ", "); got != want {
				t.Errorf("%s is %q, want %q", header, got, want)
			}
		}
	}
}
