package message

import (
	"fmt"
	"strconv"
	"strings"
)

// LocalReply is a response that did not come from upstream: a filter's answer,
// or Envoy's own.
type LocalReply struct {
	Status  int
	Headers []Header // added to those every local reply has
	Body    string
	// GRPCStatus is what a gRPC client gets, 0 to 16; it follows from Status if
	// nil.
	GRPCStatus *int
	Details    string // for access logs
}

// Response returns the response that Envoy makes of a local reply to a request,
// whose headers are those received from the client. A body makes it text/plain
// unless Headers say otherwise, and no body leaves no content-type; a gRPC
// client gets status 200, grpc-status and, in place of the body, grpc-message.
func (r *LocalReply) Response(received *HeaderMap) Message {
	h := NewResponseHeaders(Header{Name: ":status"})
	for _, extra := range r.Headers {
		h.Add(extra.Name, extra.Value)
	}
	h.Assign(":status", strconv.Itoa(r.Status))
	if isGRPC(received) {
		h.Assign(":status", "200")
		h.Assign("content-type", "application/grpc")
		if v, _ := h.Get("grpc-status"); v == "" {
			h.Assign("grpc-status", strconv.Itoa(r.grpcStatus()))
		}
		if r.Body != "" && !IsHead(received) {
			h.Assign("grpc-message", percentEncode(r.Body))
		}
		return Message{Headers: h.All()}
	}
	if r.Body == "" {
		h.Remove("content-length")
		h.Remove("content-type")
		return Message{Headers: h.All()}
	}
	h.Assign("content-length", strconv.Itoa(len(r.Body)))
	if _, ok := h.Get("content-type"); !ok {
		h.Add("content-type", "text/plain")
	}
	if IsHead(received) {
		return Message{Headers: h.All()}
	}

	return Message{Headers: h.All(), Body: r.Body}
}

// IsHead reports whether a request has the method HEAD.
func IsHead(h *HeaderMap) bool {
	method, _ := h.Get(":method")
	return method == "HEAD"
}

func isGRPC(h *HeaderMap) bool {
	if _, ok := h.Get(":path"); !ok {
		return false
	}

	v, _ := h.Get("content-type")
	rest, ok := strings.CutPrefix(v, "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}

func (r *LocalReply) grpcStatus() int {
	if r.GRPCStatus != nil {
		return *r.GRPCStatus
	}

	switch r.Status {
	case 400:
		return 13 // internal
	case 401:
		return 16 // unauthenticated
	case 403:
		return 7 // permission denied
	case 404:
		return 12 // unimplemented
	case 429, 502, 503, 504:
		return 14 // unavailable
	}

	return 2 // unknown
}

func percentEncode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
