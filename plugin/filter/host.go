//go:build wasm

package filter

import (
	"math"
	"unsafe"
)

// Host calls that the SDK does not make as they are needed here. Its metric
// functions panic where the host refuses, which would trap the VM; it copies
// what it reads; and it knows no clock.

type kind uint32

const (
	counter kind = 0
	gauge   kind = 1
)

//go:wasmimport env proxy_get_buffer_bytes
func getBufferBytes(kind, start, size uint32, data, dataSize unsafe.Pointer) uint32

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(kind uint32, name unsafe.Pointer, size uint32, id unsafe.Pointer) uint32

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(id uint32, offset int64) uint32

//go:wasmimport env proxy_record_metric
func proxyRecordMetric(id uint32, value uint64) uint32

//go:wasmimport env proxy_get_header_map_value
func getHeaderMapValue(kind uint32, name unsafe.Pointer, nameSize uint32, value, valueSize unsafe.Pointer) uint32

//go:wasmimport env proxy_get_header_map_pairs
func getHeaderMapPairs(kind uint32, pairs, size unsafe.Pointer) uint32

//go:wasmimport env proxy_add_header_map_value
func addHeaderMapValue(kind uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, valueSize uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
func replaceHeaderMapValue(kind uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, valueSize uint32) uint32

//go:wasmimport env proxy_remove_header_map_value
func removeHeaderMapValue(kind uint32, name unsafe.Pointer, nameSize uint32) uint32

//go:wasmimport env proxy_set_property
func setProperty(path unsafe.Pointer, pathSize uint32, value unsafe.Pointer, valueSize uint32) uint32

//go:wasmimport env proxy_set_tick_period_milliseconds
func setTickPeriod(milliseconds uint32) uint32

//go:wasmimport env proxy_get_current_time_nanoseconds
func currentTimeNanoseconds(result unsafe.Pointer) uint32

const bufferConfiguration = 7

// configuration is the plugin's, as the proxy has it. The SDK reports an empty one as an error, and to compare that is
// to bring the comparison of all types.
func configuration() (config []byte, status uint32) {
	var data *byte
	var size uint32
	status = getBufferBytes(bufferConfiguration, 0, math.MaxInt32, unsafe.Pointer(&data), unsafe.Pointer(&size))
	if status != statusOK {
		return nil, status
	}

	return unsafe.Slice(data, size), status
}

func define(k kind, name string) metric {
	var id uint32
	if proxyDefineMetric(uint32(k), unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(&id)) != 0 {
		return 0
	}
	return metric(id)
}

func increment(m metric, by uint32) {
	if m != 0 {
		proxyIncrementMetric(uint32(m), int64(by))
	}
}

func record(m metric, value uint64) {
	if m != 0 {
		proxyRecordMetric(uint32(m), value)
	}
}

// now is the time in nanoseconds, or 0 where the host does not tell.
func now() (ns uint64) {
	currentTimeNanoseconds(unsafe.Pointer(&ns))
	return ns
}
