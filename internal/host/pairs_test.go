package host

import (
	"bytes"
	"slices"
	"testing"
)

func FuzzPairs(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0})
	f.Add(marshalPairs([]Header{{Name: ":path", Value: "/"}, {Name: "x", Value: ""}, {Name: "", Value: "\x00"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := unmarshalPairs(b)
		if len(list) > 0 && !bytes.Equal(marshalPairs(list), b) {
			t.Errorf("%q reads as %q, which is written %q", b, list, marshalPairs(list))
		}
		// Any bytes are good names and values.
		h := Header{Name: string(b), Value: string(b[:len(b)/2])}
		if back := unmarshalPairs(marshalPairs([]Header{h, h})); len(b) < 1000 && !slices.Equal(back, []Header{h, h}) {
			t.Errorf("%q twice came back as %q", h, back)
		}
	})
}

func TestListsBeyondEnvoysBoundsAreEmpty(t *testing.T) {
	for _, c := range []struct {
		name string
		list []Header
		want int
	}{
		{"1,024 pairs", make([]Header, 1024), 1024},
		{"1,025 pairs", make([]Header, 1025), 0},
		{"1 MiB", []Header{{Name: "", Value: string(make([]byte, 1<<20-14))}}, 1},
		{"more than 1 MiB", []Header{{Name: "", Value: string(make([]byte, 1<<20-13))}}, 0},
	} {
		if got := len(unmarshalPairs(marshalPairs(c.list))); got != c.want {
			t.Errorf("%s: %d pairs, want %d", c.name, got, c.want)
		}
	}
}
