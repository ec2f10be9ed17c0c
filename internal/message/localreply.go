package host

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
	h := NewResponseHeaders(Header{Name: ":status", Value: ""})
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
		if r.Body != "" && !isHead(received) {
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
	if isHead(received) {
		return Message{Headers: h.All()}
	}
	return Message{Headers: h.All(), Body: r.Body}
}

func isHead(h *HeaderMap) bool {
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

// refuseRequest is what Envoy answers instead of sending such a request
// upstream; nil if it sends it. received is the request before the filter.
func refuseRequest(received, left *HeaderMap) *LocalReply {
	// Envoy finds no route without these, and it looks for one again after every
	// change. It sets x-forwarded-proto itself, before any filter.
	for _, name := range []string{":path", "x-forwarded-proto"} {
		_, had := received.Get(name)
		if _, has := left.Get(name); had && !has {
			return &LocalReply{Status: 404, Details: "no route without " + name}
		}
	}
	if _, ok := left.Get(":method"); !ok {
		return refusal(503, "missing required header: :method")
	}
	for _, h := range left.All() {
		if !validName(h.Name) {
			return refusal(503, "invalid header name: "+h.Name)
		}
		if !validValue(h.Value) {
			return refusal(503, "invalid header value for: "+h.Name)
		}
	}
	return nil
}

// refuseResponse is what Envoy answers instead of such a response.
func refuseResponse(left *HeaderMap) *LocalReply {
	if _, ok := left.Get(":status"); !ok {
		return refusal(502, "missing required header: :status")
	}
	return nil
}

func refusal(status int, text string) *LocalReply {
	return &LocalReply{Status: status, Body: text, Details: text}
}

func validName(name string) bool {
	name = strings.TrimPrefix(name, ":")
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return name != ""
}

func validValue(value string) bool {
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
