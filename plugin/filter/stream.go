//go:build wasm

package filter

import (
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// What happens once a request is here, next to the SDK: its bookkeeping for
// streams and its copies of what the host hands over cost about as much as the
// rules themselves. The toolchain gives these exports the names of the ABI and
// drops the SDK's; for plugin contexts they call the SDK's.

//export proxy_on_context_create
func sdkContextCreate(contextID, parentID uint32)

//export proxy_on_delete
func sdkDelete(contextID uint32)

// VM-wide tables of what lives in a plugin's own context, and the memory that
// callbacks work in. One is over before the next begins, so it serves all: an
// answer that is sent is made by Envoy after the callback has returned, and were
// it made before, nothing of the pass is looked at after it.
//
// The memory for texts is not the collector's. It walks back from every pointer
// into a block to the block's head, so that a thousand strings in one text of
// 58 KB would cost it seconds.
var (
	plugins table[*plugin]
	streams table[*request]
	arena   allocator
	headers []rewrite.Header // as the host handed them over
	scratch *rewrite.Scratch

	handedOver [blockSize]byte
	memory     rewrite.Memory
)

func init() { scratch = rewrite.NewScratch(&memory) }

const (
	actionContinue = 0
	actionPause    = 1

	mapRequest  = 0
	mapResponse = 2

	statusOK       = 0
	statusNotFound = 1
)

//export filter_on_memory_allocate
func onMemoryAllocate(size uint32) unsafe.Pointer { return arena.take(size) }

//export filter_on_context_create
func onContextCreate(contextID, parentID uint32) {
	if parentID == 0 {
		sdkContextCreate(contextID, 0)
		return
	}
	if p, _ := plugins.get(parentID); p != nil && p.rules != nil {
		streams.put(contextID, p.request())
	}
}

//export filter_on_request_headers
func onRequestHeaders(contextID, _, _ uint32) uint32 {
	r, ok := streams.get(contextID)
	if !ok {
		return actionContinue
	}
	arena.reset()
	r.at = mapRequest
	out := r.stream.Request(r)
	p := r.plugin
	p.count(out.Counts)
	// An answer is sent whatever becomes of the edits: what goes nowhere needs none.
	r.write(out.Edits)
	if out.Answer == nil {
		return actionContinue
	}
	return p.answer(out.Answer)
}

// answer sends a response instead of passing the request on.
//
//go:noinline
func (p *plugin) answer(a *rewrite.Answer) uint32 {
	headers := make([][2]string, 0, len(a.Headers))
	for _, h := range a.Headers {
		headers = append(headers, [2]string{h.Name, h.Value})
	}
	if err := proxywasm.SendHttpResponse(uint32(a.Status), headers, []byte(a.Body), -1); err != nil {
		p.failed("send_local_response", err.Error())
		return actionContinue
	}
	return actionPause
}

//export filter_on_response_headers
func onResponseHeaders(contextID, _, _ uint32) uint32 {
	r, ok := streams.get(contextID)
	if !ok {
		return actionContinue
	}
	arena.reset()
	r.at = mapResponse
	out := r.stream.Response(r)
	r.plugin.count(out.Counts)
	if out.Noted != "" {
		r.plugin.note(out.Noted)
	}
	if out.Answer != nil {
		return r.plugin.answer(out.Answer)
	}
	r.write(out.Edits)
	return actionContinue
}

// note leaves for the proxy's log what became of a response, under the pattern
// header's name: %FILTER_STATE(wasm.NAME:PLAIN)%.
//
//go:noinline
func (p *plugin) note(text string) {
	name, nameSize := bytes(p.rules.PatternHeader())
	value, valueSize := bytes(text)
	if status := setProperty(name, nameSize, value, valueSize); status != statusOK {
		p.failedStatus("set_property", status)
	}
}

//export filter_on_tick
func onTick(contextID uint32) {
	if p, ok := plugins.get(contextID); ok {
		p.counters.tick()
	}
}

//export filter_on_delete
func onDelete(contextID uint32) {
	if r, ok := streams.take(contextID); ok {
		r.stream.Reset()
		r.plugin.keep(r)
		return
	}
	if p, ok := plugins.take(contextID); ok {
		p.counters.flush()
		sdkDelete(contextID)
	}
}

// request is one request and its response.
type request struct {
	plugin *plugin
	stream *rewrite.Stream
	at     uint32 // the header map of the pass at hand
}

// request gives a request that is not in use.
func (p *plugin) request() *request {
	if n := len(p.free); n > 0 {
		r := p.free[n-1]
		p.free = p.free[:n-1]
		return r
	}
	r := &request{plugin: p, stream: p.rules.NewStreamOn(scratch)}
	r.stream.Random = p.random
	return r
}

// maxFree bounds the idle requests; each is a few hundred bytes.
const maxFree = 256

func (p *plugin) keep(r *request) {
	if len(p.free) < maxFree {
		p.free = append(p.free, r)
	}
}

func bytes(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

// Header implements [rewrite.Source].
func (r *request) Header(name string) (value string, found, ok bool) {
	var data *byte
	var size uint32
	text, n := bytes(name)
	switch status := getHeaderMapValue(r.at, text, n, unsafe.Pointer(&data), unsafe.Pointer(&size)); status {
	case statusOK:
		return unsafe.String(data, size), true, true
	case statusNotFound:
		return "", false, true
	default:
		r.plugin.failedStatus("get_header_map_value", status)
		return "", false, false
	}
}

// Headers implements [rewrite.Source]. The host writes the number of pairs,
// the two sizes of each, then names and values with a NUL behind each.
func (r *request) Headers() ([]rewrite.Header, bool) {
	var data *byte
	var size uint32
	if status := getHeaderMapPairs(r.at, unsafe.Pointer(&data), unsafe.Pointer(&size)); status != statusOK {
		r.plugin.failedStatus("get_header_map_pairs", status)
		return nil, false
	}
	text := unsafe.String(data, size)
	if cap(headers) > maxHeaders {
		headers = nil
	}
	list := headers[:0]
	count, ok := number(text, 0)
	if !ok || uint64(count)*8+4 > uint64(size) {
		r.plugin.failed("get_header_map_pairs", "its result is cut short")
		return nil, false
	}
	at := 4 + count*8
	for i := uint32(0); i < count; i++ {
		name, _ := number(text, 4+i*8)
		value, _ := number(text, 8+i*8)
		end := uint64(at) + uint64(name) + uint64(value) + 2
		if end > uint64(size) {
			r.plugin.failed("get_header_map_pairs", "its result is cut short")
			return nil, false
		}
		list = append(list, rewrite.Header{Name: text[at : at+name], Value: text[at+name+1 : at+name+1+value]})
		at = uint32(end)
	}
	headers = list
	return list, true
}

// maxHeaders is how long a list of headers is kept for the next callback.
const maxHeaders = 1 << 10

// number reads 32 bits in little-endian order.
func number(s string, at uint32) (uint32, bool) {
	if uint64(at)+4 > uint64(len(s)) {
		return 0, false
	}
	return uint32(s[at]) | uint32(s[at+1])<<8 | uint32(s[at+2])<<16 | uint32(s[at+3])<<24, true
}

// write makes edits. Where one fails, what was written stays and the rest is
// left out.
func (r *request) write(edits []rewrite.Edit) {
	for i := range edits {
		e := &edits[i]
		name, nameSize := bytes(e.Name)
		value, valueSize := bytes(e.Value)
		call, status := "", uint32(statusOK)
		switch e.Kind {
		case rewrite.EditSet:
			call, status = "replace_header_map_value", replaceHeaderMapValue(r.at, name, nameSize, value, valueSize)
		case rewrite.EditAdd:
			call, status = "add_header_map_value", addHeaderMapValue(r.at, name, nameSize, value, valueSize)
		case rewrite.EditRemove:
			call, status = "remove_header_map_value", removeHeaderMapValue(r.at, name, nameSize)
		}
		if status != statusOK {
			r.plugin.failedStatus(call, status)
			return
		}
	}
}

// allocator hands out the memory that the host fills during one callback.
type allocator struct{ used uint32 }

// blockSize holds all that a request hands over at Envoy's default limit of 60
// KiB: its headers, and its path alone. What a larger limit brings beyond it is
// the collector's.
const blockSize = 160 << 10

func (a *allocator) reset() { a.used = 0 }

func (a *allocator) take(size uint32) unsafe.Pointer {
	start := (a.used + 7) &^ 7
	if size > blockSize || start > blockSize-size {
		return unsafe.Pointer(unsafe.SliceData(make([]byte, max(size, 1))))
	}
	a.used = start + size
	return unsafe.Pointer(&handedOver[start])
}

// table finds what belongs to a context by the context's number. The host
// counts contexts up, so a number's low bits are its place, or nearly.
type table[T any] struct {
	slots []slot[T]
	used  int
}

type slot[T any] struct {
	id    uint32 // 0: free
	value T
}

func (t *table[T]) find(id uint32) (at int, ok bool) {
	mask := len(t.slots) - 1
	for at = int(id) & mask; t.slots[at].id != 0; at = (at + 1) & mask {
		if t.slots[at].id == id {
			return at, true
		}
	}
	return at, false
}

func (t *table[T]) get(id uint32) (value T, ok bool) {
	if t.used == 0 {
		return value, false
	}
	at, ok := t.find(id)
	if ok {
		value = t.slots[at].value
	}
	return value, ok
}

func (t *table[T]) put(id uint32, value T) {
	if t.used*2 >= len(t.slots) {
		t.resize(max(minSlots, 2*len(t.slots)))
	}
	at, ok := t.find(id)
	if !ok {
		t.used++
	}
	t.slots[at] = slot[T]{id, value}
}

const minSlots = 64

func (t *table[T]) resize(slots int) {
	old := t.slots
	t.slots = make([]slot[T], slots)
	for _, s := range old {
		if s.id != 0 {
			at, _ := t.find(s.id)
			t.slots[at] = s
		}
	}
}

// take removes a value and closes the gap that it leaves.
func (t *table[T]) take(id uint32) (value T, ok bool) {
	if t.used == 0 {
		return value, false
	}
	at, ok := t.find(id)
	if !ok {
		return value, false
	}
	value = t.slots[at].value
	t.used--
	mask := len(t.slots) - 1
	gap := at
	for next := (gap + 1) & mask; t.slots[next].id != 0; next = (next + 1) & mask {
		home := int(t.slots[next].id) & mask
		if (next-home)&mask >= (next-gap)&mask {
			t.slots[gap] = t.slots[next]
			gap = next
		}
	}
	t.slots[gap] = slot[T]{}
	// What a crowd needed is given back once it has gone.
	if len(t.slots) > minSlots && t.used*8 < len(t.slots) {
		t.resize(len(t.slots) / 2)
	}
	return value, true
}
