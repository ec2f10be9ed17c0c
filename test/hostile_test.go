package test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// hostileRules put request data wherever it can go: each pattern is a place.
const hostileRules = `{"patterns": [
	{"match": {"path": {"regex": "^/strip(.*)$"}}, "rewrite": {"path": "/$1"}},
	{"match": {"path": {"regex": "^/inside/(.*)$"}}, "rewrite": {"path": "/in/$1/end"}},
	{"match": {"path": {"prefix": "/prefix"}}, "rewrite": {"path": "/"}},
	{"match": {"path": {"regex": "^/as-query/(.*)$"}}, "rewrite": {"path": "/q?a=$1"}},
	{"match": {"path": {"regex": "^/as-host/(.*)$"}}, "rewrite": {"host": "$1"}},
	{"match": {"path": {"regex": "^/as-header/(.*)$"}}, "headers": {"request": {"set": {"x-out": "$1"}, "add": {"x-more": "a $1"}}, "response": {"set": {"x-out": "$1"}}}},
	{"match": {"path": {"regex": "^/moved(.*)$"}}, "redirect": {"path": "/to$1"}},
	{"match": {"path": {"regex": "^/elsewhere/(.*)$"}}, "redirect": {"host": "$1"}},
	{"match": {"path": {"exact": "/path"}}, "rewrite": {"path": "/p/${query.v:-none}/${header.x-v:-none}", "replace": "whole"}},
	{"match": {"path": {"exact": "/query"}}, "rewrite": {"query": {"set": {"a": "${query.v}", "b": "${header.x-v}"}, "rename": {"w": "u"}}}},
	{"match": {"path": {"exact": "/querytext"}}, "rewrite": {"path": "/query?a=${query.v}&b=${header.x-v}&c=${path}", "replace": "whole"}},
	{"match": {"path": {"exact": "/host"}}, "rewrite": {"host": "${query.v:-none}"}},
	{"match": {"path": {"exact": "/host-query"}}, "rewrite": {"host": "${query.v}"}},
	{"match": {"path": {"exact": "/host-header"}}, "rewrite": {"host": "${header.x-v}"}},
	{"match": {"path": {"exact": "/headers"}}, "headers": {
		"request": {"copy": {"x-v": "x-copy"}, "set": {"x-query": "${query.v}", "x-header": "${header.x-v}", "x-path": "${path}", "x-all": "${query}"}, "add": {"x-v": "${query.v}"}, "replace": [{"name": "x-w", "regex": "(.*)", "replacement": "$1 ${query.v}"}]},
		"response": {"set": {"x-query": "${query.v}", "x-header": "${header.x-v}", "x-up": "${response.header.x-up}"}, "copy": {"x-up": "x-copy"}, "add": {"set-cookie": "a=${query.v}"}}}},
	{"match": {"path": {"exact": "/location"}}, "redirect": {"host": "a.example.com", "path": "/l/${query.v}/${header.x-v}"}},
	{"match": {"path": {"exact": "/location-host"}}, "redirect": {"host": "${query.v}"}},
	{"match": {"path": {"exact": "/answer"}}, "respond": {"status": 403, "body": "no", "headers": {"x-query": "${query.v}", "x-header": "${header.x-v}"}}},
	{"name": "shadow", "match": {"path": {"exact": "/shadow"}}, "mode": "shadow", "rewrite": {"path": "/s/${query.v}/${header.x-v}", "replace": "whole"}}
], "headers": {"request": {"set": {"x-host": "${host}"}}}, "patternHeader": "x-pattern", "originalPathHeader": "x-original"}`

// hostileData is what a client may put there. What HTTP has no way to send raw
// arrives percent-encoded in the query, where the filter decodes it.
var hostileData = []string{
	"", "plain", "\r\nx-injected: 1", "\nx-injected: 1", "\r\n\r\nGET /injected HTTP/1.1\r\nhost: a\r\n\r\n", "\rx-injected: 1", "a\x00b", "a\x7fb", "\x01", "a\tb",
	"é", "\xff\xfe", "\x80", "a b", " HTTP/1.0", "#", "#frag", "?", "?a=b", "&c=d", "%", "%2", "%zz", "%00", "%0d%0ax-injected:%201", "%250d%250ax-injected: 1",
	"..", "../admin", "/../admin", "/..;/admin", "..%2fadmin", "%2e%2e/admin", "%2E./admin", ".%2e%2fadmin", "..%5cadmin", `..\admin`, "..;a=b/x", "./x", "//evil.example.com", "/evil", `\evil`, "%2f%2fevil", "%5cevil", ";a",
	"evil.example.com@a", "a:b@c", "a:99999", "a:", "[::1]", "[::1", "a..b", "a/b", "-", "a,b", "${config}", "$1", `\1`, "${header.cookie}", "{{x}}",
	"a=b; Path=/; Domain=evil", `"quoted"`, "<script>", "a\u2028b", "K", "ı", strings.Repeat("x", 9<<10), strings.Repeat("../", 3000), strings.Repeat("a", 100<<10),
}

