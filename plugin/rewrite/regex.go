package rewrite

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"unicode/utf8"
)

const (
	maxRegex   = 1024 // bytes of one regex
	maxProgram = 2000 // instructions of one compiled regex
)

// finder is a compiled regex.
type finder struct {
	re     *regexp.Regexp
	simple *simple // finds the same at less cost; nil where the regex is not simple
	groups int     // how many groups it has

	literal  string // every match holds this text; maybe empty
	anchored bool   // every match begins at the beginning, and literal with it

	names []string // of its groups by number; "" for one without
}

// newFinder compiles a regex. It is the only place that does.
func newFinder(expr string, ignoreCase bool) (*finder, string) {
	if len(expr) > maxRegex {
		return nil, "has " + strconv.Itoa(len(expr)) + " bytes, the limit is " + strconv.Itoa(maxRegex)
	}
	if ignoreCase {
		expr = "(?i)" + expr
	}
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, regexReason(err, expr)
	}
	if size := programSize(parsed); size > maxProgram {
		return nil, "compiles to " + strconv.Itoa(size) + " instructions, the limit is " + strconv.Itoa(maxProgram) + ": use smaller repeat counts"
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, regexReason(err, expr)
	}
	f := &finder{re: re, simple: newSimple(parsed.Simplify()), groups: re.NumSubexp(), names: re.SubexpNames()}
	f.literal, f.anchored = literalOf(parsed)
	return f, ""
}

func regexReason(err error, expr string) string {
	e, ok := err.(*syntax.Error)
	if !ok {
		return err.Error()
	}
	if e.Expr == "" || e.Expr == expr || e.Code == syntax.ErrMissingParen {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Expr
}

// programSize estimates the instructions of a regex before it is compiled, so
// that a large one costs nothing but its parsing.
func programSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpCapture, syntax.OpStar:
		size = 2 + programSize(re.Sub[0])
	case syntax.OpPlus, syntax.OpQuest:
		size = 1 + programSize(re.Sub[0])
	case syntax.OpConcat, syntax.OpAlternate:
		for _, sub := range re.Sub {
			size += programSize(sub)
		}
	case syntax.OpRepeat:
		sub := programSize(re.Sub[0])
		if re.Max < 0 {
			size += max(re.Min, 1)*sub + 1
		} else {
			size += re.Max*sub + re.Max - re.Min
		}
	}
	return max(size, 1)
}

func (f *finder) match(s string) bool {
	if f.simple != nil {
		if ok, done := f.simple.find(s, 0, nil); done {
			return ok
		}
	}
	return f.re.MatchString(s)
}

// size is how many numbers a match has.
func (f *finder) size() int { return 2 * (f.groups + 1) }

// find gives where the leftmost match and its groups begin and end, or nil.
// buf is used for the result where it is large enough.
func (f *finder) find(s string, buf []int) []int {
	if f.simple == nil {
		return f.re.FindStringSubmatchIndex(s)
	}
	if cap(buf) < f.size() {
		buf = make([]int, f.size())
	}
	buf = buf[:f.size()]
	ok, done := f.simple.find(s, 0, buf)
	switch {
	case !done:
		return f.re.FindStringSubmatchIndex(s)
	case !ok:
		return nil
	}
	return buf
}

// each calls visit for all matches that do not overlap, from left to right, as
// regexp's FindAll gives them, until visit is false. It is false where it
// stopped early, or, with again, where all that was visited is to be forgotten
// and visited again.
func (f *finder) each(s string, buf []int, visit func(loc []int) bool) (all, again bool) {
	if f.simple == nil {
		return f.eachGeneral(s, visit), false
	}
	if cap(buf) < f.size() {
		buf = make([]int, f.size())
	}
	buf = buf[:f.size()]
	for from, last := 0, -1; from <= len(s); {
		ok, done := f.simple.find(s, from, buf)
		if !done {
			return false, true
		}
		if !ok {
			break
		}
		accept := true
		if buf[1] == from {
			// An empty match right behind another one is none.
			accept = buf[0] != last
			_, width := utf8.DecodeRuneInString(s[from:])
			from += max(width, 1)
		} else {
			from = buf[1]
		}
		last = buf[1]
		if accept && !visit(buf) {
			return false, false
		}
	}
	return true, false
}

func (f *finder) eachGeneral(s string, visit func(loc []int) bool) bool {
	for _, loc := range f.re.FindAllStringSubmatchIndex(s, -1) {
		if !visit(loc) {
			return false
		}
	}
	return true
}
