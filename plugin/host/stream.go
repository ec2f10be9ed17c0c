package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// Message is a request or a response: its headers, pseudo-headers included, and
// its body.
type Message struct {
	Headers []Header
	Body    string
}

// Result is what came of one exchange.
type Result struct {
	// Upstream is the request as it was sent upstream; nil if it was not.
	Upstream *Message
	// Client is the response as the client gets it, without what a proxy adds to
	// every response (date, server).
	Client Message
	// Answered tells that the response did not come from upstream, and Details
	// who made it: the details the module gave for its answer, or those of Envoy
	// where it refuses the message the filter has left.
	Answered bool
	Details  string
	// Calls is how often the module called each function of the ABI during the
	// exchange.
	Calls map[string]int
}

// stream is one request and its response.
type stream struct {
	method string
	grpc   bool
	// The maps and bodies that host calls reach; nil while they do not.
	request, response *HeaderMap
	// The same maps for proxy_on_log, to be read only.
	ended                     bool
	endRequest, endResponse   *HeaderMap
	requestBody, responseBody *[]byte
	answer                    *answer
	reset                     bool // the module closed the stream
	resumed                   bool // the module called proxy_continue_stream
	properties                map[string]string
	calls                     map[string]int
}

// answer is a response made by the filter or by the proxy.
type answer struct {
	status     uint32
	headers    []Header
	body       string
	grpcStatus uint32
	details    string
}

// noGRPCStatus is what SDKs pass for "none".
const noGRPCStatus = ^uint32(0)

// Exchange sends one request through the filter, to upstream and back. upstream
// gets the request as the filter left it; it is not called if the filter
// answers. The VM is free while it runs. A body comes in one piece. The error is a *TrapError if the module
// failed: Envoy would answer 503 and, by default, nothing else from then on.
func (p *Plugin) Exchange(ctx context.Context, request Message, upstream func(Message) Message) (result Result, err error) {
	vm := p.vm
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if p.closed {
		return Result{}, fmt.Errorf("plugin %q is closed", p.name)
	}
	received := NewRequestHeaders(request.Headers...)
	headers := NewRequestHeaders(request.Headers...)
	s := &stream{properties: map[string]string{}, calls: map[string]int{}}
	s.method, _ = headers.Get(":method")
	s.grpc = isGRPC(headers)
	c := vm.newContext(p, s)
	p.streams++
	defer func() {
		p.streams--
		err = errors.Join(err, s.end(ctx, vm, c))
		if p.closed && p.streams == 0 {
			err = errors.Join(err, vm.end(ctx, p.context, "proxy_on_done", "proxy_on_delete"))
		}
		result.Calls = maps.Clone(s.calls)
	}()

	if _, err := vm.call(ctx, c, "proxy_on_context_create", uint64(c.id), uint64(p.context.id)); err != nil {
		return Result{}, err
	}
	body := []byte(request.Body)
	s.request, s.endRequest = headers, headers
	if err := s.pass(ctx, vm, c, "request", headers, &s.requestBody, &body); err != nil {
		return Result{}, err
	}
	if s.answer == nil {
		s.answer = refuseRequest(received, headers)
	}

	var response Message
	if s.answer == nil {
		sent := Message{Headers: headers.All(), Body: string(body)}
		result.Upstream = &sent
		response = vm.unlocked(func() Message { return upstream(sent) })
	} else {
		result.Answered, result.Details = true, s.answer.details
		response = s.render()
	}

	s.answer = nil
	headers = NewResponseHeaders(response.Headers...)
	body = []byte(response.Body)
	s.response, s.endResponse = headers, headers
	if err := s.pass(ctx, vm, c, "response", headers, &s.responseBody, &body); err != nil {
		return Result{}, err
	}
	if s.answer == nil {
		s.answer = refuseResponse(headers)
	}
	if s.answer != nil {
		result.Answered, result.Details = true, s.answer.details
		result.Client = s.render()
		return result, nil
	}
	result.Client = Message{Headers: headers.All(), Body: string(body)}
	return result, nil
}

// unlocked runs f while others may use the VM.
func (vm *VM) unlocked(f func() Message) Message {
	vm.mu.Unlock()
	defer vm.mu.Lock()
	return f()
}

