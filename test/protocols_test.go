package test

import (
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

const protocolRules = `{"patterns": [
	{"match": {"path": {"prefix": "/chat"}}, "rewrite": {"path": "/ws"}, "headers": {"request": {"remove": ["*x-*"]}, "response": {"set": {"x-rules": "1"}, "remove": ["*"]}}},
	{"match": {"path": {"prefix": "/shop.Cart"}}, "respond": {"status": 403, "body": "not yours", "headers": {"x-why": "rules"}}}
]}`

func protocolListener(t *testing.T, upstream string) *envoy.Envoy {
	return envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), SameProtocol: true, Listeners: []envoy.Listener{{
		Name: "shop", Filters: []envoy.Filter{plugin(t, "shop", protocolRules)}, Upstream: upstream,
		Manager: map[string]any{"upgrade_configs": []any{map[string]any{"upgrade_type": "websocket"}}},
	}}})
}

// A WebSocket's upgrade is rewritten like any request, and no glob takes away
// what makes it one.
func TestWebSocketUpgrade(t *testing.T) {
	arrived := make(chan wire.Message, 1)
	upgrade := []rewrite.Header{{Name: "connection", Value: "Upgrade"}, {Name: "upgrade", Value: "websocket"}}
	upstream, err := wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		arrived <- request
		return wire.Message{Start: "101", Headers: append(upgrade[:2:2], rewrite.Header{Name: "x-upstream", Value: "1"})}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	proxy := protocolListener(t, upstream.Address)
	response, err := wire.Exchange(t.Context(), wire.HTTP1, address(proxy, "shop"), wire.Message{
		Start: "GET", Target: "/chat/room?a=b",
		Headers: append(upgrade[:2:2], rewrite.Header{Name: ":authority", Value: "example.com"}, rewrite.Header{Name: "sec-websocket-version", Value: "13"},
			rewrite.Header{Name: "x-a", Value: "1"}),
	})
	if err != nil {
		t.Fatal(err)
	}

	request := <-arrived
	if request.Target != "/ws/room?a=b" || request.Values("x-a") != nil {
		t.Errorf("the upstream gets %s with x-a %q, want /ws/room?a=b without", request.Target, request.Values("x-a"))
	}

	for side, m := range map[string]wire.Message{"upstream": request, "client": response} {
		if v := m.Values("upgrade"); len(v) != 1 || v[0] != "websocket" {
			t.Errorf("the %s gets upgrade %q, want websocket", side, v)
		}
	}
	if response.Start != "101" || response.Values("x-rules") == nil || response.Values("x-upstream") != nil {
		t.Errorf("the client gets %s %v, want 101 with x-rules, without x-upstream", response.Start, response.Headers)
	}
}

// A gRPC client that meets respond gets a gRPC status, as from any answer that
// Envoy makes itself.
func TestRespondToGRPC(t *testing.T) {
	upstream, err := wire.Listen(func(wire.Message, []byte) wire.Message { return wire.Message{Start: "200"} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	proxy := protocolListener(t, upstream.Address)
	response, err := wire.Exchange(t.Context(), wire.HTTP2, address(proxy, "shop"), wire.Message{
		Start: "POST", Target: "/shop.Cart/Get", Body: "\x00\x00\x00\x00\x00",
		Headers: []rewrite.Header{{Name: ":authority", Value: "example.com"}, {Name: ":scheme", Value: "http"},
			{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"}},
	})
	if err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{"grpc-status": "7", "grpc-message": "not yours", "content-type": "application/grpc", "x-why": "rules"} {
		if got := response.Values(name); response.Start != "200" || len(got) != 1 || got[0] != want {
			t.Errorf("the client gets status %s and %s %q, want 200 and %q", response.Start, name, got, want)
		}
	}
}
