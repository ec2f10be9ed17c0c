package host

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Status is what a host call returns to the module.
type Status uint32

// The statuses of the ABI that this host or a test returns.
const (
	StatusOK                   Status = 0
	StatusNotFound             Status = 1
	StatusBadArgument          Status = 2
	StatusSerializationFailure Status = 3
	StatusParseFailure         Status = 4
	StatusInvalidMemoryAccess  Status = 6
	StatusCasMismatch          Status = 8
	StatusInternalFailure      Status = 10
	StatusUnimplemented        Status = 12
)

// hostCall is one call of the module to the host.
type hostCall struct {
	ctx    context.Context
	vm     *VM
	acting *callContext
	mem    memory
	args   []uint64
	trap   error // why the call cannot return
}

// hostFunction is one function of the ABI. In signature every letter is a
// parameter: i is 32 bits wide, I is 64. All return a Status.
type hostFunction struct {
	signature string
	run       func(*hostCall) Status
}

// The types of the parameters, as a module's binary form has them.
const (
	type32 = 0x7f
	type64 = 0x7e
)

func (f hostFunction) params() []byte {
	types := make([]byte, len(f.signature))
	for i := range f.signature {
		types[i] = type32
		if f.signature[i] == 'I' {
			types[i] = type64
		}
	}
	return types
}

// answer runs the function for a module that calls it; the error is a trap.
func (f hostFunction) answer(ctx context.Context, vm *VM, name string, mem memory, args []uint64) (Status, error) {
	if vm.restricted && name != "proxy_log" {
		return 0, fmt.Errorf("it called %s before it was started", name)
	}

	acting := vm.acting()
	vm.calls[name]++
	if acting.stream != nil {
		acting.stream.calls[name]++
	}
	if vm.opts.Fail != nil {
		if status := vm.opts.Fail(name, vm.calls[name]); status != StatusOK {
			return status, nil
		}
	}

	call := &hostCall{ctx: ctx, vm: vm, acting: acting, mem: mem, args: args}

	return f.run(call), call.trap
}

// hostFunctions is all of ABI 0.2.0 as Envoy has it.
var hostFunctions = map[string]hostFunction{
	"proxy_log":                          {"iii", (*hostCall).log},
	"proxy_get_status":                   {"iii", (*hostCall).getStatus},
	"proxy_set_property":                 {"iiii", (*hostCall).setProperty},
	"proxy_get_property":                 {"iiii", (*hostCall).getProperty},
	"proxy_send_local_response":          {"iiiiiiii", (*hostCall).sendLocalResponse},
	"proxy_get_shared_data":              {"iiiii", (*hostCall).getSharedData},
	"proxy_set_shared_data":              {"iiiii", (*hostCall).setSharedData},
	"proxy_register_shared_queue":        {"iii", always(StatusUnimplemented)},
	"proxy_resolve_shared_queue":         {"iiiii", always(StatusNotFound)},
	"proxy_dequeue_shared_queue":         {"iii", always(StatusNotFound)},
	"proxy_enqueue_shared_queue":         {"iii", always(StatusNotFound)},
	"proxy_get_header_map_value":         {"iiiii", (*hostCall).getHeader},
	"proxy_add_header_map_value":         {"iiiii", (*hostCall).addHeader},
	"proxy_replace_header_map_value":     {"iiiii", (*hostCall).setHeader},
	"proxy_remove_header_map_value":      {"iii", (*hostCall).removeHeader},
	"proxy_get_header_map_pairs":         {"iii", (*hostCall).getHeaders},
	"proxy_set_header_map_pairs":         {"iii", (*hostCall).setHeaders},
	"proxy_get_header_map_size":          {"ii", (*hostCall).headersSize},
	"proxy_get_buffer_status":            {"iii", (*hostCall).bufferStatus},
	"proxy_get_buffer_bytes":             {"iiiii", (*hostCall).getBuffer},
	"proxy_set_buffer_bytes":             {"iiiii", (*hostCall).setBuffer},
	"proxy_http_call":                    {"iiiiiiiiii", always(StatusBadArgument)},    // no cluster of that name
	"proxy_grpc_call":                    {"iiiiiiiiiiii", always(StatusParseFailure)}, // likewise
	"proxy_grpc_stream":                  {"iiiiiiiii", always(StatusParseFailure)},
	"proxy_grpc_close":                   {"i", (*hostCall).unknownGRPC},
	"proxy_grpc_cancel":                  {"i", (*hostCall).unknownGRPC},
	"proxy_grpc_send":                    {"iiii", (*hostCall).unknownGRPCStream},
	"proxy_set_tick_period_milliseconds": {"i", (*hostCall).setTickPeriod},
	"proxy_get_current_time_nanoseconds": {"i", (*hostCall).currentTime},
	"proxy_define_metric":                {"iiii", (*hostCall).defineMetric},
	"proxy_increment_metric":             {"iI", (*hostCall).incrementMetric},
	"proxy_record_metric":                {"iI", (*hostCall).recordMetric},
	"proxy_get_metric":                   {"ii", (*hostCall).getMetric},
	"proxy_set_effective_context":        {"i", (*hostCall).setEffectiveContext},
	"proxy_done":                         {"", always(StatusNotFound)}, // no end is ever waited for
	"proxy_call_foreign_function":        {"iiiiii", (*hostCall).callForeignFunction},
	"proxy_continue_stream":              {"i", (*hostCall).continueStream},
	"proxy_close_stream":                 {"i", (*hostCall).closeStream},
}

