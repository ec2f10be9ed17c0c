package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// The tests in this file run one probe here and in Envoy, with the same
// messages, and compare what the probe saw and what both sides of the proxy got.

// exchange is one request of such a test.
type exchange struct {
	name     string
	method   string   // GET if empty
	request  []string // header lines
	response []string // header lines of the upstream's answer; its status is 200
	body     string   // of that answer
	edit     func(g *program)
	answer   func(g *program) // what the filter does with the response
}

func TestHostIsEnvoy(t *testing.T) {
	exchanges := []exchange{
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
			setPairs(2, Header{Name: "X-Case", Value: g.probe.lastID()}, Header{Name: ":status", Value: "203"}, Header{Name: "vary", Value: "a"}, Header{Name: "vary", Value: "b"})(g)
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
	for status := range 20 {
		exchanges = append(exchanges, exchange{
			name:    fmt.Sprintf("answer %d to gRPC", 400+status),
			request: []string{"content-type: application/grpc"},
			edit:    respond(400+status*(1+status%6), "x"),
		})
	}

	for c := range 256 {
		// The others are refused too, but Envoy escapes them in what it tells the client.
		if c >= ' ' && c != '"' && c != '\\' {
			exchanges = append(exchanges, exchange{name: fmt.Sprintf("byte %#02x in a header name", c), edit: func(g *program) {
				g.call("proxy_replace_header_map_value", 0, str("x-a"+string([]byte{byte(c)})), str("1"))
			}})
		}
		if c > 0x20 && c < 0x7f || c > 0x82 {
			continue
		}

		value := "a" + string([]byte{byte(c)}) + "b"
		exchanges = append(exchanges,
			exchange{name: fmt.Sprintf("byte %#02x in a request header", c), edit: func(g *program) {
				g.call("proxy_replace_header_map_value", 0, str("x-a"), str(value))
			}},
			exchange{name: fmt.Sprintf("byte %#02x in a response header", c), answer: func(g *program) {
				g.call("proxy_replace_header_map_value", 2, str("x-a"), str(value))
			}})
	}

	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		exchanges = append(exchanges, exchange{
			name:     fmt.Sprintf("random edits %d", i),
			request:  randomLines(r),
			response: randomLines(r),
			edit:     randomCalls(r, 0),
			answer:   randomCalls(r, 2),
		})
	}
	forEachEnvoy(t, func(t *testing.T, path string) { compare(t, path, exchanges) })
}

// TestSlotsAreEnvoys reads from Envoy's log which headers it keeps in slots.
func TestSlotsAreEnvoys(t *testing.T) {
	forEachEnvoy(t, func(t *testing.T, path string) {
		_, log := runEnvoy(t, path, caseProbe(nil).bytes(), nil)
		for kind, slots := range map[string]map[string]bool{"request": message.RequestSlots(), "response": message.ResponseSlots()} {
			_, list, _ := strings.Cut(log, kind+" header map: ")
			list, _, _ = strings.Cut(list, "\n")
			_, list, _ = strings.Cut(list, ": ")
			here := strings.Join(slices.Sorted(maps.Keys(slots)), ",")
			if list != here {
				t.Errorf("%s headers with a slot\nhere  %s\nEnvoy %s", kind, here, list)
			}
		}
	})
}

