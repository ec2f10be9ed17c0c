package rewrite

import "github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/regex"

// finder is a compiled regex.
type finder struct {
	re     *regex.Regex
	groups int      // how many groups it has
	names  []string // of its groups by number; "" for one without

	literal string // every match holds this text; maybe empty
	fold    bool   // in either case; literal is in lower case
	begins  bool   // every match begins at the beginning, and with literal
}

// searcher is what all searches of one thread share: memory to work in, and the
// steps that are left to them. Below zero these are used up, and what is said
// not to be found may be there.
type searcher struct {
	regex.Machine
	steps int
}

// newFinder compiles a regex. It is the only place that does.
func newFinder(expr string, ignoreCase bool) (*finder, string) {
	re, reason := regex.Compile(expr, ignoreCase)
	if reason != "" {
		return nil, reason
	}

	f := &finder{re: re, groups: re.Groups(), names: re.Names()}
	f.literal, f.fold, f.begins = re.Literal()
	return f, ""
}

func (f *finder) match(w *searcher, s string) bool {
	return w.Find(f.re, &w.steps, s, 0, nil)
}

// find gives where the leftmost match and its groups begin and end, or nil.
// buf is used for the result where it is large enough.
func (f *finder) find(w *searcher, s string, buf []int) []int {
	if buf = f.sized(buf); !w.Find(f.re, &w.steps, s, 0, buf) {
		return nil
	}
	return buf
}

// size is how many numbers a match has.
func (f *finder) size() int { return 2 * (f.groups + 1) }

func (f *finder) sized(buf []int) []int {
	if cap(buf) < f.size() {
		return make([]int, f.size())
	}
	return buf[:f.size()]
}

// cursor is how far a walk over all matches has come.
type cursor = regex.Walk

// next gives the next of all matches that do not overlap, from left to right,
// as regexp's FindAll gives them, or nil. buf is used for the result where it
// is large enough.
func (f *finder) next(w *searcher, s string, c *cursor, buf []int) []int {
	if buf = f.sized(buf); !w.Next(f.re, &w.steps, s, c, buf) {
		return nil
	}
	return buf
}
