package host

import (
	"fmt"
)

// hostExchanges are what a host has to do as Envoy does.
var hostExchanges = []exchange{
	{name: "nothing"},
	{
		name: "add to a header without a slot", request: []string{"X-A: 1", "x-a: 2"},
		edit: calls("add 0 X-a 3", "add 0 x-new ", "add 0 x-new v", "get 0 x-A", "get 0 none"),
	},
	{
		name: "add to headers with a slot", request: []string{"accept: a", "Accept: b", "accept: "},
		edit:   calls("add 0 accept c", "add 0 accept ", "add 0 pragma ", "add 0 pragma x", "add 0 pragma y", "get 0 accept", "get 0 pragma", "size 0"),
		answer: calls("add 2 vary a", "add 2 vary b", "add 2 location ", "add 2 location x", "add 2 set-cookie a=1", "add 2 set-cookie b=2", "get 2 set-cookie"),
	},
	{
		name: "replace repeated headers", request: []string{"x-a: 1", "x-b: 1", "x-a: 2", "x-c: 1", "accept: a", "accept: b"},
		response: []string{"x-a: 1", "x-b: 1", "x-a: 2"},
		edit:     calls("set 0 x-a 9", "set 0 x-d 1", "set 0 accept z", "set 0 X-B "),
		answer:   calls("set 2 x-a 9", "set 2 set-cookie a=1", "set 2 x-b "),
	},
	{
		name: "remove", request: []string{"x-a: 1", "x-b: 1", "x-a: 2", "accept: a"},
		response: []string{"x-a: 1", "server: me", "x-a: 2"},
		edit:     calls("remove 0 X-A", "remove 0 accept", "remove 0 none", "size 0"),
		answer:   calls("remove 2 x-a", "remove 2 none"),
	},
	{name: "pseudo-headers", edit: calls("set 0 :path /new?q", "set 0 :authority other.example", "add 0 :x-odd 1", "get 0 host", "get 0 :PATH", "remove 0 :x-odd", "add 0 x-z 1")},
	{name: "host is :authority", edit: calls("set 0 host other.example:81", "get 0 :authority", "add 0 Host b")},
	{name: "a second path", edit: calls("add 0 :path /b", "get 0 :path")},
	{name: "status", answer: calls("set 2 :status 404", "get 2 :status")},
	{name: "maps that are not there", edit: calls("get 2 :status", "add 2 x y", "set 1 x y", "remove 3 x", "pairs 2", "pairs 1", "get 4 x", "get 8 x", "pairs 8", "add 9 x y", "size 2"), answer: calls("get 0 :path", "pairs 0", "set 0 x y", "get 3 x", "get 9 x")},
	{name: "set pairs", request: []string{"x-a: 1"}, edit: setPairs(0, Header{Name: ":path", Value: "/p"}, Header{Name: "X-A", Value: "2"}, Header{Name: ":method", Value: "GET"}, Header{Name: "x-a", Value: "3"}, Header{Name: "Host", Value: "h"}, Header{Name: ":scheme", Value: "http"}, Header{Name: "x-forwarded-proto", Value: "http"}, Header{Name: "accept", Value: "a"}, Header{Name: "accept", Value: "b"})},
	{name: "set pairs of a response", answer: func(g *program) {
		setPairs(2, Header{Name: "X-Case", Value: g.probe.lastID()}, Header{Name: ":status", Value: "203"}, Header{Name: "vary", Value: "a"},
			Header{Name: "vary", Value: "b"})(g)
	}},
	{name: "broken pairs empty the map", edit: func(g *program) { g.call("proxy_set_header_map_pairs", 0, str("\x01\x00\x00\x00")) }},
	{name: "1,024 pairs", edit: manyPairs(1024)},
	{name: "1,025 pairs empty the map", edit: manyPairs(1025)},
	{name: "bad addresses", edit: func(g *program) {
		g.call("proxy_get_header_map_value", 0, -1, 4, resultsAt, resultsAt+4)
		g.call("proxy_get_header_map_value", 0, str(":path"), -1, resultsAt+4)
		g.call("proxy_add_header_map_value", 0, str("a"), 0, -1)
		g.call("proxy_log", 2, -1, 2)
		g.call("proxy_log", 6, str("x"))
	}},
	{name: "bytes above ASCII", edit: calls("set 0 x-a \xc3\x84\xff", "set 0 :path /\xc3\x84#x", "set 0 x-b a b", "set 0 x-b  a ")},
	{name: "properties", edit: func(g *program) {
		for _, path := range []str{"plugin_name", "plugin_name\x00", "plugin_name\x00x", "plugin_root_id", "plugin_vm_id", "nothing", "mine", ""} {
			g.show("proxy_get_property", path)
		}
		g.call("proxy_set_property", str("mine"), str("v"))
		g.show("proxy_get_property", str("mine"))
		g.show("proxy_get_property", str("mine\x00x"))
	}},
	{name: "metrics", edit: func(g *program) {
		for kind := range 4 {
			g.show8("proxy_define_metric", kind, str(fmt.Sprintf("metric.%d", kind)))
			g.call("proxy_increment_metric", deref(resultsAt), int64(3))
			g.call("proxy_increment_metric", deref(resultsAt), int64(0))
			g.call("proxy_increment_metric", deref(resultsAt), int64(-1))
			g.call("proxy_record_metric", deref(resultsAt), int64(7))
			g.show8("proxy_get_metric", deref(resultsAt))
		}

		for id := range 4 {
			g.call("proxy_increment_metric", 400+id, int64(1))
			g.call("proxy_record_metric", 400+id, int64(1))
			g.call("proxy_get_metric", 400+id, resultsAt)
		}
		g.show8("proxy_define_metric", 0, str("metric.0"))
		g.show8("proxy_get_metric", deref(resultsAt))
	}},
	{name: "buffers and calls of other kinds", edit: func(g *program) {
		for kind := range 10 {
			g.show("proxy_get_buffer_bytes", kind, 0, 10)
			g.call("proxy_get_buffer_status", kind, resultsAt, resultsAt+4)
			g.call("proxy_set_buffer_bytes", kind, 0, 1, str("x"))
		}
		g.call("proxy_get_shared_data", str("none"), resultsAt, resultsAt+4, resultsAt+8)

		for stream := range 3 {
			g.call("proxy_continue_stream", stream+2)
		}
		g.call("proxy_done")
		g.call("proxy_set_effective_context", 12345)
		g.call("proxy_call_foreign_function", str("none"), str(""), resultsAt, resultsAt+4)
		g.call("proxy_call_foreign_function", str("clear_route_cache"), str(""), resultsAt, resultsAt+4)
		g.call("proxy_http_call", str("none"), str(""), str(""), str(""), 1000, resultsAt)
		g.call("proxy_resolve_shared_queue", str(""), str("none"), resultsAt)
		g.call("proxy_enqueue_shared_queue", 99, str("none"))

		for token := range 4 {
			g.call("proxy_grpc_close", 400+token)
			g.call("proxy_grpc_cancel", 400+token)
			g.call("proxy_grpc_send", 400+token, str(""), 0)
		}
		g.call("proxy_set_tick_period_milliseconds", 0)
	}},
	{name: "answer", edit: respond(418, "short", Header{Name: "X-A", Value: "1"}, Header{Name: "x-a", Value: "2"}, Header{Name: "vary", Value: "a"}, Header{Name: "vary", Value: "b"}), answer: calls("set 2 x-mine 1", "remove 2 x-a", "get 0 :path")},
	{name: "answer without a body", edit: respond(204, "", Header{Name: "content-type", Value: "text/html"}, Header{Name: "content-length", Value: "7"})},
	{name: "answer with its own type", edit: respond(200, "<p>", Header{Name: "Content-Type", Value: "text/html"}, Header{Name: "content-length", Value: "99"})},
	{name: "answer with a status of its own", edit: respond(200, "x", Header{Name: ":status", Value: "201"})},
	{name: "answer to HEAD", method: "HEAD", edit: respond(410, "gone")},
	{name: "answer twice", edit: func(g *program) { respond(410, "one")(g); respond(411, "two")(g) }},
	{name: "answer after an edit", edit: func(g *program) { calls("set 0 x-a 1", "set 0 :method HEAD")(g); respond(410, "gone")(g) }},
	{name: "answer to gRPC", request: []string{"content-type: application/grpc"}, edit: respond(410, "gone ä%~", Header{Name: "x-a", Value: "1"})},
	{name: "answer to gRPC-web", request: []string{"content-type: application/grpc-web"}, edit: respond(410, "gone")},
	{name: "answer to gRPC+proto with a status", request: []string{"content-type: application/grpc+proto"}, edit: respondGRPC(200, 5, "no")},
	{name: "answer to gRPC with status 0", request: []string{"content-type: application/grpc"}, edit: respondGRPC(404, 0, "no")},
	{name: "answer to gRPC with status 17", request: []string{"content-type: application/grpc"}, edit: respondGRPC(404, 17, "no")},
	{name: "answer 503 to gRPC without a body", request: []string{"content-type: application/grpc"}, edit: respond(503, "")},
	{name: "answer to the response", body: "from upstream", response: []string{"x-a: 1"}, answer: respond(502, "instead", Header{Name: "x-b", Value: "1"})},
	{name: "no path", edit: calls("remove 0 :path")},
	{name: "no x-forwarded-proto", edit: calls("remove 0 x-forwarded-proto")},
	{name: "no method", edit: calls("remove 0 :method")},
	{name: "no authority", edit: calls("remove 0 host")},
	{name: "no scheme", edit: calls("remove 0 :scheme")},
	{name: "no status", answer: calls("remove 2 :status")},
	{name: "empty path", edit: calls("set 0 :path ")},
	{name: "empty method", edit: calls("set 0 :method ")},
	{name: "HEAD to upstream", method: "HEAD", response: []string{"x-a: 1"}},
}
