package host

import "encoding/binary"

// Header lists cross the boundary in one piece: the number of pairs, then the
// lengths of each name and value, all as little-endian uint32, then the names
// and values themselves, each ended by a NUL.

// Envoy takes a list that breaks either bound for an empty one.
const (
	maxPairs      = 1024
	maxPairsBytes = 1 << 20
)

func marshalPairs(list []Header) []byte {
	size := 4
	for _, h := range list {
		size += 8 + len(h.Name) + 1 + len(h.Value) + 1
	}

	b := make([]byte, 0, size)

	b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
	for _, h := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(h.Name)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(h.Value)))
	}

	for _, h := range list {
		b = append(append(b, h.Name...), 0)
		b = append(append(b, h.Value...), 0)
	}

	return b
}

// unmarshalPairs returns an empty list for data that is not exactly one list
// within the bounds; there is no error, as in Envoy.
func unmarshalPairs(b []byte) []Header {
	if len(b) < 4 || len(b) > maxPairsBytes {
		return nil
	}

	n := uint64(binary.LittleEndian.Uint32(b))
	if n > maxPairs || 4+8*n > uint64(len(b)) {
		return nil
	}

	sizes, rest := b[4:4+8*n], b[4+8*n:]
	next := func() (string, bool) {
		size := uint64(binary.LittleEndian.Uint32(sizes))
		if size+1 > uint64(len(rest)) || rest[size] != 0 {
			return "", false
		}

		s := string(rest[:size])
		sizes, rest = sizes[4:], rest[size+1:]
		return s, true
	}

	list := make([]Header, n)
	for i := range list {
		var ok bool
		if list[i].Name, ok = next(); !ok {
			return nil
		}
		if list[i].Value, ok = next(); !ok {
			return nil
		}
	}
	if len(rest) != 0 {
		return nil
	}

	return list
}
