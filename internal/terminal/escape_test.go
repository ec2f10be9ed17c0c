package terminal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestTextOfOthersIsNoCommand(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"plain text", "workload checkout: 陽明, é → ü…\n\tindented\n", "workload checkout: 陽明, é → ü…\n\tindented\n"},
		{"an escape sequence", "\x1b[31mred\x1b[0m\a\b\x7f", `\u001b[31mred\u001b[0m\u0007\u0008\u007f`},
		{"a carriage return", "fine\rFAIL", `fine\u000dFAIL`},
		{"C1 in UTF-8", "\u009b31m \u0085 \u0090", `\u009b31m \u0085 \u0090`},
		{"C1 as a byte, and other bytes that are no UTF-8", "\x9b31m \xff \xc3(", `\x9b31m \xff \xc3(`},
		{"text that turns around", "user\u202e\u2066 \u2028 \u2029", `user\u202e\u2066 \u2028 \u2029`},
		{"text that is not seen", "a\u200bb\u00ad\ufeff\U000e0041", `a\u200bb\u00ad\ufeff\udb40\udc41`},
		{"a command of a workflow", "::error file=x::oops\n  ::set-output name=a::b\n", "\\u003a:error file=x::oops\n  \\u003a:set-output name=a::b\n"},
		{"an old command of a workflow, anywhere", "name ##[add-path]/tmp ## [x]", `name \u0023#[add-path]/tmp ## [x]`},
		{"colons elsewhere", "a::b: c\n", "a::b: c\n"},
		{"one colon at the start of a line", ":path: /\n", ":path: /\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var whole, bytewise bytes.Buffer
			w := New(&whole)
			if n, err := w.Write([]byte(c.text)); n != len(c.text) || err != nil {
				t.Errorf("wrote %d of %d bytes: %v", n, len(c.text), err)
			}

			one := New(&bytewise)
			for i := range len(c.text) {
				if _, err := one.Write([]byte{c.text[i]}); err != nil {
					t.Fatal(err)
				}
			}

			for _, flush := range []*Writer{w, one} {
				if err := flush.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			if whole.String() != c.want {
				t.Errorf("got %q, want %q", whole.String(), c.want)
			}
			// What follows is not known yet, so more is escaped.
			if !strings.Contains(c.text, "##[") && !strings.HasPrefix(c.text, ":path") && bytewise.String() != c.want {
				t.Errorf("byte by byte got %q, want %q", bytewise.String(), c.want)
			}
		})
	}
}

// Programs read the same from JSON, escaped or not.
func TestJSONStaysWhatItMeans(t *testing.T) {
	want := map[string]string{"\u009bname": "a\x1b[1m\u202e::b\n::c\x7f##[x]\u200b\U000e0041"}
	var out bytes.Buffer
	if err := JSON(New(&out), want); err != nil {
		t.Fatal(err)
	}

	for _, r := range out.String() {
		if unsafe(r) && r != '\n' {
			t.Errorf("%q has %q", out.String(), r)
		}
	}
	var got map[string]string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got["\u009bname"] != want["\u009bname"] {
		t.Errorf("%v, %q", err, got)
	}
}

func TestALineOfOthersStaysOne(t *testing.T) {
	if got, want := Line("a\r\n::b\tc\v\f\x1b\u009bd\xffe\xc3"), `a\r\n::b\tc\u000b\u000c\u001b\u009bd\xffe\xc3`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
