package filter

import "unsafe"

// The SDK's metric functions panic where the host refuses, which would trap
// the VM; these leave the metric out instead.

type kind uint32

const (
	counter kind = 0
	gauge   kind = 1
)

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(kind uint32, name unsafe.Pointer, size uint32, id unsafe.Pointer) uint32

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(id uint32, offset int64) uint32

//go:wasmimport env proxy_record_metric
func proxyRecordMetric(id uint32, value uint64) uint32

func define(k kind, name string) metric {
	var id uint32
	if proxyDefineMetric(uint32(k), unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(&id)) != 0 {
		return 0
	}
	return metric(id)
}

func increment(m metric) {
	if m != 0 {
		proxyIncrementMetric(uint32(m), 1)
	}
}

func record(m metric, value uint64) {
	if m != 0 {
		proxyRecordMetric(uint32(m), value)
	}
}
