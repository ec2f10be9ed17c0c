package host

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

func (c *hostCall) addHeader() Status { return c.write((*HeaderMap).Add) }

func (c *hostCall) setHeader() Status { return c.write((*HeaderMap).Set) }

// write reads the value that a call hands over, and writes it to the header that it names.
func (c *hostCall) write(how func(m *HeaderMap, name, value string)) Status {
	return c.edit(func(m *HeaderMap, name string) Status {
		value, ok := c.data(3)
		if !ok {
			return StatusInvalidMemoryAccess
		}
		how(m, name, value)
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