// TestCallbacksAreEnvoys compares which callbacks run, in which order, with
// which arguments.
func TestCallbacksAreEnvoys(t *testing.T) {
	p := newProbe()
	for name, result := range map[string]int{
		"proxy_on_context_create": 0, "proxy_on_vm_start": 1, "proxy_on_configure": 1,
		"proxy_on_request_headers": 0, "proxy_on_response_headers": 0,
		"proxy_on_log": 0, "proxy_on_done": 1, "proxy_on_delete": 0,
	} {
		g := p.on(name)
		for i := range g.params {
			g.i32(resultsAt + 4*i)
			g.op(0x20, byte(i), 0x36, 2, 0) // local.get, i32.store
		}
		g.call("proxy_log", 2, str(name))
		g.call("proxy_log", 2, resultsAt, 4*g.params)

		for _, path := range []str{"plugin_name", "plugin_root_id", "plugin_vm_id"} {
			g.show("proxy_get_property", path)
		}

		for kind := range 8 {
			g.show("proxy_get_buffer_bytes", kind, 0, 100)
		}
		g.show("proxy_get_header_map_value", 0, str(":path"))
		g.show("proxy_get_header_map_value", 2, str(":status"))
		g.call("proxy_set_property", str("p"), str("v"))
		g.transcript()
		if g.result {
			g.ret(result)
		}
	}

	exchanges := []exchange{
		{name: "GET"},
		{name: "HEAD", method: "HEAD", body: "body"},
	}
	ctx := context.Background()

	vm, plugin := startProbe(t, p, Options{})
	for _, e := range exchanges {
		request := Message{Headers: []Header{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/received"}, {Name: ":authority", Value: "example.com"}, {Name: ":scheme", Value: "http"}, {Name: "x-case", Value: ""}, {Name: "x-forwarded-proto", Value: "http"}}}
		response := Message{Headers: []Header{{Name: ":status", Value: "200"}, {Name: "x-case", Value: ""}, {Name: "content-length", Value: "4"}, {Name: "server", Value: ""}}, Body: e.body}
		if e.method != "" {
			request.Headers[0].Value = e.method
		}
		if _, err := plugin.Exchange(ctx, request, func(Message) Message { return response }); err != nil {
			t.Fatal(err)
		}
	}

	var here []string
	for _, l := range vm.Logs() {
		here = append(here, l.Message)
	}
	forEachEnvoy(t, func(t *testing.T, path string) {
		_, log := runEnvoy(t, path, p.bytes(), exchanges)
		inEnvoy := messages(log)
		// Envoy tries a configuration out in a VM of its own before.
		const perCallback = 16

		inEnvoy = inEnvoy[max(0, lastIndex(inEnvoy, "proxy_on_vm_start")-perCallback):]
		for i := range max(len(here), len(inEnvoy)) {
			if i >= len(inEnvoy) || i >= len(here) || here[i] != inEnvoy[i] {
				t.Fatalf("after %q\nhere  %q\nEnvoy %q", here[:min(i, len(here))], here[min(i, len(here)):], inEnvoy[min(i, len(inEnvoy)):])
			}
		}
	})
}

func lastIndex(list []string, s string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i] == s {
			return i
		}
	}
	return -1
}

func forEachEnvoy(t *testing.T, test func(t *testing.T, path string)) {
	for _, path := range envoys(t) {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) { test(t, path) })
	}
}

// calls makes a program of lines "operation map name value".
func calls(lines ...string) func(g *program) {
	return func(g *program) {
		for _, line := range lines {
			part := strings.SplitN(line, " ", 4)

			kind := int(part[1][0] - '0')
			switch part[0] {
			case "get":
				g.show("proxy_get_header_map_value", kind, str(part[2]))
			case "pairs":
				g.show("proxy_get_header_map_pairs", kind)
			case "size":
				g.show4("proxy_get_header_map_size", kind)
			case "remove":
				g.call("proxy_remove_header_map_value", kind, str(part[2]))
			case "add":
				g.call("proxy_add_header_map_value", kind, str(part[2]), str(part[3]))
			case "set":
				g.call("proxy_replace_header_map_value", kind, str(part[2]), str(part[3]))
			default:
				panic(line)
			}
		}
	}
}

func setPairs(kind int, list ...Header) func(g *program) {
	return func(g *program) {
		g.call("proxy_set_header_map_pairs", kind, str(marshalPairs(list)))
	}
}

func manyPairs(n int) func(g *program) {
	return func(g *program) {
		list := []Header{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "a"}, {Name: ":scheme", Value: "http"}, {Name: "x-forwarded-proto", Value: "http"}}
		for len(list) < n {
			list = append(list, Header{Name: "x", Value: "y"})
		}
		setPairs(0, list...)(g)
		g.show4("proxy_get_header_map_size", 0)
		// so many headers would not fit upstream
		calls("remove 0 x")(g)
	}
}

func respond(status int, body string, headers ...Header) func(g *program) {
	return respondGRPC(status, -1, body, headers...)
}

func respondGRPC(status, grpcStatus int, body string, headers ...Header) func(g *program) {
	return func(g *program) {
		headers := append(headers, Header{Name: "x-case", Value: g.probe.lastID()})
		g.call("proxy_send_local_response", status, str("some details"), str(body), str(marshalPairs(headers)), grpcStatus)
	}
}

var randomNames = []string{"x-a", "X-B", "x-c", "accept", "Pragma", "set-cookie", "vary", "cookie", "location", "cache-control"}

func randomLines(r *rand.Rand) []string {
	var lines []string
	for range r.IntN(8) {
		lines = append(lines, randomNames[r.IntN(len(randomNames))]+": "+strings.Repeat("v", r.IntN(3)))
	}
	return lines
}

