package regex

import (
	"slices"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	kindEmpty     kind = iota
	kindChar           // one character
	kindClass          // one character of a class
	kindAssert         // a place in the text
	kindGroup          // a group that is captured
	kindSequence       // one after the other
	kindAlternate      // the first that leads to a match
	kindRepeat         // from min times to max, which is -1 for without end
)

// node is one node of the tree. Nodes and lists of their parts are numbers in
// the parser's slices.
type node struct {
	kind     kind
	fold     bool // a letter in either case
	lazy     bool // as few as possible
	empty    bool // may match nothing
	arg      int  // character, class, assertion or group
	min, max int
	subs     []int
}

// What must be so at a place.
const (
	assertBegin = iota
	assertEnd
	assertBeginLine
	assertEndLine
	assertWord
	assertNoWord
)

type flags uint8

const (
	flagFold    flags = 1 << iota // i
	flagLines                     // m
	flagDotAll                    // s
	flagReverse                   // U
)

// parser reads a regex from left to right. Nothing in it calls itself: what is
// open is a stack.
type parser struct {
	expr   string
	at     int
	flags  flags
	reason string // what is wrong, once something is

	nodes   []node
	classes []class
	names   []string
	pending []int // nodes of the sequences that are open
	branch  []int // what stands before a | of the groups that are open
	open    []group
}

// group is a parenthesis that is open.
type group struct {
	number          int // -1 where it is not captured
	flags           flags
	pending, branch int // where its nodes begin
}

// fail notes what is wrong; the first fault counts.
func (p *parser) fail(what, text string) {
	if p.reason != "" {
		return
	}

	p.reason = what
	if text != "" && text != p.expr {
		p.reason += ": " + text
	}
}

// hint adds what to write instead.
func (p *parser) hint(what string) { p.reason += ": " + what }

func (p *parser) rest() string { return p.expr[p.at:] }

// parse reads the whole expression.
func (p *parser) parse() (root int) {
	p.names = []string{""}
	p.open = append(p.open, group{number: -1})

	repeated := -1 // where the repetition right before begins
	for p.at < len(p.expr) && p.reason == "" {
		begin := p.at
		isRepeat := p.item(repeated)
		repeated = -1
		if isRepeat {
			repeated = begin
		}
	}
	if p.reason == "" && len(p.open) > 1 {
		p.fail("missing closing )", "")
	}
	if p.reason != "" {
		return 0
	}

	return p.close()
}

// item reads one item and reports whether it was a repetition.
//
//go:noinline
func (p *parser) item(repeated int) (isRepeat bool) {
	switch c := p.expr[p.at]; c {
	case '(':
		p.parenthesis()
	case '|':
		p.at++
		p.endBranch()
	case ')':
		p.at++
		p.endGroup()
	case '^', '$', '.':
		p.at++
		p.anchor(c)
	case '[':
		p.bracket()
	case '*':
		p.at++
		return p.repeat(p.at-1, repeated, 0, -1)
	case '+':
		p.at++
		return p.repeat(p.at-1, repeated, 1, -1)
	case '?':
		p.at++
		return p.repeat(p.at-1, repeated, 0, 1)
	case '{':
		from, to, end := p.count()
		if end == 0 {
			p.at++
			p.char('{')
			return false
		}

		begin := p.at
		p.at = end
		if from < 0 || from > 1000 || to > 1000 || to >= 0 && from > to {
			p.fail("invalid repeat count", p.expr[begin:end])
			return false
		}

		return p.repeat(begin, repeated, from, to)
	case '\\':
		p.backslash()
	default:
		if r, ok := p.rune(); ok {
			p.char(r)
		}
	}

	return false
}

// rune reads one character.
func (p *parser) rune() (rune, bool) {
	r, width := utf8.DecodeRuneInString(p.rest())
	if r == utf8.RuneError && width == 1 {
		p.fail("invalid UTF-8", p.rest())
		return 0, false
	}

	p.at += width
	return r, true
}

// add adds a node to the tree.
func (p *parser) add(n node) (id int) {
	switch n.kind {
	case kindEmpty, kindAssert:
		n.empty = true
	case kindGroup, kindSequence:
		n.empty = true
		for _, sub := range n.subs {
			n.empty = n.empty && p.nodes[sub].empty
		}
	case kindAlternate:
		for _, sub := range n.subs {
			n.empty = n.empty || p.nodes[sub].empty
		}
	case kindRepeat:
		n.empty = n.min == 0 || p.nodes[n.subs[0]].empty
	}

	p.nodes = append(p.nodes, n)

	return len(p.nodes) - 1
}

// push adds a node to the sequence that is open.
func (p *parser) push(n node) { p.pending = append(p.pending, p.add(n)) }

