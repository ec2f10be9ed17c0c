// Package message holds requests and responses, and header maps that keep them
// as Envoy does.
package message

import (
	"maps"
	"slices"
	"strings"
)

// Message is a request or a response: its headers, pseudo-headers included, and
// its body.
type Message struct {
	Headers []Header `json:"headers"`
	Body    string   `json:"body,omitempty"`
}

// Header is one entry of a header map: one line of the message, pseudo-headers
// included. Names in a map are lower-case.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// HeaderMap keeps the headers of a request or of a response as Envoy does: in
// order, pseudo-headers first, one entry a value, except for the names Envoy
// keeps in a slot of their own, of which there is at most one entry. Names are
// lower-cased, values are kept byte for byte. The zero value is an empty map
// without such slots.
type HeaderMap struct {
	list   []Header
	pseudo int // so many entries at the head of list are pseudo-headers
	slots  map[string]bool
	alias  map[string]string
}

// NewRequestHeaders returns the map Envoy makes of the headers of a request:
// list is added entry by entry, a host header becomes :authority.
func NewRequestHeaders(list ...Header) *HeaderMap {
	return newHeaderMap(requestSlots, map[string]string{"host": ":authority"}, list)
}

// NewResponseHeaders returns the map Envoy makes of the headers of a response.
func NewResponseHeaders(list ...Header) *HeaderMap {
	return newHeaderMap(responseSlots, nil, list)
}

func newHeaderMap(slots map[string]bool, alias map[string]string, list []Header) *HeaderMap {
	m := &HeaderMap{slots: slots, alias: alias}

	m.list = make([]Header, 0, len(list)+4)
	for _, h := range list {
		m.Add(h.Name, h.Value)
	}
	return m
}

func (m *HeaderMap) key(name string) string {
	name = lower(name)
	if a, ok := m.alias[name]; ok {
		return a
	}
	return name
}

// lower changes ASCII letters only: every other byte of a name is its own.
func lower(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Get returns the first value of a header and whether there is one.
func (m *HeaderMap) Get(name string) (value string, found bool) {
	name = m.key(name)
	for _, h := range m.list {
		if h.Name == name {
			return h.Value, true
		}
	}
	return "", false
}

// Values returns all values of a header, in order; nil if there is none.
func (m *HeaderMap) Values(name string) []string {
	name = m.key(name)

	var values []string
	for _, h := range m.list {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return values
}

func (h *Header) grow(value string) {
	if h.Value != "" && value != "" {
		h.Value += ","
	}

	h.Value += value
}

// Add appends one value. A header with a slot of its own that is present
// already grows instead: old value, comma, new value (no comma after an empty
// old value; an empty new value changes nothing).
func (m *HeaderMap) Add(name, value string) {
	name = m.key(name)
	if m.slots[name] {
		if i := slices.IndexFunc(m.list, func(h Header) bool { return h.Name == name }); i >= 0 {
			m.list[i].grow(value)
			return
		}
	}

	at := len(m.list)
	if strings.HasPrefix(name, ":") {
		at = m.pseudo
		m.pseudo++
	}

	m.list = slices.Insert(m.list, at, Header{name, value})
}

// Set removes every value of a header and adds one: the entry moves to the end
// of the map, or of its pseudo-headers.
func (m *HeaderMap) Set(name, value string) {
	m.Remove(name)
	m.Add(name, value)
}

// Assign gives a header one value where its first one stands.
func (m *HeaderMap) Assign(name, value string) {
	for i := range m.list {
		if m.list[i].Name == name {
			m.list[i].Value = value
			return
		}
	}
	m.Add(name, value)
}

// Remove removes every value of a header.
func (m *HeaderMap) Remove(name string) {
	name = m.key(name)
	before := len(m.list)
	m.list = slices.DeleteFunc(m.list, func(h Header) bool { return h.Name == name })
	if strings.HasPrefix(name, ":") {
		m.pseudo -= before - len(m.list)
	}
}

// Replace removes every header, pseudo-headers included, and adds those of
// list in order.
func (m *HeaderMap) Replace(list []Header) {
	m.list, m.pseudo = nil, 0
	for _, h := range list {
		m.Add(h.Name, h.Value)
	}
}

// All returns a copy of the entries in order.
func (m *HeaderMap) All() []Header { return slices.Clone(m.list) }

// Len returns the number of entries.
func (m *HeaderMap) Len() int { return len(m.list) }

// Size returns the bytes of all names and values together.
func (m *HeaderMap) Size() int {
	n := 0
	for _, h := range m.list {
		n += len(h.Name) + len(h.Value)
	}
	return n
}

// requestSlots and responseSlots are the names of which Envoy keeps at most one
// entry: its inline headers, and those that the extensions in its release binary
// register. Envoy logs them when it starts; a test compares.
var (
	requestSlots = set(`:authority :method :path :protocol :scheme
		accept accept-encoding access-control-request-headers access-control-request-method
		access-control-request-private-network authentication authorization cache-control cdn-loop
		connection content-encoding content-length content-type expect grpc-accept-encoding grpc-timeout
		if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive origin
		pragma proxy-connection proxy-status referer te transfer-encoding upgrade user-agent via
		x-client-trace-id x-envoy-attempt-count x-envoy-decorator-operation
		x-envoy-downstream-service-cluster x-envoy-downstream-service-node
		x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace
		x-envoy-hedge-on-per-try-timeout x-envoy-internal x-envoy-ip-tags x-envoy-is-timeout-retry
		x-envoy-max-retries x-envoy-original-host x-envoy-original-path x-envoy-original-url
		x-envoy-retriable-header-names x-envoy-retriable-status-codes x-envoy-retry-grpc-on
		x-envoy-retry-on x-envoy-upstream-alt-stat-name x-envoy-upstream-rq-per-try-timeout-ms
		x-envoy-upstream-rq-timeout-alt-response x-envoy-upstream-rq-timeout-ms
		x-envoy-upstream-stream-duration-ms x-forwarded-client-cert x-forwarded-for
		x-forwarded-host x-forwarded-port x-forwarded-proto x-request-id`)
	responseSlots = set(`:status
		access-control-allow-credentials access-control-allow-headers access-control-allow-methods
		access-control-allow-origin access-control-allow-private-network
		access-control-expose-headers access-control-max-age age cache-control connection
		content-encoding content-length content-type date etag expires grpc-message grpc-status
		keep-alive last-modified location proxy-connection proxy-status server transfer-encoding
		upgrade vary via x-envoy-attempt-count x-envoy-decorator-operation x-envoy-degraded
		x-envoy-immediate-health-check-fail x-envoy-ratelimited x-envoy-upstream-canary
		x-envoy-upstream-healthchecked-cluster x-envoy-upstream-service-time x-request-id`)
)

func set(names string) map[string]bool {
	m := make(map[string]bool)
	for _, name := range strings.Fields(names) {
		m[name] = true
	}
	return m
}

// RequestSlots are the names of which a request has at most one entry.
func RequestSlots() map[string]bool { return maps.Clone(requestSlots) }

// ResponseSlots are the names of which a response has at most one entry.
func ResponseSlots() map[string]bool { return maps.Clone(responseSlots) }
