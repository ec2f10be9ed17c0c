package source

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Document is one document of a file.
type Document struct {
	Text   []byte // as it is written, without the line that begins it
	Places *Map
}

// Error is a text that is not the YAML that is wanted.
type Error struct {
	Place
	Reason  string
	Written string // the whole line
}

func (e *Error) Error() string { return e.Place.String() + ": " + e.Reason }

// Shown is the line that is wrong, with a mark below the column.
func (e *Error) Shown() string {
	if e.Line == 0 || e.Written == "" {
		return ""
	}

	var text, mark strings.Builder
	for i, c := range e.Written {
		switch {
		case i > maxShown:
			continue
		case c == '\t':
			c = '→'
		case !unicode.IsPrint(c):
			c = '�'
		}
		text.WriteRune(c)
		if i < e.Column-1 {
			mark.WriteByte(' ')
		}
	}

	number := strconv.Itoa(e.Line)
	shown := "  " + number + " | " + text.String()
	if e.Column > 0 && e.Column <= maxShown {
		shown += "\n  " + strings.Repeat(" ", len(number)) + " | " + mark.String() + "^"
	}

	return shown
}

// maxShown is how much of a line is shown.
const maxShown = 160

// Errors are all that is wrong with a text.
type Errors []*Error

// Error says all of it, with the lines.
func (e Errors) Error() string {
	var all []string
	for _, one := range e {
		all = append(all, one.Error())
		if shown := one.Shown(); shown != "" {
			all = append(all, shown)
		}
	}
	return strings.Join(all, "\n")
}

// Parse splits a text into its documents and finds the places of all keys. The
// error is of type Errors.
func Parse(file string, data []byte) (docs []Document, err error) {
	var errs Errors

	lines := strings.Split(string(data), "\n")
	for _, part := range split(data) {
		r := reader{file: file, above: part.above, made: map[*yaml.Node]*Map{}}
		r.lines = strings.Split(string(part.text), "\n")
		r.cut = func(text Place, first, rest string) {
			errs = append(errs, &Error{Place: text, Written: line(lines, text.Line), Reason: inBraces + quoted(first+","+rest)})
		}
		r.twice = func(key, first Place, name string) {
			errs = append(errs, &Error{Place: key, Written: line(lines, key.Line),
				Reason: fmt.Sprintf("the key %s is here a second time; it is in line %d already: keep one of them", name, first.Line)})
		}
		r.misread = func(key, first Place, name, written string) {
			errs = append(errs, &Error{Place: key, Written: line(lines, key.Line),
				Reason: fmt.Sprintf("YAML reads this key as %s, which is in line %d already: write it in quotes, %q", name, first.Line, written)})
		}
		r.none = func(key Place, written string) {
			errs = append(errs, &Error{Place: key, Written: line(lines, key.Line),
				Reason: fmt.Sprintf("YAML does not read this key as text: write it in quotes, %q", written)})
		}

		// The nodes of the text, or what is wrong with it in people's words.
		var root yaml.Node
		if err := yaml.Unmarshal(part.text, &root); err != nil {
			e := explain(err, part.text)
			e.File, e.Line = file, e.Line+part.above
			e.Written = line(lines, e.Line)
			errs = append(errs, e)
			continue
		}

		doc := Document{Text: part.text}
		if len(root.Content) > 0 {
			doc.Places = r.value(root.Content[0], r.at(root.Content[0]))
		}

		docs = append(docs, doc)
	}
	if len(errs) > 0 {
		return nil, errs
	}

	return docs, nil
}

func line(lines []string, number int) string {
	if number < 1 || number > len(lines) {
		return ""
	}
	return strings.TrimRight(lines[number-1], "\r")
}

// part is the text of a document.
type part struct {
	text  []byte
	above int // lines of the file before it
}

// split cuts a stream of YAML at its lines that begin with ---.
func split(data []byte) (parts []part) {
	start, above, number := 0, 0, 0
	for at := 0; at < len(data); number++ {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}

		line := data[at:end]
		if bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || strings.ContainsRune(" \t\r\n", rune(line[3]))) {
			parts = append(parts, part{data[start:at], above})
			start, above = at+3, number
		}

		at = end
	}

	return append(parts, part{data[start:], above})
}