func isLetter(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' }

// char adds one character.
//
//go:noinline
func (p *parser) char(r rune) {
	fold := p.flags&flagFold != 0
	switch {
	case fold && (r|0x20 == 'k' || r|0x20 == 's' || r == kelvin || r == longS):
		// These have a third case outside ASCII.
		var b builder
		b.addFolded(r, r)
		p.class(&b)
	case r == utf8.RuneError:
		// An invalid byte counts as this one.
		var b builder
		b.add(r, r)
		p.class(&b)
	case fold && !foldable(r, r):
		p.noCase()
	default:
		p.push(node{kind: kindChar, arg: int(r), fold: fold && isLetter(r)})
	}
}

func (p *parser) noCase() {
	p.fail("the case of letters outside ASCII cannot be ignored", "")
	p.hint("write both, as in [éÉ], where case counts, such as in (?-i:[éÉ])")
}

func (p *parser) class(b *builder) {
	p.classes = append(p.classes, b.class())
	p.push(node{kind: kindClass, arg: len(p.classes) - 1})
}

// anchor adds what ^, $ and . are under the flags.
//
//go:noinline
func (p *parser) anchor(c byte) {
	lines := p.flags&flagLines != 0
	switch {
	case c == '^' && lines:
		p.push(node{kind: kindAssert, arg: assertBeginLine})
	case c == '^':
		p.push(node{kind: kindAssert, arg: assertBegin})
	case c == '$' && lines:
		p.push(node{kind: kindAssert, arg: assertEndLine})
	case c == '$':
		p.push(node{kind: kindAssert, arg: assertEnd})
	default:
		var b builder
		b.add(0, utf8.MaxRune)
		if p.flags&flagDotAll == 0 {
			b.ascii['\n'>>5] &^= 1 << '\n'
		}
		p.class(&b)
	}
}

// repeat repeats what comes before it. begin is where the operator begins.
//
//go:noinline
func (p *parser) repeat(begin, repeated, from, to int) bool {
	lazy := p.flags&flagReverse != 0
	if strings.HasPrefix(p.rest(), "?") {
		p.at++
		lazy = !lazy
	}
	if repeated >= 0 {
		p.fail("invalid nested repetition operator", p.expr[repeated:p.at])
		if p.expr[begin] == '+' {
			p.hint("a possessive repetition is left out, as in RE2: take the last + away, a search never goes back more often than its budget allows")
		}
		return false
	}

	bottom := p.open[len(p.open)-1].pending
	if len(p.pending) == bottom {
		p.fail("missing argument to repetition operator", p.expr[begin:p.at])
		return false
	}

	last := &p.pending[len(p.pending)-1]
	*last = p.add(node{kind: kindRepeat, min: from, max: to, lazy: lazy, subs: []int{*last}})
	if (from >= 2 || to >= 2) && !p.repeatsAtMost(*last, 1000) {
		p.fail("invalid repeat count", p.expr[begin:p.at])
	}

	return true
}

// repeatsAtMost reports whether what a node repeats is written out at most n
// times, with the repetitions inside it. It calls itself as deep as
// parentheses nest.
func (p *parser) repeatsAtMost(id, n int) bool {
	if x := &p.nodes[id]; x.kind == kindRepeat {
		m := x.max
		if m == 0 {
			return true
		}
		if m < 0 {
			m = x.min
		}
		if m > n {
			return false
		}
		if m > 0 {
			n /= m
		}
	}

	for _, sub := range p.nodes[id].subs {
		if !p.repeatsAtMost(sub, n) {
			return false
		}
	}

	return true
}

// count reads {2}, {2,} and {2,3}; end is 0 where there is nothing like it.
func (p *parser) count() (from, to, end int) {
	s := p.rest()[1:]
	from, s, ok := number(s)
	if !ok || s == "" {
		return 0, 0, 0
	}

	to = from
	switch {
	case strings.HasPrefix(s, ",}"):
		to, s = -1, s[1:]
	case s[0] == ',':
		if to, s, ok = number(s[1:]); !ok {
			return 0, 0, 0
		}
		if to < 0 {
			from = -1
		}
	}
	if s == "" || s[0] != '}' {
		return 0, 0, 0
	}

	return from, to, len(p.expr) - len(s) + 1
}

// number reads a number; -1 is one that is too large.
func number(s string) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		n = min(n*10+int(s[i]-'0'), 1e8)
		i++
	}
	if i == 0 || i > 1 && s[0] == '0' {
		return 0, s, false
	}
	if n == 1e8 {
		n = -1
	}

	return n, s[i:], true
}

// sequence takes the pending nodes of the open group as one.
func (p *parser) sequence() int {
	g := &p.open[len(p.open)-1]
	list := p.pending[g.pending:]

	p.pending = p.pending[:g.pending]
	switch len(list) {
	case 0:
		return p.add(node{kind: kindEmpty})
	case 1:
		return list[0]
	}

	return p.add(node{kind: kindSequence, subs: slices.Clone(list)})
}

func (p *parser) endBranch() { p.branch = append(p.branch, p.sequence()) }

// close takes all that the open group holds as one node.
//
//go:noinline
func (p *parser) close() int {
	last := p.sequence()
	g := &p.open[len(p.open)-1]
	if len(p.branch) == g.branch {
		return last
	}

	subs := append(slices.Clone(p.branch[g.branch:]), last)
	p.branch = p.branch[:g.branch]
	return p.add(node{kind: kindAlternate, subs: subs})
}

//go:noinline
func (p *parser) endGroup() {
	if len(p.open) == 1 {
		p.fail("unexpected )", "")
		return
	}

	id := p.close()
	g := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	p.flags = g.flags
	if g.number >= 0 {
		id = p.add(node{kind: kindGroup, arg: g.number, subs: []int{id}})
	}

	p.pending = append(p.pending, id)
}

// begin opens a group.
func (p *parser) begin(number int, outside flags) {
	if len(p.open) > MaxNesting {
		p.fail("has parentheses nested deeper than 100", "")
		return
	}

	p.open = append(p.open, group{number, outside, len(p.pending), len(p.branch)})
}

// capture opens a group that is captured.
//
//go:noinline
func (p *parser) capture(name string) {
	p.names = append(p.names, name)
	p.begin(len(p.names)-1, p.flags)
}
