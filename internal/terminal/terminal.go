// Package terminal has the words and the writer that all commands print with. What it prints may hold text of others:
// names, paths, log lines. None of it reaches a terminal, or the log of a CI system, as a command.
package terminal

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// List lists words as a sentence does: a, b or c.
func List[S ~string](words []S) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}

	return b.String()
}

// Count counts things: 1 test, 2 tests.
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Where names a place for people: the input, and the workload where it has one.
func Where(in, workload string) string {
	in, workload = Line(in), Line(workload)
	switch {
	case workload == "":
		return in
	case strings.Contains(workload, " "):
		return in + ": " + workload
	}
	return in + ": workload " + workload
}

// longest is how many characters of a value are shown.
const longest = 160

// Cut makes a line of a value and shortens what is too long to show.
func Cut(s string) string {
	return Line(short(s))
}

// Block shows a text of several lines, each with an indent.
func Block(s, indent string) string {
	return indent + strings.ReplaceAll(strings.TrimSuffix(short(s), "\n"), "\n", "\n"+indent)
}

func short(s string) string {
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

// Value shows a value that may be missing.
func Value(s string) string {
	if s == "" {
		return "none"
	}
	return Cut(s)
}

// JSON writes a report for programs. What may end on a terminal is escaped in JSON's own way, so it means the same.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(New(w))
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
