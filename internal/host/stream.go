package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// Result is what came of one exchange.
type Result struct {
	// Upstream is the request as it was sent upstream; nil if it was not.
	Upstream *Message
	// Client is the response as the client gets it, without what a proxy adds to
	// every response (date, server).
	Client Message
	// Answered says that the response did not come from upstream, and Details
	// who made it: the details the module gave for its answer, or those of Envoy
	// where it refuses the message the filter has left.
	Answered bool
	Details  string
	// Calls is how often the module called each function of the ABI during the
	// exchange.
	Calls map[string]int
	// Properties are those that the module has set, by their paths.
	Properties map[string]string
}

// stream is one request and its response.
type stream struct {
	received *HeaderMap // the request before the filter
	// The maps and bodies that host calls reach; nil while they do not.
	request, response *HeaderMap
	// The same maps for proxy_on_log, to be read only.
	ended                     bool
	endRequest, endResponse   *HeaderMap
	requestBody, responseBody *[]byte
	answer                    *LocalReply
	reset                     bool // the module closed the stream
	resumed                   bool // the module called proxy_continue_stream
	properties                map[string]string
	calls                     map[string]int
}

// Exchange sends one request through the filter, to upstream and back. upstream
// gets the request as the filter left it; it is not called if the filter
// answers. The VM is free while it runs. A body comes in one piece. The error is
// a *TrapError if the module failed: Envoy would answer 503, then and, by
// default, from then on. It is another error if the module left the stream
// paused or closed it.
func (p *Plugin) Exchange(ctx context.Context, request Message, upstream func(Message) Message) (result Result, err error) {
	vm := p.vm
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if p.closed {
		return Result{}, fmt.Errorf("plugin %q is closed", p.name)
	}

	headers := NewRequestHeaders(request.Headers...)
	s := &stream{received: NewRequestHeaders(request.Headers...), properties: map[string]string{}, calls: map[string]int{}}
	c := vm.newContext(p, s)
	p.streams++
	defer func() {
		result.Calls, result.Properties = s.calls, s.properties
		p.streams--
		if vm.failed != nil {
			return
		}

		err = errors.Join(err, s.end(ctx, vm, c))
		if vm.failed == nil && p.closed && p.streams == 0 {
			err = errors.Join(err, vm.end(ctx, p.context, "proxy_on_done", "proxy_on_delete"))
		}
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
		s.answer = refuseRequest(s.received, headers)
	}

	var response Message
	if s.answer == nil {
		sent := Message{Headers: headers.All(), Body: string(body)}
		result.Upstream = &sent
		response = vm.unlocked(func() Message { return upstream(sent) })
	} else {
		result.Answered, result.Details = true, s.answer.Details
		response = s.answer.Response(s.received)
	}

	answered, err := s.back(ctx, vm, c, response, &result.Client)
	if err != nil {
		return Result{}, err
	}
	if answered {
		result.Answered, result.Details = true, s.answer.Details
	}

	return result, nil
}

// back takes the response through the filter to the client, and says whether
// another one was sent instead.
func (s *stream) back(ctx context.Context, vm *VM, c *callContext, response Message, client *Message) (answered bool, err error) {
	s.answer = nil
	headers := NewResponseHeaders(response.Headers...)
	body := []byte(response.Body)
	s.response, s.endResponse = headers, headers
	if err := s.pass(ctx, vm, c, "response", headers, &s.responseBody, &body); err != nil {
		return false, err
	}
	if s.answer == nil {
		s.answer = refuseResponse(headers)
	}
	if s.answer != nil {
		*client = s.answer.Response(s.received)
		return true, nil
	}

	*client = Message{Headers: headers.All(), Body: string(body)}

	return false, nil
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
	if len(*body) == 0 || direction == "response" && message.IsHead(s.received) {
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
