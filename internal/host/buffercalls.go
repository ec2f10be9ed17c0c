package host

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
