package rewrite

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxRegex   = 1024 // bytes of one regex
	maxProgram = 2000 // instructions of one compiled regex
)

// finder is a compiled regex.
type finder struct {
	re      *regexp.Regexp
	text    string   // all that the regex matches, where literal is set
	literal bool     // the regex is plain text: no engine needed
	groups  int      // how many groups it has
	names   []string // of its groups by number; "" for one without
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
	f := &finder{re: re, groups: re.NumSubexp(), names: re.SubexpNames()}
	f.text, f.literal = re.LiteralPrefix()
	// An invalid byte matches U+FFFD in a regex, but not in a plain search.
	f.literal = f.literal && f.groups == 0 && f.text != "" && !strings.ContainsRune(f.text, utf8.RuneError)
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
	if f.literal {
		return strings.Contains(s, f.text)
	}
	return f.re.MatchString(s)
}

// find gives where the leftmost match and its groups begin and end, or nil.
// buf may be used for the result.
func (f *finder) find(s string, buf []int) []int {
	if !f.literal {
		return f.re.FindStringSubmatchIndex(s)
	}
	i := strings.Index(s, f.text)
	if i < 0 {
		return nil
	}
	return append(buf[:0], i, i+len(f.text))
}

// next gives the match after the one at loc; all of them come from find and
// next as from regexp's FindAll. It is for literal regexes only.
func (f *finder) next(s string, loc []int) []int {
	at := loc[1]
	i := strings.Index(s[at:], f.text)
	if i < 0 {
		return nil
	}
	return append(loc[:0], at+i, at+i+len(f.text))
}
