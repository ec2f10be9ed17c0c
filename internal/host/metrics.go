package host

// metrics holds what the module counts. A metric belongs to the VM, not to the
// plugin that defined it: defining a name twice gives two ids of one metric.
type metrics struct {
	byID map[uint32]*metric
	all  map[metricKey]*metric
	last [3]uint32 // the last id of each kind
}

type metricKey struct {
	kind uint32
	name string
}

type metric struct{ value uint64 }

// The kinds of metrics; an id has its kind in the lowest two bits.
const (
	counter = iota
	gauge
	histogram
	metricKindMask = 3
)

func (m *metrics) define(kind uint32, name string) (uint32, Status) {
	if kind > histogram {
		return 0, StatusBadArgument
	}
	if m.all == nil {
		m.all, m.byID = map[metricKey]*metric{}, map[uint32]*metric{}
	}

	key := metricKey{kind, name}
	if m.all[key] == nil {
		m.all[key] = &metric{}
	}

	m.last[kind] += metricKindMask + 1
	id := m.last[kind] | kind
	m.byID[id] = m.all[key]

	return id, StatusOK
}

func (m *metrics) increment(id uint32, offset int64) Status {
	kind := id & metricKindMask
	if kind > gauge {
		return StatusBadArgument
	}

	v := m.byID[id]
	if v == nil {
		return StatusNotFound
	}
	if kind == counter && offset <= 0 {
		return StatusBadArgument
	}

	v.value += uint64(offset)

	return StatusOK
}

func (m *metrics) record(id uint32, value uint64) Status {
	v := m.byID[id]
	if v == nil {
		return StatusNotFound
	}

	switch id & metricKindMask {
	case counter:
		v.value += value
	case gauge:
		v.value = value
	case histogram:
		v.value++
	}

	return StatusOK
}

func (m *metrics) get(id uint32) (uint64, Status) {
	if id&metricKindMask > gauge {
		return 0, StatusBadArgument
	}

	v := m.byID[id]
	if v == nil {
		return 0, StatusNotFound
	}
	return v.value, StatusOK
}

func (m *metrics) values() map[string]int64 {
	values := make(map[string]int64, len(m.all))
	for key, v := range m.all {
		values[key.name] = int64(v.value)
	}
	return values
}
