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

// headerMap returns the map of argument 0; nil if there is none at this time.
func (c *hostCall) headerMap() *HeaderMap {
	if s := c.acting.stream; s != nil {
		switch c.u32(0) {
		case requestHeaders:
			return s.request
		case responseHeaders:
			return s.response
		}
	}
	return nil
}

// readable is headerMap, and for proxy_on_log both maps once more.
func (c *hostCall) readable() *HeaderMap {
	if s := c.acting.stream; s != nil && s.ended {
		switch c.u32(0) {
		case requestHeaders:
			return s.endRequest
		case responseHeaders:
			return s.endResponse
		}
	}
	return c.headerMap()
}

func (c *hostCall) getHeader() Status {
	m := c.readable()

	name, ok := c.data(1)
	switch {
	case c.u32(0) > maxMapType:
		return StatusBadArgument
	case !ok:
		return StatusInvalidMemoryAccess
	case m == nil:
		return StatusBadArgument
	}

	value, found := m.Get(name)
	if !found {
		return StatusNotFound
	}

	return c.give(3, value)
}

// edit runs f on the map of argument 0 with the name in arguments 1 and 2.
func (c *hostCall) edit(f func(m *HeaderMap, name string) Status) Status {
	m := c.headerMap()

	name, ok := c.data(1)
	switch {
	case c.u32(0) > maxMapType:
		return StatusBadArgument
	case !ok:
		return StatusInvalidMemoryAccess
	case m == nil:
		return StatusBadArgument
	}

	return f(m, name)
}

func (c *hostCall) addHeader() Status {
	return c.edit(func(m *HeaderMap, name string) Status {
		value, ok := c.data(3)
		if !ok {
			return StatusInvalidMemoryAccess
		}
		m.Add(name, value)
		return StatusOK
	})
}

func (c *hostCall) setHeader() Status {
	return c.edit(func(m *HeaderMap, name string) Status {
		value, ok := c.data(3)
		if !ok {
			return StatusInvalidMemoryAccess
		}
		m.Set(name, value)
		return StatusOK
	})
}

func (c *hostCall) removeHeader() Status {
	return c.edit(func(m *HeaderMap, name string) Status {
		m.Remove(name)
		return StatusOK
	})
}

// getHeaders gives an empty list where there is no map.
func (c *hostCall) getHeaders() Status {
	if c.u32(0) > maxMapType {
		return StatusBadArgument
	}

	m := c.readable()
	if m == nil || m.Len() == 0 {
		return c.give(1, "")
	}
	return c.give(1, string(marshalPairs(m.All())))
}

func (c *hostCall) setHeaders() Status {
	if c.u32(0) > maxMapType {
		return StatusBadArgument
	}

	m := c.headerMap()
	data, ok := c.data(1)
	if !ok {
		return StatusInvalidMemoryAccess
	}
	if m == nil {
		return StatusBadArgument
	}
	m.Replace(unmarshalPairs([]byte(data)))

	return StatusOK
}

func (c *hostCall) headersSize() Status {
	m := c.headerMap()
	if m == nil {
		return StatusBadArgument
	}
	return c.put32(1, uint32(m.Size()))
}

const (
	requestBody         = 0
	responseBody        = 1
	httpCallBody        = 4
	pluginConfiguration = 7
	maxBufferType       = 8
)

// buffer returns the content of the buffer of argument 0; most are empty here,
// some are not found instead.
func (c *hostCall) buffer() ([]byte, Status) {
	switch c.u32(0) {
	case requestBody, responseBody:
		if body := c.body(); body != nil {
			return *body, StatusOK
		}
	case pluginConfiguration:
		if root := c.acting.root; root != nil && root.config != nil {
			return *root.config, StatusOK
		}
		return nil, StatusNotFound
	case httpCallBody:
		return nil, StatusNotFound
	}
	if c.u32(0) > maxBufferType {
		return nil, StatusBadArgument
	}

	return nil, StatusOK
}

// body returns the body of argument 0 that a body callback may read and write;
// nil outside of one.
func (c *hostCall) body() *[]byte {
	if s := c.acting.stream; s != nil {
		switch c.u32(0) {
		case requestBody:
			return s.requestBody
		case responseBody:
			return s.responseBody
		}
	}
	return nil
}

func (c *hostCall) bufferStatus() Status {
	b, status := c.buffer()
	if status != StatusOK {
		return status
	}
	if status := c.put32(1, uint32(len(b))); status != StatusOK {
		return status
	}
	return c.put32(2, 0)
}

func (c *hostCall) getBuffer() Status {
	b, status := c.buffer()
	if status != StatusOK {
		return status
	}

	start, end := uint64(c.u32(1)), uint64(c.u32(1))+uint64(c.u32(2))
	size := uint64(len(b))
	return c.give(3, string(b[min(start, size):min(end, size)]))
}

// setBuffer prepends, appends or replaces the whole, as start and size say;
// Envoy knows nothing else.
func (c *hostCall) setBuffer() Status {
	_, status := c.buffer()
	if status != StatusOK {
		return status
	}

	data, ok := c.data(3)
	if !ok {
		return StatusInvalidMemoryAccess
	}

	body := c.body()
	if body == nil {
		return StatusBadArgument
	}

	start, size, length := int(c.u32(1)), int(c.u32(2)), len(*body)
	switch {
	case start == 0 && size == 0:
		*body = append([]byte(data), *body...)
	case start == 0 && size >= length:
		*body = []byte(data)
	case start > 0 && start >= length:
		*body = append(*body, data...)
	default:
		return StatusBadArgument
	}

	return StatusOK
}

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
