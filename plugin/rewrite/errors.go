package rewrite

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is one thing that is wrong with a configuration.
type Error struct {
	Path   string // the place as the user typed it: patterns[2].match.path.regex; empty for the whole text
	Value  string // the value found, as JSON, cut at 80 bytes; empty where something is missing
	Reason string // why it is refused and what to write instead

	at *place
}

func (e *Error) Error() string {
	s := e.Reason
	if e.Value != "" {
		s = e.Value + ": " + s
	}
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	return s
}

// Errors are all faults of one configuration, in the order of the keys of the
// rule language: lists by index, maps by name, unknown keys last.
type Errors []*Error

// Error gives one fault a line.
func (e Errors) Error() string {
	var b strings.Builder
	for i, one := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(one.Error())
	}
	return b.String()
}

// faults collects errors while a configuration is parsed and compiled.
type faults struct {
	list      Errors
	misreadAt map[string]bool // the places of those of form
	misreadIn map[string]bool // these places and all around them
	more      int             // faults beyond maxFaults
}

// settle ends the parsing: the faults so far are of form.
func (f *faults) settle() {
	f.misreadAt, f.misreadIn = map[string]bool{}, map[string]bool{}
	for _, e := range f.list {
		f.misreadAt[e.Path] = true
		for p := e.at; p != nil; p = p.up {
			f.misreadIn[p.String()] = true
		}
	}
}

// add collects one fault. What is said of a place whose form is wrong already
// would only follow from that, and is left out.
func (f *faults) add(at *place, value, reason string) {
	if len(f.list) >= maxFaults {
		f.more++
	} else if !f.misread(at) {
		f.list = append(f.list, &Error{Path: at.String(), Value: value, Reason: visible(reason), at: at})
	}
}

// misread reports whether a fault of form has been found at a place or around it.
func (f *faults) misread(at *place) bool {
	if len(f.misreadAt) == 0 {
		return false
	}

	for p := at; p != nil; p = p.up {
		if f.misreadAt[p.String()] {
			return true
		}
	}
	return false
}

// missing collects that nothing useful is at a place, unless something
// there could not be read.
func (f *faults) missing(at *place, reason string) {
	if !f.misreadIn[at.String()] {
		f.add(at, "", reason)
	}
}

// err gives the collected faults in order, or nil.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}

	language := Language()
	for _, e := range f.list {
		e.at.rank(language)
	}

	list := make(Errors, 0, len(f.list))
	for _, i := range ordered(len(f.list), func(a, b int) bool { return f.list[a].at.compare(f.list[b].at) < 0 }) {
		list = append(list, f.list[i])
	}

	f.list = list
	if more := len(f.list) - MaxErrors + f.more; more > 0 {
		f.list = append(f.list[:MaxErrors], &Error{Reason: "and " + strconv.Itoa(more) + " more"})
	}

	return f.list
}

// moves tells the characters that end a line or that a terminal obeys.
func moves(r rune) bool { return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 }

// visible writes what would move a terminal's cursor or end a line of a log as
// escapes: names that a reason quotes are free text.
func visible(s string) string {
	if !strings.ContainsFunc(s, moves) {
		return s
	}

	var b strings.Builder
	for _, r := range s {
		if moves(r) {
			b.Write(appendEscape(nil, r))
		} else {
			b.WriteRune(r)
		}
	}

	return b.String()
}

const maxShown = 80

// quoted shows a string in an error.
func quoted(s string) string {
	if len(s) > maxShown {
		cut := maxShown
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		return quote(s[:cut]) + "…"
	}
	return quote(s)
}

// place is where in a configuration something stands.
type place struct {
	up    *place
	isKey bool
	name  string // of a key
	index int    // of a list element; of a key its rank among those of its object, once that is known
}

// unknownRank puts unknown keys behind all known ones.
const unknownRank = 1 << 30

// key is the place of a key of the object at p.
func (p *place) key(name string) *place { return &place{up: p, isKey: true, name: name} }

// rank finds where the keys on the way to a place come among those of their
// objects, and gives the type of the place, nil where anything may be.
func (p *place) rank(root *Type) *Type {
	if p.up == nil {
		return root
	}

	in := p.up.rank(root)
	if in == nil {
		return nil
	}
	if !p.isKey || in.Form == Map {
		return in.Elem
	}

	p.index = unknownRank
	for i := range in.Keys {
		if in.Keys[i].Name == p.name {
			p.index = i
			return in.Keys[i].Type
		}
	}

	return nil
}

// item is the place of an element of the list at p.
func (p *place) item(i int) *place {
	return &place{up: p, index: i}
}

func (p *place) String() string {
	if p.up == nil {
		return ""
	}

	up := p.up.String()
	switch {
	case !p.isKey:
		return up + "[" + strconv.Itoa(p.index) + "]"
	case !plainName(p.name):
		return up + "[" + quoted(p.name) + "]"
	case up == "":
		return p.name
	}

	return up + "." + p.name
}

// plainName reports whether a name can stand behind a dot in a path.
func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

func (p *place) depth() int {
	n := 0
	for ; p != nil; p = p.up {
		n++
	}
	return n
}

// compare orders two places as the rule language lists them.
func (p *place) compare(q *place) int {
	dp, dq := p.depth(), q.depth()

	a, b := p, q
	for i := dp; i > dq; i-- {
		a = a.up
	}

	for i := dq; i > dp; i-- {
		b = b.up
	}

	order := 0
	for a != b {
		if a.index != b.index {
			order = a.index - b.index
		} else if c := strings.Compare(a.name, b.name); c != 0 {
			order = c
		}

		a, b = a.up, b.up
	}
	if order == 0 {
		return dp - dq
	}

	return order
}

// nearest gives the candidate that s is most likely a misspelling of, or "".
func nearest(s string, candidates []string) string {
	best, bestAt := "", max(1, len(s)/3)
	for _, c := range candidates {
		if strings.EqualFold(s, c) {
			return c
		}
		if d := editDistance(s, c, bestAt); d < bestAt || d == bestAt && best == "" {
			best, bestAt = c, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance of a and b, or limit+1 where it is larger.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}

	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}

	for i := 0; i < len(a); i++ {
		diagonal := row[0]

		row[0] = i + 1
		for j := 0; j < len(b); j++ {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}

			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}

	return min(row[len(b)], limit+1)
}