var hostilePlaces = []string{
	"/path", "/query", "/querytext", "/host", "/host-query", "/host-header", "/headers", "/location", "/location-host", "/answer", "/shadow",
}

// hostileCaptures are places behind which the data is in the path itself.
var hostileCaptures = []string{"/strip", "/inside/", "/prefix", "/prefix/", "/as-query/", "/as-host/", "/as-header/", "/moved", "/elsewhere/"}

// What request data can do at most is make a request fail: nothing it holds
// becomes a line of its own on either side, and the filter never traps.
func TestHostileInput(t *testing.T) {
	var (
		mu  sync.Mutex
		raw [][]byte
	)
	upstream, err := wire.Listen(func(_ wire.Message, request []byte) wire.Message {
		mu.Lock()
		defer mu.Unlock()

		raw = append(raw, request)
		return wire.Message{Start: "200", Headers: []rewrite.Header{{Name: "x-up", Value: "a"}, {Name: "x-up", Value: "\xffb\tc"}}, Body: "ok"}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })
	// Envoy as it comes, but for the size of headers; the path reaches the filter as it was sent.
	var listeners []envoy.Listener
	for _, onUnsafe := range []string{"reject", "keep"} {
		rules := strings.TrimSuffix(hostileRules, "}") + `, "onUnsafe": "` + onUnsafe + `"}`
		listeners = append(listeners, envoy.Listener{
			Name: onUnsafe, Filters: []envoy.Filter{plugin(t, onUnsafe, rules)}, Upstream: upstream.Address,
			Manager: map[string]any{
				"max_request_headers_kb": 1024, "common_http_protocol_options": map[string]any{"max_headers_count": 2000},
				"delayed_close_timeout": "0s", // what is not HTTP is refused at once
			},
		})
	}

	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: listeners})
	if reasons, err := proxy.Refused(t.Context()); err != nil || reasons != nil {
		t.Fatalf("%v\n%s", err, strings.Join(reasons, "\n"))
	}

	answered := map[string]int{}
	try := func(listener string, protocol wire.Protocol, what string, request wire.Message) {
		mu.Lock()

		raw = nil
		mu.Unlock()

		response, err := wire.Exchange(t.Context(), protocol, address(proxy, listener), request)
		what = fmt.Sprintf("%s, %s, %.80s", listener, protocol, what)
		if err != nil {
			// Envoy closes a connection whose bytes are not HTTP.
			if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "broken pipe") &&
				!strings.Contains(err.Error(), "refused") {
				t.Errorf("%s: %v", what, err)
			}
			answered["closed"]++
			return
		}
		answered[response.Start]++
		mu.Lock()
		defer mu.Unlock()

		switch {
		case len(raw) > 1:
			t.Errorf("%s: the upstream gets %d requests:\n%.500q", what, len(raw), raw)
		case len(raw) == 1:
			if fault := wellFormed(string(raw[0]), request); fault != "" {
				t.Errorf("%s: the upstream gets a request %s:\n%.500q", what, fault, raw[0])
			}
		}

		for _, h := range response.Headers {
			if !responseHeaders[h.Name] || strings.ContainsAny(h.Value, "\r\n\x00") {
				t.Errorf("%s: the client gets the header %q: %.100q", what, h.Name, h.Value)
			}
		}
	}

	header := func(name, value string) rewrite.Header { return rewrite.Header{Name: name, Value: value} }
	for _, listener := range []string{"reject", "keep"} {
		for _, protocol := range []wire.Protocol{wire.HTTP1, wire.HTTP2} {
			start := []rewrite.Header{header(":authority", "example.com"), header(":scheme", "http")}
			for _, data := range hostileData {
				for _, place := range hostilePlaces {
					try(listener, protocol, fmt.Sprintf("%s with the query %q", place, data),
						wire.Message{Start: "GET", Target: place + "?v=" + url.QueryEscape(data) + "&w=1", Headers: append(start[:2:2], header("x-w", "1"))})
				}
				if protocol == wire.HTTP1 && strings.ContainsAny(data, "\r\n") {
					continue // it would be the client's own line
				}

				for _, place := range hostilePlaces {
					try(listener, protocol, fmt.Sprintf("%s with the header %q", place, data),
						wire.Message{Start: "GET", Target: place, Headers: append(start[:2:2], header("x-v", data), header("x-w", data))})
				}

				for _, place := range hostileCaptures {
					try(listener, protocol, fmt.Sprintf("%s with the path %q", place, data), wire.Message{Start: "GET", Target: place + data, Headers: start})
				}
				try(listener, protocol, fmt.Sprintf("pattern header %q", data),
					wire.Message{Start: "GET", Target: "/shadow?v=a", Headers: append(start[:2:2], header("x-pattern", data), header("x-original", data))})
			}

			many := start[:2:2]
			for range 1000 {
				many = append(many, header("x-v", "a"), header("x-pattern", "forged"))
			}

			many = many[:1002]
			for _, place := range hostilePlaces {
				try(listener, protocol, "1,000 headers", wire.Message{Start: "GET", Target: place + "?v=1", Headers: many})
			}
			try(listener, protocol, "no header", wire.Message{Start: "GET", Target: "/headers", Headers: start})
			try(listener, protocol, "OPTIONS *", wire.Message{Start: "OPTIONS", Target: "*", Headers: start})
			try(listener, protocol, "CONNECT", wire.Message{Start: "CONNECT", Headers: start[:1:1]})
		}
	}
	t.Logf("answers: %v", answered)

	for _, status := range []string{"200", "302", "400", "403"} {
		if answered[status] == 0 {
			t.Errorf("no request was answered with %s: %v", status, answered)
		}
	}
	if log := proxy.Log(); strings.Contains(log, "[wasm]") {
		t.Errorf("Envoy logs of the filter:\n%.3000s", log)
	}
	if response, err := wire.Exchange(t.Context(), wire.HTTP1, address(proxy, "reject"), someRequest); err != nil || response.Start != "200" {
		t.Errorf("behind it all, an ordinary request is answered with %s, %v", response.Start, err)
	}
}

