// Command lint looks at the templates of a chart, which no other linter reads: the indentation of blocks, tabs, blanks
// at the ends of lines, lines over 160 characters.
//
//	lint templates-folder
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lint templates-folder")
		os.Exit(2)
	}

	faults, err := folder(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}

	for _, f := range faults {
		fmt.Println(f)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
}

func folder(name string) (faults []string, err error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}

	for _, entry := range entries {
		file := filepath.Join(name, entry.Name())

		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}

		for _, f := range template(string(text), entry.Name() == "NOTES.txt") {
			faults = append(faults, file+":"+f)
		}
	}

	return faults, nil
}

const widest = 160

var (
	// What opens a block, ends it, or is between, anywhere in a line.
	keyword = regexp.MustCompile(`\{\{-?\s*(if|range|with|define|block|end|else)\b`)
	begins  = regexp.MustCompile(`^( *)\{\{-?\s*(?:if|range|with|define|block|end|else)\b`)
	// A refusal is one line, and what a user reads is one text, so that it can be searched for.
	message = regexp.MustCompile(`include "wasm-rewrite[.]refuse"|"(?:[^"\\]|\\.){60,}"|[^{}()"]{60,}`)
)

// block is one that is open: where its line is indented to, or -1 if it begins
// inside of a line.
type block struct{ line, indent int }

// template reads one; the lines of notes are text, and as long as it is.
func template(text string, notes bool) (faults []string) {
	var open []block

	for i, line := range strings.Split(text, "\n") {
		number := i + 1
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%d: ", number)+fmt.Sprintf(format, args...))
		}

		switch {
		case strings.Contains(line, "\t"):
			fault("has a tab: indent with blanks")
		case strings.TrimRight(line, " ") != line:
			fault("ends in a blank")
		case !notes && utf8.RuneCountInString(line) > widest && !message.MatchString(line):
			fault("has %d characters, more than %d", utf8.RuneCountInString(line), widest)
		}

		indent := -1
		if m := begins.FindStringSubmatch(line); m != nil {
			indent = len(m[1])
			if indent%2 != 0 {
				fault("is indented by %d blanks: want an even number", indent)
			}
		}

		for _, m := range keyword.FindAllStringSubmatch(line, -1) {
			switch m[1] {
			case "end", "else":
				if len(open) == 0 {
					fault("%s without a block", m[1])
					break
				}

				of := open[len(open)-1]
				if indent >= 0 && of.indent >= 0 && of.indent != indent {
					fault("%s is indented by %d blanks, and the block of line %d by %d", m[1], indent, of.line, of.indent)
				}
				if m[1] == "end" {
					open = open[:len(open)-1]
				}
			default:
				open = append(open, block{number, indent})
			}
			// Only the first of a line is at its indentation.
			indent = -1
		}
	}

	for _, b := range open {
		faults = append(faults, fmt.Sprintf("%d: a block without its end", b.line))
	}

	return faults
}
