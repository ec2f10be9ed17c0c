package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// hostileEvery is how many requests of a soak come for one hostile one.
const hostileEvery = 1000

// hostileOpen is how many hostile requests are open at most: the oldest makes room.
const hostileOpen = 50

// hostileRules are what costs most on the requests below.
const hostileRules = `{"patterns": [
	{"match": {"path": {"regex": "legacy/.*/edit|legacy"}}, "rewrite": {"path": "b"}},
	{"match": {"path": {"regex": "(?:a.*){300}z|a{20}"}}, "rewrite": {"path": "b"}},
	{"match": {"path": {"prefix": "/edits"}}, "rewrite": {"query": {"remove": ["utm_*", "fbclid"]}}},
	{"match": {"path": {"prefix": "/keeps"}}, "headers": {"response": {"set": {"x-a": "${query}", "x-b": "${query}"}}}},
	{"match": {"query": [{"name": "q", "exact": "1"}]}, "rewrite": {"path": "/b"}}
]}`

// hostileTargets fill what Envoy takes as headers. Of the first three the work ends with the budget; the others wait for
// their upstream.
var hostileTargets = []string{
	"/" + strings.Repeat("legacy/", 8_000),
	"/" + strings.Repeat("a", 58_000),
	"/edits?" + strings.Repeat("&", 58_000),
	"/edits?" + strings.Repeat("a=1&", 500),
	"/keeps?" + strings.Repeat("a", 58_000),
	"/other?" + strings.Repeat("&", 58_000),
}

// hostile is clients of another listener of the same worker and VM: their requests want much, and have bodies that never
// come.
type hostile struct {
	address  string
	upstream net.Listener

	mu   sync.Mutex
	sent int
	open []net.Conn
}

// newHostile starts the upstream that the clients wait for. It reads and never answers.
func newHostile() (*hostile, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}()
		}
	}()

	return &hostile{upstream: listener}, nil
}

func (h *hostile) listener(module string) envoy.Listener {
	filter := envoy.Wasm(envoy.Plugin{Name: "hostile", PluginName: "hostile", Module: module, Configuration: hostileRules})

	return envoy.Listener{Name: "hostile", Upstream: h.upstream.Addr().String(), Filters: []envoy.Filter{filter}}
}

// send opens one request more and does not wait for it.
func (h *hostile) send() error {
	h.mu.Lock()
	defer h.mu.Unlock()

	if len(h.open) == hostileOpen {
		h.open[0].Close()
		h.open = h.open[1:]
	}

	conn, err := net.Dial("tcp", h.address)
	if err != nil {
		return err
	}

	h.open = append(h.open, conn)
	target := hostileTargets[h.sent%len(hostileTargets)]
	h.sent++
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nhost: shop.example.com\r\ncontent-length: 10\r\n\r\n", target)

	return err
}

func (h *hostile) stop() {
	h.upstream.Close()

	for _, conn := range h.open {
		conn.Close()
	}
}
