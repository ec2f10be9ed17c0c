package host

import (
	"strings"
)

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
