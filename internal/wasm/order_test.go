package wasm

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// decoded parses hexadecimal digits with blanks.
func decoded(t *testing.T, text string) []byte {
	t.Helper()

	data, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}

	return data
}

// Three functions of two types after one import. The first calls the import and the third, the third is what the
// module starts with, the second is exported and in the table.
const before = `
	0061736d 01000000
	01 08 02  60 00 00  60 00 01 7f
	02 07 01  01 65 01 66 00 00
	03 04 03  00 01 00
	04 04 01  70 00 01
	05 03 01  00 01
	07 09 02  01 6d 02 00  01 78 00 02
	08 01 03
	09 07 01  00 41 00 0b 01 02
	0a 15 03  09 00 10 00 10 03 41 10 1a 0b  06 01 01 7f 41 10 0b  02 00 0b`

// The third function comes first. What looks like a call, the constant 16, stays.
const after = `
	0061736d 01000000
	01 08 02  60 00 00  60 00 01 7f
	02 07 01  01 65 01 66 00 00
	03 04 03  00 00 01
	04 04 01  70 00 01
	05 03 01  00 01
	07 09 02  01 6d 02 00  01 78 00 03
	08 01 01
	09 07 01  00 41 00 0b 01 03
	0a 15 03  02 00 0b  09 00 10 00 10 01 41 10 1a 0b  06 01 01 7f 41 10 0b`

func TestReorder(t *testing.T) {
	in := decoded(t, before)

	got, err := Reorder(in, []int{3})
	if err != nil {
		t.Fatal(err)
	}
	if want := decoded(t, after); !bytes.Equal(got, want) {
		t.Errorf("got\n%x\nwant\n%x", got, want)
	}

	same, err := Reorder(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(same, in) {
		t.Errorf("with nothing to put first it became\n%x\nwant\n%x", same, in)
	}
}

func TestReorderRefuses(t *testing.T) {
	in := decoded(t, before)
	head, _, _ := strings.Cut(before, "0a 15 03")
	unknown := append(decoded(t, head), decoded(t, "0a 07 01  05 00 fd 00 1a 0b")...)

	for _, test := range []struct {
		name  string
		data  []byte
		first []int
		want  string
	}{
		{"no module", []byte("\x7fELF\x02\x01\x01\x00"), nil, "not a WebAssembly module"},
		{"cut in a section", in[:len(in)-1], nil, "section 10"},
		{"an instruction that is not known", unknown, nil, "section 10"},
		{"two sections of functions", decoded(t, "0061736d 01000000  03 02 01 00  03 01 00"), nil, "a second section of functions"},
		{"more functions than bytes", decoded(t, "0061736d 01000000  03 05 ff ff ff ff 0f"), nil, "section 3"},
		{"more bodies than bytes", append(decoded(t, head), decoded(t, "0a 05 ff ff ff ff 0f")...), nil, "section 10"},
		{"an import first", in, []int{0}, "no function 0 to be put first"},
		{"a function that is not there", in, []int{4}, "no function 4 to be put first"},
		{"one named twice", in, []int{2, 2}, "no function 2 to be put first, or it is named twice"},
		{"names", append(decoded(t, before), decoded(t, "00 05 04 6e 61 6d 65")...), nil, "strip them first"},
	} {
		if _, err := Reorder(test.data, test.first); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestBodies(t *testing.T) {
	bodies, err := Bodies(decoded(t, before))
	if err != nil {
		t.Fatal(err)
	}

	want := map[int]Body{1: {2, 9}, 2: {12, 6}, 3: {19, 2}}
	if len(bodies) != len(want) {
		t.Errorf("%v, want %v", bodies, want)
	}

	for index, body := range want {
		if bodies[index] != body {
			t.Errorf("function %d lies at %v, want %v", index, bodies[index], body)
		}
	}
}