func randomCalls(r *rand.Rand, kind int) func(g *program) {
	var lines []string
	for range r.IntN(12) {
		op := []string{"add", "set", "remove", "get", "pairs", "size", "add"}[r.IntN(7)]
		lines = append(lines, fmt.Sprintf("%s %d %s %s", op, kind, randomNames[r.IntN(len(randomNames))], strings.Repeat("w", r.IntN(3))))
	}
	return calls(lines...)
}

func (p *probe) lastID() string { return fmt.Sprintf("%04d", p.cases-1) }

// caseProbe makes one module of all exchanges. The header x-case says which.
func caseProbe(exchanges []exchange) *probe {
	p := newProbe()

	request, response := p.on("proxy_on_request_headers"), p.on("proxy_on_response_headers")
	for _, g := range []*program{request, response} {
		kind := map[*program]int{request: requestHeaders, response: responseHeaders}[g]
		g.store(resultsAt+8, 0)
		g.call("proxy_get_header_map_value", kind, str("x-case"), resultsAt+8, resultsAt+12)
		g.digits = 0
	}
	response.call("proxy_log", 2, str("response"))

	for _, e := range exchanges {
		p.cases++
		for _, g := range []*program{request, response} {
			kind, edit := requestHeaders, e.edit
			if g == response {
				kind, edit = responseHeaders, e.answer
			}
			g.when(resultsAt+8, p.lastID())
			g.call("proxy_log", 2, str(fmt.Sprintf("CASE %s %d", p.lastID(), kind)))
			g.show("proxy_get_header_map_pairs", kind)
			g.digits = 0
			if edit != nil {
				edit(g)
			}
			g.show("proxy_get_header_map_pairs", kind)
			g.transcript()
			g.op(end)
		}
	}
	request.ret(0)
	response.ret(0)

	return p
}

// observed is what one exchange showed.
type observed struct {
	saw      [2][]string // what the programs of request and response logged
	upstream string      // the head of the request that upstream got; empty if it got none
	client   string      // the response
}

func compare(t *testing.T, envoy string, exchanges []exchange) {
	p := caseProbe(exchanges)
	inEnvoy, _ := runEnvoy(t, envoy, p.bytes(), exchanges)
	ctx := context.Background()

	vm, plugin := startProbe(t, p, Options{})
	for i, e := range exchanges {
		want := inEnvoy[i]
		if len(want.saw[0]) == 0 {
			t.Errorf("%s: the probe did not run in Envoy: %q", e.name, want)
			continue
		}
		// Both messages start as they reached the filter in Envoy.
		request := Message{Headers: unmarshalPairs([]byte(want.saw[0][0]))}
		var got observed
		before := len(vm.Logs())
		result, err := plugin.Exchange(ctx, request, func(m Message) Message {
			got.upstream = head(m)
			response := Message{Body: e.body}
			if len(want.saw[1]) > 0 {
				response.Headers = unmarshalPairs([]byte(want.saw[1][0]))
			}
			return response
		})
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}

		got.client = head(result.Client) + "\n" + result.Client.Body

		var logged []string
		for _, l := range vm.Logs()[before:] {
			logged = append(logged, l.Message)
		}

		got.saw = byCase(logged)[fmt.Sprintf("%04d", i)]
		for pass, name := range []string{"request", "response"} {
			if g, w := fmt.Sprintf("%q", got.saw[pass]), fmt.Sprintf("%q", want.saw[pass]); g != w {
				t.Errorf("%s: the program of the %s saw\nhere  %s\nEnvoy %s", e.name, name, g, w)
			}
		}
		if got.upstream != want.upstream {
			t.Errorf("%s: upstream got\nhere  %q\nEnvoy %q", e.name, got.upstream, want.upstream)
		}
		if got.client != want.client {
			t.Errorf("%s: the client got\nhere  %q\nEnvoy %q", e.name, got.client, want.client)
		}
	}
}

// byCase sorts the probe's messages by case and direction.
func byCase(messages []string) map[string][2][]string {
	saw := map[string][2][]string{}

	id, pass := "", 0
	for _, m := range messages {
		if start, ok := strings.CutPrefix(m, "CASE "); ok {
			id, pass = start[:4], 0
			if start[5:] == "2" {
				pass = 1
			}
			continue
		}

		both := saw[id]
		both[pass] = append(both[pass], m)
		saw[id] = both
	}

	return saw
}

// proxysOwn are the lines a proxy adds to or takes from every message.
var proxysOwn = []string{"date", "server", "connection", "transfer-encoding", "x-case"}

