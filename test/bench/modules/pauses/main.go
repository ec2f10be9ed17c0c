//go:build wasm

// Command pauses is the filter as it ships, with a watch on the garbage
// collector: it logs each callback of a stream in which a collection ran, and
// how long it took. TinyGo's collector has no hook and counts nothing, so the
// watch looks for what it leaves behind.
package main

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"unsafe"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/filter"
)

func main() {}

func init() { proxywasm.SetVMContext(vm{filter.NewVMContext()}) }

type vm struct{ types.VMContext }

// OnVMStart refuses to start where a collection would not be seen.
func (v vm) OnVMStart(size int) types.OnVMStartStatus {
	live = new(object)
	if !seesCollections() {
		proxywasm.LogCritical("pauses: what a collection leaves in an object's header is not what TinyGo's runtime.MemStats tell: its collector is not " +
			"the one that this was written for")
		return types.OnVMStartStatusFailed
	}
	return v.VMContext.OnVMStart(size)
}

func (v vm) NewPluginContext(contextID uint32) types.PluginContext {
	return plugin{v.VMContext.NewPluginContext(contextID)}
}

type plugin struct{ types.PluginContext }

// OnPluginStart forces a collection once the rules are in force, for runs in
// which none comes by itself.
func (p plugin) OnPluginStart(size int) types.OnPluginStartStatus {
	status := p.PluginContext.OnPluginStart(size)
	began := now()
	runtime.GC()
	tell("forced", began)
	return status
}

// object is one block of the heap; live stays reachable, so each collection
// marks it. To mark an object is to put it on a list through the first word of
// its header, which lies one block before it, and of which nobody takes notice
// between two collections (src/runtime/gc_blocks.go: objHeader, markRoot).
type object [16]byte

var live *object

// unmarked is not an address of an object: they are multiples of 16.
const unmarked = 1

func header() *uintptr {
	return (*uintptr)(unsafe.Pointer(uintptr(unsafe.Pointer(live)) - unsafe.Sizeof(object{})))
}

func arm() { atomic.StoreUintptr(header(), unmarked) }

func collected() bool { return atomic.LoadUintptr(header()) != unmarked }

var garbage *[64]byte

// seesCollections leaves garbage until the collector comes for it, which is
// when objects are freed, and not before.
func seesCollections() bool {
	var began, stats runtime.MemStats
	arm()
	runtime.ReadMemStats(&began)
	for range began.Sys / uint64(len(garbage)) {
		garbage = new([len(garbage)]byte)
		runtime.ReadMemStats(&stats)
		if ran := stats.Frees != began.Frees; ran || collected() {
			return ran && collected()
		}
	}
	return false
}

//go:wasmimport env proxy_get_current_time_nanoseconds
func currentTimeNanoseconds(result unsafe.Pointer) uint32

func now() (ns uint64) {
	currentTimeNanoseconds(unsafe.Pointer(&ns))
	return ns
}

func tell(which string, began uint64) {
	ended := now()
	proxywasm.LogWarn(which + " collection until " + strconv.FormatUint(ended, 10) + " ns, " + strconv.FormatUint(ended-began, 10) + " ns long")
}

// before and after stand around a callback.
func before() (began uint64) {
	arm()
	return now()
}

func after(began uint64) {
	if collected() {
		tell("natural", began)
	}
}

// The filter's own callbacks; the toolchain gives the timed ones the names of the ABI.

//export filter_on_context_create
func filterContextCreate(contextID, parentID uint32)

//export filter_on_request_headers
func filterRequestHeaders(contextID, headers, end uint32) uint32

//export filter_on_response_headers
func filterResponseHeaders(contextID, headers, end uint32) uint32

//export filter_on_delete
func filterDelete(contextID uint32)

//export timed_on_context_create
func onContextCreate(contextID, parentID uint32) {
	if live == nil { // a plugin's context, which comes before the VM's start
		filterContextCreate(contextID, parentID)
		return
	}
	began := before()
	filterContextCreate(contextID, parentID)
	after(began)
}

//export timed_on_request_headers
func onRequestHeaders(contextID, headers, end uint32) uint32 {
	began := before()
	action := filterRequestHeaders(contextID, headers, end)
	after(began)
	return action
}

//export timed_on_response_headers
func onResponseHeaders(contextID, headers, end uint32) uint32 {
	began := before()
	action := filterResponseHeaders(contextID, headers, end)
	after(began)
	return action
}

//export timed_on_delete
func onDelete(contextID uint32) {
	began := before()
	filterDelete(contextID)
	after(began)
}