// responseHeaders are the headers that the client may see here.
var responseHeaders = map[string]bool{
	"content-length": true, "content-type": true, "date": true, "server": true, "connection": true, "location": true, "transfer-encoding": true,
	"x-envoy-upstream-service-time": true, "x-out": true, "x-query": true, "x-header": true, "x-up": true, "x-copy": true, "set-cookie": true,
}

// requestHeader is a header line that the upstream may see here.
var requestHeader = regexp.MustCompile(`^(host|x-forwarded-proto|x-request-id|x-envoy-[a-z-]+|x-out|x-more|x-copy|x-query|x-header|x-path|x-all|x-v|x-w|x-host|x-pattern|x-original): ?([^\x00-\x08\x0a-\x1f\x7f]*)$`)

// wellFormed says what is wrong with the bytes of a request; "" is nothing.
func wellFormed(raw string, sent wire.Message) string {
	head, body, ended := strings.Cut(raw, "\r\n\r\n")
	if !ended || body != "" {
		return "that does not end with its headers"
	}

	lines := strings.Split(head, "\r\n")
	parts := strings.Split(lines[0], " ")
	if len(parts) != 3 || parts[2] != "HTTP/1.1" || parts[0] != sent.Start {
		return "whose first line has other parts"
	}

	for i := range len(parts[1]) {
		if c := parts[1][i]; c <= ' ' || c == 0x7f || (c >= 0x80 || c == '#') && !strings.Contains(sent.Target, string([]byte{c})) {
			return fmt.Sprintf("with the byte %#x in the path", c)
		}
	}

	forged := 0
	for _, line := range lines[1:] {
		match := requestHeader.FindStringSubmatch(line)
		if match == nil {
			return fmt.Sprintf("with the header line %.100q", line)
		}
		if match[1] == "host" {
			if forged++; forged > 1 || strings.ContainsAny(match[2], " /@\\#?,") {
				return fmt.Sprintf("with the host %.100q", match[2])
			}
		}
		if match[1] == "x-pattern" && !patternNames.MatchString(match[2]) {
			return fmt.Sprintf("with a pattern header that a client wrote: %.100q", match[2])
		}
	}

	path, _, _ := strings.Cut(parts[1], "?")
	if from, _, _ := strings.Cut(sent.Target, "?"); path != from && unsafePath(sent.Target, path) {
		return "whose path is unsafe"
	}

	return ""
}

// patternNames is what the filter itself writes into the pattern header here.
var patternNames = regexp.MustCompile(`^(pattern-[0-9]+|shadow;shadow(;unsafe|;path=/[!-~]*)?)(,(pattern-[0-9]+|shadow;shadow(;unsafe|;path=/[!-~]*)?))*$`)