// head writes headers as Envoy does on HTTP/1, without those of proxysOwn.
func head(m Message) string {
	start := map[string]string{}

	var lines strings.Builder
	for _, h := range m.Headers {
		switch {
		case h == (Header{Name: "content-length", Value: "0"}):
		case h.Name == ":authority":
			fmt.Fprintf(&lines, "host: %s\n", h.Value)
		case strings.HasPrefix(h.Name, ":"):
			start[h.Name] = h.Value
		case !slices.Contains(proxysOwn, h.Name):
			fmt.Fprintf(&lines, "%s: %s\n", h.Name, h.Value)
		}
	}
	if status, ok := start[":status"]; ok {
		return status + "\n" + lines.String()
	}

	return start[":method"] + " " + start[":path"] + "\n" + lines.String()
}

// rawHead brings what was read from a connection into the form of head.
func rawHead(raw string) string {
	lines := strings.Split(raw, "\r\n")
	first, isResponse := strings.CutPrefix(lines[0], "HTTP/1.1 ")
	if isResponse {
		first, _, _ = strings.Cut(first, " ")
	}
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(first, " HTTP/1.1") + "\n")

	for _, line := range lines[1:] {
		if name, _, _ := strings.Cut(line, ":"); line != "" && line != "content-length: 0" && !slices.Contains(proxysOwn, name) {
			b.WriteString(line + "\n")
		}
	}

	return b.String()
}

// envoys returns the Envoys to compare with: the one ENVOY names, or those that
// make envoy has put under build/envoy.
func envoys(t *testing.T) []string {
	path := os.Getenv("ENVOY")
	if path != "" {
		// make names it as it is seen from the root of the repository.
		if !filepath.IsAbs(path) {
			path = filepath.Join("../..", path)
		}
		return []string{path}
	}

	found, err := filepath.Glob("../../build/envoy/*/envoy")
	if err != nil || len(found) == 0 {
		t.Fatal("no Envoy under build/envoy: run make envoy, or set ENVOY to one")
	}

	return found
}

// runEnvoy sends every exchange through one Envoy with the probe. It returns
// what was seen of them, and Envoy's log.
func runEnvoy(t *testing.T, envoy string, wasm []byte, exchanges []exchange) ([]observed, string) {
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()

	requests := make(chan string, 1)

	responses := make(chan string, 1)
	go func() {
		for {
			conn, err := upstream.Accept()
			if err != nil {
				return
			}
			serve(conn, requests, responses)
		}
	}()

	dir := t.TempDir()
	code := filepath.Join(dir, "probe.wasm")
	if err := os.WriteFile(code, wasm, 0o600); err != nil {
		t.Fatal(err)
	}

	config := filepath.Join(dir, "envoy.json")
	if err := os.WriteFile(config, envoyConfig(code, upstream.Addr().(*net.TCPAddr).Port), 0o600); err != nil {
		t.Fatal(err)
	}

	logPath, adminPath := filepath.Join(dir, "log"), filepath.Join(dir, "admin")
	log, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()

	cmd := exec.Command(envoy, "-c", config, "--concurrency", "1", "--disable-hot-restart",
		"--admin-address-path", adminPath, "--log-format", separator+"%v", "-l", "info")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	defer func() {
		_ = cmd.Process.Kill()
		<-exited
		if t.Failed() {
			if b, err := os.ReadFile(logPath); err == nil {
				t.Logf("the end of Envoy's log: %s", b[max(0, len(b)-2000):])
			}
		}
	}()

	address := listenerAddress(t, adminPath, exited)

	seen := make([]observed, len(exchanges))
	for i, e := range exchanges {
		responses <- strings.Join(append([]string{"HTTP/1.1 200 OK", "connection: close", fmt.Sprintf("x-case: %04d", i),
			fmt.Sprintf("content-length: %d", len(e.body))}, e.response...), "\r\n") + "\r\n\r\n" + e.body

		method := e.method
		if method == "" {
			method = "GET"
		}

		raw := talk(t, address, strings.Join(append([]string{method + " /received HTTP/1.1", "host: example.com",
			fmt.Sprintf("x-case: %04d", i), "connection: close"}, e.request...), "\r\n")+"\r\n\r\n")
		headers, body, _ := strings.Cut(raw, "\r\n\r\n")

		seen[i].client = rawHead(headers) + "\n" + body
		select {
		case request := <-requests:
			seen[i].upstream = rawHead(request)
		default:
			<-responses // not asked for
		}
	}

	b, err := os.ReadFile(logPath)
	if err != nil {
		t.Fatal(err)
	}

	for id, saw := range byCase(messages(string(b))) {
		if i, err := strconv.Atoi(id); err == nil {
			seen[i].saw = saw
		}
	}

	return seen, string(b)
}

