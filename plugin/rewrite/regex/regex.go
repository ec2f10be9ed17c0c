package regex

import (
	"strconv"
	"strings"
)

// The limits of one regex.
const (
	MaxText    = 1024 // bytes as it is written
	MaxProgram = 2000 // instructions once it is compiled
	MaxNesting = 100  // parentheses inside parentheses
)

// Regex is a compiled regular expression. It is immutable: any number of
// machines may run it.
type Regex struct {
	code  []inst
	text  string  // of the literal instructions
	sets  []set   // what may come next, and what one byte may be
	wide  []class // what one character may be
	names []string

	start    uint16 // where the program begins
	first    set    // what a match may begin with
	anchored bool   // a match begins at the text's beginning
	prefix   string // every match begins with it
	needs    string // every match holds it; "" where prefix says as much
	marks    int    // instructions whose failures are remembered
	loops    int    // of these, the first ones: without them a search might not end
	size     int

	literal literal
}

// Compile makes a regex of its text, or gives the reason why it cannot. With
// fold it takes letters in either case, as if it began with (?i).
//
//go:noinline
func Compile(expr string, fold bool) (*Regex, string) {
	if len(expr) > MaxText {
		return nil, "has " + strconv.Itoa(len(expr)) + " bytes, the limit is " + strconv.Itoa(MaxText)
	}

	p := parser{expr: expr}
	if fold {
		p.flags = flagFold
	}

	root := p.parse()
	if p.reason != "" {
		return nil, p.reason
	}
	if size := p.size(root); size > MaxProgram {
		return nil, "compiles to " + strconv.Itoa(size) + " instructions, the limit is " + strconv.Itoa(MaxProgram) + ": use smaller repeat counts"
	}

	r := assemble(&p, root)
	r.size = p.size(root)

	return r, ""
}

// Size is how many instructions the regex counts for, which is what its memory
// and its compilation are in proportion to.
func (r *Regex) Size() int { return r.size }

// Groups is the number of its groups.
func (r *Regex) Groups() int { return len(r.names) - 1 }

// Names are those of its groups by number, "" for one without; the first is
// that of the whole match.
func (r *Regex) Names() []string { return r.names }

// Literal is text that every match holds, or "". Where begins, every match
// begins at the text's beginning, and with it. Where fold, its letters may be of
// either case; it is ASCII then, and in lower case.
func (r *Regex) Literal() (text string, fold, begins bool) {
	return r.literal.text, r.literal.fold, r.literal.begins
}

// Quote gives a regex that matches a text and nothing else.
func Quote(text string) string {
	var quoted []byte
	for i := 0; i < len(text); i++ {
		if strings.IndexByte(`\.+*?()|[]{}^$`, text[i]) >= 0 {
			quoted = append(quoted, '\\')
		}

		quoted = append(quoted, text[i])
	}
	return string(quoted)
}

// Walk is how far a walk over all matches of a text has come.
type Walk struct {
	from, last int
	started    bool
}

// Next gives the next of all matches that do not overlap, from left to right,
// as regexp's FindAll gives them. loc has room for two numbers at least.
func (m *Machine) Next(r *Regex, steps *int, text string, w *Walk, loc []int) bool {
	for m.Find(r, steps, text, w.from, loc) {
		if loc[1] > w.from {
			w.from = loc[1]
		} else if w.from < len(text) {
			w.from += width(text, w.from)
		} else {
			w.from++
		}

		// An empty match right after another one is none.
		again := w.started && loc[0] == w.last && loc[0] == loc[1]
		w.started, w.last = true, loc[1]
		if !again {
			return true
		}
	}

	return false
}