// pass runs the callbacks of one direction. It ends with an answer in s.answer,
// or with everything passed on, or with an error.
func (s *stream) pass(ctx context.Context, vm *VM, c *callContext, direction string, headers *HeaderMap, slot **[]byte, body *[]byte) error {
	var ended uint64
	if len(*body) == 0 || direction == "response" && s.method == "HEAD" {
		ended = 1
	}
	s.resumed = false
	action, err := vm.call(ctx, c, "proxy_on_"+direction+"_headers", uint64(c.id), uint64(headers.Len()), ended)
	if err := s.next(direction, action, err); err != nil || s.answer != nil {
		return err
	}
	s.request, s.response = nil, nil
	if ended == 1 {
		return nil
	}
	*slot = body
	action, err = vm.call(ctx, c, "proxy_on_"+direction+"_body", uint64(c.id), uint64(len(*body)), 1)
	if err := s.next(direction, action, err); err != nil || s.answer != nil {
		return err
	}
	*slot = nil
	return nil
}

// end tells the module that the stream is over. Its maps are gone by then, but
// for a last look at them.
func (s *stream) end(ctx context.Context, vm *VM, c *callContext) error {
	s.request, s.response, s.ended = nil, nil, true
	if _, err := vm.call(ctx, c, "proxy_on_log", uint64(c.id)); err != nil {
		return err
	}
	s.ended = false
	return vm.end(ctx, c, "proxy_on_done", "proxy_on_delete")
}

// next decides what a callback's return value and the calls it made come to.
func (s *stream) next(direction string, action uint64, err error) error {
	switch {
	case err != nil:
		return err
	case s.reset:
		return fmt.Errorf("the module closed the stream during the %s", direction)
	case s.answer == nil && action != 0 && !s.resumed:
		return fmt.Errorf("the module paused the %s, and nothing would continue it", direction)
	}
	return nil
}

// render makes the response of an answer.
func (s *stream) render() Message {
	a := s.answer
	h := NewResponseHeaders(Header{":status", strconv.Itoa(int(a.status))})
	for _, extra := range a.headers {
		h.Add(extra.Name, extra.Value)
	}
	h.assign(":status", strconv.Itoa(int(a.status)))
	if s.grpc {
		h.assign(":status", "200")
		h.assign("content-type", "application/grpc")
		if v, _ := h.Get("grpc-status"); v == "" {
			status := a.grpcStatus
			if status > maxGRPCStatus {
				status = grpcStatusOf(a.status)
			}
			h.assign("grpc-status", strconv.Itoa(int(status)))
		}
		if a.body != "" && s.method != "HEAD" {
			h.assign("grpc-message", percentEncode(a.body))
		}
		return Message{Headers: h.All()}
	}
	if a.body == "" {
		h.Remove("content-length")
		h.Remove("content-type")
		return Message{Headers: h.All()}
	}
	h.assign("content-length", strconv.Itoa(len(a.body)))
	if _, ok := h.Get("content-type"); !ok {
		h.Add("content-type", "text/plain")
	}
	if s.method == "HEAD" {
		return Message{Headers: h.All()}
	}
	return Message{Headers: h.All(), Body: a.body}
}

func isGRPC(h *HeaderMap) bool {
	if _, ok := h.Get(":path"); !ok {
		return false
	}
	v, _ := h.Get("content-type")
	rest, ok := strings.CutPrefix(v, "application/grpc")
	return ok && (rest == "" || rest[0] == '+')
}

const maxGRPCStatus = 16

func grpcStatusOf(status uint32) uint32 {
	switch status {
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
func refuseRequest(received, left *HeaderMap) *answer {
	// Envoy finds no route without these, and it looks for one again after every
	// change. It sets x-forwarded-proto itself, before any filter.
	for _, name := range []string{":path", "x-forwarded-proto"} {
		_, had := received.Get(name)
		if _, has := left.Get(name); had && !has {
			return &answer{status: 404, details: "no route without " + name, grpcStatus: noGRPCStatus}
		}
	}
	if _, ok := left.Get(":method"); !ok {
		return refusal(503, "missing required header: :method")
	}
	for _, h := range left.list {
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
func refuseResponse(left *HeaderMap) *answer {
	if _, ok := left.Get(":status"); !ok {
		return refusal(502, "missing required header: :status")
	}
	return nil
}

func refusal(status uint32, text string) *answer {
	return &answer{status: status, body: text, details: text, grpcStatus: noGRPCStatus}
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