func always(status Status) func(*hostCall) Status {
	return func(*hostCall) Status { return status }
}

func (c *hostCall) u32(i int) uint32 { return uint32(c.args[i]) }

// data copies the bytes whose address and size are arguments i and i+1.
func (c *hostCall) data(i int) (string, bool) {
	b, ok := c.mem.Read(c.u32(i), c.u32(i+1))
	return string(b), ok
}

// put32 and put64 write a number to the address in argument i.
func (c *hostCall) put32(i int, v uint32) Status {
	if !c.mem.WriteUint32Le(c.u32(i), v) {
		return StatusInvalidMemoryAccess
	}
	return StatusOK
}

func (c *hostCall) put64(i int, v uint64) Status {
	if !c.mem.WriteUint64Le(c.u32(i), v) {
		return StatusInvalidMemoryAccess
	}
	return StatusOK
}

// give copies s into memory the module allocates for it, and writes address and
// size to the addresses in arguments i and i+1. Nothing is allocated for an
// empty s; its address is 0.
func (c *hostCall) give(i int, s string) Status {
	var at uint32
	if s != "" {
		address, err := c.vm.running.call(c.ctx, c.vm.alloc, uint64(len(s)))
		if err != nil {
			c.trap = err // the module trapped: so does the callback that made this call
			return StatusInternalFailure
		}

		at = uint32(address)
		if at == 0 || !c.mem.WriteString(at, s) {
			return StatusInvalidMemoryAccess
		}
	}
	if status := c.put32(i, at); status != StatusOK {
		return status
	}

	return c.put32(i+1, uint32(len(s)))
}

// The lowest two bits of a token say what it stands for.
const (
	grpcCall   = 1
	grpcStream = 2
)

func (c *hostCall) unknownGRPC() Status {
	if kind := c.u32(0) & 3; kind == grpcCall || kind == grpcStream {
		return StatusNotFound
	}
	return StatusBadArgument
}

func (c *hostCall) unknownGRPCStream() Status {
	if c.u32(0)&3 == grpcStream {
		return StatusNotFound
	}
	return StatusBadArgument
}

func (c *hostCall) log() Status {
	if c.u32(0) > uint32(LevelCritical) {
		return StatusBadArgument
	}

	message, ok := c.data(1)
	if !ok {
		return StatusInvalidMemoryAccess
	}
	c.vm.log(Level(c.u32(0)), message)
	return StatusOK
}

// getStatus tells the status of the last HTTP or gRPC call, of which there are
// none.
func (c *hostCall) getStatus() Status {
	if status := c.put32(0, 0); status != StatusOK {
		return status
	}
	return c.give(1, "")
}

func (c *hostCall) setProperty() Status {
	path, ok := c.data(0)
	value, ok2 := c.data(2)
	if !ok || !ok2 {
		return StatusInvalidMemoryAccess
	}
	if c.acting.stream == nil {
		return StatusNotFound
	}

	c.acting.stream.properties[path] = value

	return StatusOK
}

// getProperty knows the plugin's own properties and those the module has set;
// everything a proxy knows of itself, its connections and routes is not found.
func (c *hostCall) getProperty() Status {
	path, ok := c.data(0)
	if !ok {
		return StatusInvalidMemoryAccess
	}
	if path == "" {
		return StatusSerializationFailure
	}

	path = strings.TrimSuffix(path, "\x00")

	value, found := "", false
	switch {
	case path == "plugin_name" && c.acting.plugin != nil:
		value, found = c.acting.plugin.name, true
	case path == "plugin_root_id", path == "plugin_vm_id":
		found = true
	case c.acting.stream != nil:
		value, found = c.acting.stream.properties[path]
	}
	if !found {
		return StatusNotFound
	}

	return c.give(2, value)
}

