package rewrite

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"unicode/utf8"
)

const (
	maxRegex   = 1024 // bytes of one regex
	maxProgram = 2000 // instructions of one compiled regex
	maxNesting = 100  // parentheses inside parentheses
	maxLevels  = 400  // of the parsed regex: its compiler calls itself that often, on a stack of 1 MiB
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
	if nesting(expr) > maxNesting {
		return nil, "has parentheses nested deeper than " + strconv.Itoa(maxNesting)
	}
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, regexReason(err, expr)
	}
	if size := programSize(parsed); size > maxProgram {
		return nil, "compiles to " + strconv.Itoa(size) + " instructions, the limit is " + strconv.Itoa(maxProgram) + ": use smaller repeat counts"
	}
	if deep := depth(parsed); deep > maxLevels {
		return nil, "nests " + strconv.Itoa(deep) + " levels, the limit is " + strconv.Itoa(maxLevels) + ": use smaller repeat counts, or * and +"
	}
	f := &finder{simple: newSimple(parsed.Simplify()), groups: parsed.MaxCap(), names: parsed.CapNames()}
	if f.simple == nil {
		if f.re, err = regexp.Compile(expr); err != nil {
			return nil, regexReason(err, expr)
		}
	}
	f.literal, f.anchored = literalOf(parsed)
	return f, ""
}

// nesting counts parentheses inside parentheses. It takes those in a class for
// real ones, which does no harm.
func nesting(expr string) (deepest int) {
	depth := 0
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case '(':
			depth++
			deepest = max(deepest, depth)
		case ')':
			depth--
		}
	}
	return deepest
}

func regexReason(err error, expr string) string {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Expr == "" || e.Expr == expr {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Expr
}

// depth is how deep a regex nests once its repetitions are written out: x{1,3}
// is x(x(x)?)?.
func depth(re *syntax.Regexp) int {
	deepest := 0
	for _, sub := range re.Sub {
		deepest = max(deepest, depth(sub))
	}
	if re.Op == syntax.OpRepeat {
		deepest += max(re.Max-re.Min, 0)
	}
	return deepest + 1
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
		return f.simple.find(s, 0, nil)
	}
	return f.re.MatchString(s)
}

// find gives where the leftmost match and its groups begin and end, or nil.
// buf is used for the result where it is large enough.
func (f *finder) find(s string, buf []int) []int {
	if f.simple == nil {
		return f.re.FindStringSubmatchIndex(s)
	}
	if buf = f.sized(buf); !f.simple.find(s, 0, buf) {
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
type cursor struct {
	from, last int
	started    bool
	rest       [][]int // what the general engine found
}

// next gives the next of all matches that do not overlap, from left to right,
// as regexp's FindAll gives them, or nil. buf is used for the result where it
// is large enough.
func (f *finder) next(s string, c *cursor, buf []int) []int {
	if f.simple == nil {
		if !c.started {
			c.started, c.rest = true, f.re.FindAllStringSubmatchIndex(s, -1)
		}
		if len(c.rest) == 0 {
			return nil
		}
		loc := c.rest[0]
		c.rest = c.rest[1:]
		return loc
	}
	buf = f.sized(buf)
	for f.simple.find(s, c.from, buf) {
		if buf[1] > c.from {
			c.from = buf[1]
		} else {
			_, width := utf8.DecodeRuneInString(s[c.from:])
			c.from += max(width, 1)
		}
		// An empty match right behind another one is none.
		behind := c.started && buf[0] == c.last && buf[0] == buf[1]
		c.started, c.last = true, buf[1]
		if !behind {
			return buf
		}
	}
	return nil
}
