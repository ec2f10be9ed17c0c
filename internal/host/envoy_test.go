package host

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
	exchanges := slices.Clone(hostExchanges)
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
		request := Message{Headers: []Header{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/received"},
			{Name: ":authority", Value: "example.com"}, {Name: ":scheme", Value: "http"}, {Name: "x-case", Value: ""}, {Name: "x-forwarded-proto", Value: "http"}}}
		response := Message{Headers: []Header{{Name: ":status", Value: "200"}, {Name: "x-case", Value: ""}, {Name: "content-length", Value: "4"},
			{Name: "server", Value: ""}}, Body: e.body}
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
