package terminal

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Writer writes what people read to a terminal, or to the log of a CI system. Whatever text of others is in it, it moves no
// cursor, changes no title and is not a command of a workflow: control characters are written as escapes, and so is the
// beginning of a line that GitHub would take for a command, as ::error.
type Writer struct {
	to      io.Writer
	begun   bool   // something is written on this line already
	partial []byte // of a character that is not whole yet
}

// New makes a Writer.
func New(to io.Writer) *Writer { return &Writer{to: to} }

// Write writes a text, which may end anywhere. It reports the bytes that it was given, not those that they became.
func (w *Writer) Write(text []byte) (int, error) {
	var out bytes.Buffer
	rest := slices.Concat(w.partial, text)

	w.partial = nil
	for len(rest) > 0 {
		if !utf8.FullRune(rest) {
			w.partial = bytes.Clone(rest)
			break
		}

		r, size := utf8.DecodeRune(rest)
		w.rune(&out, r, rest, size)
		rest = rest[size:]
	}
	if _, err := w.to.Write(out.Bytes()); err != nil {
		return 0, err
	}

	return len(text), nil
}

// Flush writes what is left of a text that ends in the middle of a character.
func (w *Writer) Flush() error {
	left := w.partial
	w.partial = nil

	var out bytes.Buffer
	for _, b := range left {
		fmt.Fprintf(&out, `\x%02x`, b)
	}

	_, err := w.to.Write(out.Bytes())
	return err
}

// rune writes the character at the head of rest.
func (w *Writer) rune(out *bytes.Buffer, r rune, rest []byte, size int) {
	switch {
	case r == '\n':
		w.begun = false
		out.WriteByte('\n')
		return
	case r == ' ' || r == '\t':
		out.WriteByte(byte(r))
		return
	case r == ':' && !w.begun && (len(rest) == 1 || rest[1] == ':'), r == '#' && bytes.HasPrefix(rest, []byte("##[")):
		fmt.Fprintf(out, `\u%04x`, r)
	case r == utf8.RuneError && size == 1:
		fmt.Fprintf(out, `\x%02x`, rest[0])
	case unsafe(r):
		escape(out, r)
	default:
		out.WriteRune(r)
	}

	w.begun = true
}

// unsafe reports whether a character does something else than show itself: C0, DEL and C1, what breaks a line elsewhere, and
// what is not seen or turns the direction of the text around.
func unsafe(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// escape writes a character as JSON does, too.
func escape(out *bytes.Buffer, r rune) {
	if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
		fmt.Fprintf(out, `\u%04x\u%04x`, high, low)
		return
	}
	fmt.Fprintf(out, `\u%04x`, r)
}

// Line makes one line, and one cell of a table, of a text of others: it shows as the Writer would show it later, so that
// columns stay where they are, and its line breaks and tabs are escaped, too.
func Line(text string) string {
	var line bytes.Buffer
	w := &Writer{to: &line, begun: true}

	_, _ = w.Write([]byte(breaks.Replace(text))) // a buffer takes everything
	_ = w.Flush()

	return line.String()
}

var breaks = strings.NewReplacer("\r", `\r`, "\n", `\n`, "\t", `\t`)