// messages returns what the probe logged.
func messages(log string) []string {
	var list []string
	for _, line := range strings.Split(log, separator) {
		// a plugin's own context logs without its name
		for _, prefix := range []string{"wasm log: ", "wasm log shop: "} {
			if m, ok := strings.CutPrefix(line, prefix); ok {
				list = append(list, strings.TrimSuffix(m, "\n"))
			}
		}
	}
	return list
}

// separator starts every message of Envoy's log: the messages are binary.
const separator = "\x1e\x1d\x1e"

// serve reads one request and answers it.
func serve(conn net.Conn, requests chan<- string, responses <-chan string) {
	defer conn.Close()

	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var head []byte

	r := bufio.NewReader(conn)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		c, err := r.ReadByte()
		if err != nil {
			return
		}

		head = append(head, c)
	}
	requests <- string(head)

	_, _ = io.WriteString(conn, <-responses)
}

// talk sends raw bytes and returns all that comes back.
func talk(t *testing.T, address, request string) string {
	t.Helper()

	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}

	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("reading the response to %q: %v", request, err)
	}

	return string(b)
}

// listenerAddress waits until Envoy serves.
func listenerAddress(t *testing.T, adminPath string, exited <-chan struct{}) string {
	var last error
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-exited:
			t.Fatal("Envoy exited")
		default:
		}

		admin, err := os.ReadFile(adminPath)
		if last = err; err != nil {
			continue
		}

		ready, err := http.Get("http://" + string(admin) + "/ready")
		if last = err; err != nil {
			continue
		}
		ready.Body.Close()
		if ready.StatusCode != http.StatusOK {
			last = fmt.Errorf("%s", ready.Status)
			continue
		}

		listeners, err := http.Get("http://" + string(admin) + "/listeners?format=json")
		if last = err; err != nil {
			continue
		}
		var list struct {
			Statuses []struct {
				Address struct {
					Socket struct {
						Port int `json:"port_value"`
					} `json:"socket_address"`
				} `json:"local_address"`
			} `json:"listener_statuses"`
		}
		last = json.NewDecoder(listeners.Body).Decode(&list)
		listeners.Body.Close()
		if last == nil && len(list.Statuses) == 1 {
			return fmt.Sprintf("127.0.0.1:%d", list.Statuses[0].Address.Socket.Port)
		}
	}
	t.Fatalf("Envoy is not ready: %v", last)

	return ""
}

func envoyConfig(code string, upstream int) []byte {
	type object = map[string]any
	address := func(port int) object {
		return object{"socket_address": object{"address": "127.0.0.1", "port_value": port}}
	}
	filter := func(name, kind string, config object) object {
		config["@type"] = "type.googleapis.com/envoy.extensions.filters." + kind
		return object{"name": name, "typed_config": config}
	}
	manager := filter("envoy.filters.network.http_connection_manager", "network.http_connection_manager.v3.HttpConnectionManager", object{
		"stat_prefix":           "in",
		"generate_request_id":   false,
		"delayed_close_timeout": "0s",
		"route_config": object{"virtual_hosts": []any{object{
			"name": "all", "domains": []any{"*"},
			"routes": []any{object{"match": object{"prefix": ""}, "route": object{"cluster": "upstream"}}},
		}}},
		"http_filters": []any{
			filter("probe", "http.wasm.v3.Wasm", object{"config": object{
				"name":          "shop",
				"configuration": object{"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "conf"},
				"vm_config": object{
					"runtime": "envoy.wasm.runtime.v8",
					"code":    object{"local": object{"filename": code}},
				},
			}}),
			filter("envoy.filters.http.router", "http.router.v3.Router", object{"suppress_envoy_headers": true}),
		},
	})
	b, err := json.Marshal(object{
		"admin": object{"address": address(0)},
		"static_resources": object{
			"listeners": []any{object{"name": "in", "address": address(0), "filter_chains": []any{object{"filters": []any{manager}}}}},
			"clusters": []any{object{
				"name": "upstream", "type": "STATIC", "connect_timeout": "5s",
				"load_assignment": object{"cluster_name": "upstream", "endpoints": []any{object{
					"lb_endpoints": []any{object{"endpoint": object{"address": address(upstream)}}},
				}}},
			}},
		},
	})
	if err != nil {
		panic(err)
	}

	return b
}