func (c *hostCall) sendLocalResponse() Status {
	details, ok := c.data(1)
	body, ok2 := c.data(3)
	pairs, ok3 := c.data(5)
	if !ok || !ok2 || !ok3 {
		return StatusInvalidMemoryAccess
	}
	if s := c.acting.stream; s != nil && s.answer == nil {
		s.answer = &LocalReply{
			Status:  int(c.u32(0)),
			Details: strings.Map(spaceToUnderscore, details),
			Body:    body,
			Headers: unmarshalPairs([]byte(pairs)),
		}
		if status := int(c.u32(7)); status <= 16 { // anything else means none
			s.answer.GRPCStatus = &status
		}
	}

	return StatusOK
}

func spaceToUnderscore(r rune) rune {
	if unicode.IsSpace(r) {
		return '_'
	}
	return r
}

type sharedValue struct {
	data string
	cas  uint32
}

func (c *hostCall) getSharedData() Status {
	key, ok := c.data(0)
	if !ok {
		return StatusInvalidMemoryAccess
	}

	v, found := c.vm.shared[key]
	if !found {
		return StatusNotFound
	}
	if status := c.give(2, v.data); status != StatusOK {
		return status
	}

	return c.put32(4, v.cas)
}

func (c *hostCall) setSharedData() Status {
	key, ok := c.data(0)
	value, ok2 := c.data(2)
	if !ok || !ok2 {
		return StatusInvalidMemoryAccess
	}

	old := c.vm.shared[key]
	if cas := c.u32(4); cas != 0 && cas != old.cas {
		return StatusCasMismatch
	}

	c.vm.shared[key] = sharedValue{value, old.cas + 1}

	return StatusOK
}

const (
	requestHeaders  = 0
	responseHeaders = 2
	maxMapType      = 7
)

const (
	requestBody         = 0
	responseBody        = 1
	httpCallBody        = 4
	pluginConfiguration = 7
	maxBufferType       = 8
)

func (c *hostCall) setTickPeriod() Status {
	if c.acting.plugin != nil {
		c.acting.plugin.tick = time.Duration(c.u32(0)) * time.Millisecond
	}
	return StatusOK
}

func (c *hostCall) currentTime() Status {
	return c.put64(0, uint64(c.vm.opts.Clock().UnixNano()))
}

func (c *hostCall) defineMetric() Status {
	name, ok := c.data(1)
	if !ok {
		return StatusInvalidMemoryAccess
	}

	id, status := c.vm.metrics.define(c.u32(0), name)
	if status != StatusOK {
		return status
	}
	return c.put32(3, id)
}

func (c *hostCall) incrementMetric() Status {
	return c.vm.metrics.increment(c.u32(0), int64(c.args[1]))
}

func (c *hostCall) recordMetric() Status { return c.vm.metrics.record(c.u32(0), c.args[1]) }

func (c *hostCall) getMetric() Status {
	value, status := c.vm.metrics.get(c.u32(0))
	if status != StatusOK {
		return status
	}
	return c.put64(1, value)
}

func (c *hostCall) setEffectiveContext() Status {
	other, ok := c.vm.contexts[c.u32(0)]
	if !ok {
		return StatusBadArgument
	}

	c.vm.effective = other
	return StatusOK
}

// callForeignFunction knows the one foreign function of Envoy that filters of
// headers use; there are no routes here that it could clear.
func (c *hostCall) callForeignFunction() Status {
	name, ok := c.data(0)
	if !ok {
		return StatusInvalidMemoryAccess
	}
	if name != "clear_route_cache" {
		return StatusNotFound
	}
	return StatusOK
}

const (
	requestStream    = 0
	responseStream   = 1
	downstreamStream = 2
	upstreamStream   = 3
)

func (c *hostCall) continueStream() Status {
	switch c.u32(0) {
	case requestStream, responseStream:
		if s := c.acting.stream; s != nil {
			s.resumed = true
			s.request = nil
		}
		return StatusOK
	case downstreamStream:
		return StatusOK
	case upstreamStream:
		return StatusUnimplemented
	}

	return StatusBadArgument
}

func (c *hostCall) closeStream() Status {
	switch c.u32(0) {
	case requestStream, responseStream:
		if s := c.acting.stream; s != nil {
			s.reset = true
		}
		return StatusOK
	case downstreamStream, upstreamStream:
		return StatusOK
	}
	return StatusBadArgument
}
