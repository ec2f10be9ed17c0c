package rewrite

import (
	"regexp/syntax"
	"strings"
)

// simple is a regex that needs no backtracking: a sequence of literals and
// byte classes, repeated or not, in which what may follow a repetition never
// begins with what is repeated. Taking as much as there is, is then the only
// way to match, so that a single walk finds what the general engine finds, at
// a fraction of its cost and without compiling it. newSimple refuses everything
// else, and what could walk the same text more often than it has steps.
type simple struct {
	steps    []step
	anchored bool  // begins with ^
	first    *step // what consumes first; nil where nothing does
	runs     bool  // first takes a run, so a start inside the run fails as well
}

type stepKind uint8

const (
	stepLiteral stepKind = iota
	stepOne              // exactly one byte of set
	stepMaybe            // one or none
	stepStar             // any number
	stepPlus             // at least one
	stepOpen             // a group begins
	stepClose            // a group ends
	stepEnd              // the end of the text
)

type step struct {
	kind  stepKind
	fold  bool // a literal matches without regard to case; it is in lower case
	text  string
	set   byteSet
	group int
}

// byteSet is a set of bytes.
type byteSet [8]uint32

func (s *byteSet) add(from, to int) {
	for c := from; c <= to; c++ {
		s[c>>5] |= 1 << (c & 31)
	}
}

func (s *byteSet) has(c byte) bool { return s[c>>5]&(1<<(c&31)) != 0 }

func (s *byteSet) meets(t *byteSet) bool {
	for i := range s {
		if s[i]&t[i] != 0 {
			return true
		}
	}
	return false
}

// newSimple gives the simple form of a parsed regex, or nil where it has none.
func newSimple(re *syntax.Regexp) *simple {
	s := &simple{}
	if !s.build(re) || !s.determined() {
		return nil
	}
	for i := range s.steps {
		if k := s.steps[i].kind; k != stepOpen && k != stepClose {
			if s.first == nil {
				s.first = &s.steps[i]
				s.runs = k == stepStar || k == stepPlus
			} else if (k == stepStar || k == stepPlus) && !s.anchored && !s.first.ends(&s.steps[i].set) {
				return nil
			}
		}
	}
	return s
}

// ends tells whether a run over set always stops before the next place where a
// match could begin with st. Walks from different places then share no more
// text than they have steps.
func (st *step) ends(set *byteSet) bool {
	switch st.kind {
	case stepOne, stepPlus:
		return !set.meets(&st.set)
	case stepLiteral:
		for i := 0; i < len(st.text); i++ {
			if c := st.text[i]; !set.has(c) && (!st.fold || !set.has(upper(c))) {
				return true
			}
		}
	}
	return false
}

// build appends the steps of one node.
func (s *simple) build(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return true
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !s.build(sub) {
				return false
			}
		}
		return true
	case syntax.OpCapture:
		s.steps = append(s.steps, step{kind: stepOpen, group: re.Cap})
		ok := s.build(re.Sub[0])
		s.steps = append(s.steps, step{kind: stepClose, group: re.Cap})
		return ok
	case syntax.OpBeginText:
		ok := len(s.steps) == 0 && !s.anchored
		s.anchored = true
		return ok
	case syntax.OpEndText:
		s.steps = append(s.steps, step{kind: stepEnd})
		return true
	case syntax.OpLiteral:
		return s.literal(re)
	case syntax.OpCharClass:
		set, high, ok := classOf(re)
		s.steps = append(s.steps, step{kind: stepOne, set: set})
		// One character from 0x80 on is more than one byte.
		return ok && !high
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		set, high, ok := classOf(re.Sub[0])
		kind := map[syntax.Op]stepKind{syntax.OpStar: stepStar, syntax.OpPlus: stepPlus, syntax.OpQuest: stepMaybe}[re.Op]
		s.steps = append(s.steps, step{kind: kind, set: set})
		return ok && re.Flags&syntax.NonGreedy == 0 && (kind != stepMaybe || !high)
	}
	return false
}

func (s *simple) literal(re *syntax.Regexp) bool {
	fold := re.Flags&syntax.FoldCase != 0
	text := make([]byte, 0, len(re.Rune))
	for _, r := range re.Rune {
		if r >= 0x80 {
			return false
		}
		c := byte(r)
		if fold {
			// These two have relatives outside ASCII.
			if c = lower(c); c == 'k' || c == 's' {
				return false
			}
		}
		text = append(text, c)
	}
	s.steps = append(s.steps, step{kind: stepLiteral, text: string(text), fold: fold})
	return true
}

// classOf gives the bytes of a class. high tells that it has every character
// from 0x80 on, and with them every byte, in a valid sequence or not; a class
// with some of them only is refused.
func classOf(re *syntax.Regexp) (set byteSet, high, ok bool) {
	switch {
	case re.Op == syntax.OpAnyChar:
		set.add(0, 255)
		return set, true, true
	case re.Op == syntax.OpAnyCharNotNL:
		set.add(0, '\n'-1)
		set.add('\n'+1, 255)
		return set, true, true
	case re.Op == syntax.OpLiteral && len(re.Rune) == 1 && re.Flags&syntax.FoldCase == 0 && re.Rune[0] < 0x80:
		set.add(int(re.Rune[0]), int(re.Rune[0]))
		return set, false, true
	case re.Op != syntax.OpCharClass:
		return set, false, false
	}
	for i := 0; i < len(re.Rune); i += 2 {
		from, to := re.Rune[i], re.Rune[i+1]
		if to >= 0x80 {
			if from > 0x80 || to != 0x10FFFF {
				return set, false, false
			}
			high = true
			to = 255
		}
		set.add(int(from), int(to))
	}
	return set, high, true
}

// determined tells whether what may follow each repetition never begins with
// what is repeated.
func (s *simple) determined() bool {
	for i := range s.steps {
		switch s.steps[i].kind {
		case stepMaybe, stepStar, stepPlus:
			if follow := s.follow(i + 1); follow.meets(&s.steps[i].set) {
				return false
			}
		}
	}
	return true
}

// follow gives the bytes that may come first in the steps from i on.
func (s *simple) follow(i int) (set byteSet) {
	for ; i < len(s.steps); i++ {
		switch st := &s.steps[i]; st.kind {
		case stepLiteral:
			c := int(st.text[0])
			set.add(c, c)
			if st.fold {
				set.add(int(upper(st.text[0])), int(upper(st.text[0])))
			}
			return set
		case stepOne, stepPlus, stepMaybe, stepStar:
			for j := range set {
				set[j] |= st.set[j]
			}
			if st.kind == stepOne || st.kind == stepPlus {
				return set
			}
		case stepEnd:
			return set
		}
	}
	return set
}

// find tells whether there is a match from a position on, and writes where the
// leftmost one and its groups begin and end to loc, unless that is nil.
func (s *simple) find(text string, from int, loc []int) bool {
	for start := from; start <= len(text); start++ {
		if s.anchored && start > 0 {
			return false
		}
		if !s.anchored {
			if start = s.start(text, start); start < 0 {
				return false
			}
		}
		if end := s.match(text, start, loc); end >= 0 {
			if loc != nil {
				loc[0], loc[1] = start, end
			}
			return true
		}
		if s.runs {
			// What follows the run failed, so it fails from inside the run too.
			for start < len(text) && s.first.set.has(text[start]) {
				start++
			}
		}
	}
	return false
}

// start gives the first position from which a match may begin, or -1.
func (s *simple) start(text string, from int) int {
	if s.first == nil {
		return from
	}
	switch s.first.kind {
	case stepLiteral:
		if s.first.fold {
			return from
		}
		at := strings.Index(text[from:], s.first.text)
		if at < 0 {
			return -1
		}
		return from + at
	case stepOne, stepPlus:
		for ; from < len(text); from++ {
			if s.first.set.has(text[from]) {
				return from
			}
		}
		return -1
	}
	return from
}

// match walks the steps from one position and gives the match's end, or -1.
func (s *simple) match(text string, at int, loc []int) int {
	for i := range s.steps {
		switch st := &s.steps[i]; st.kind {
		case stepLiteral:
			n := len(st.text)
			if len(text)-at < n || text[at:at+n] != st.text && !(st.fold && equalFold(text[at:at+n], st.text)) {
				return -1
			}
			at += n
		case stepOne:
			if at == len(text) || !st.set.has(text[at]) {
				return -1
			}
			at++
		case stepMaybe:
			if at < len(text) && st.set.has(text[at]) {
				at++
			}
		case stepStar, stepPlus:
			from := at
			for at < len(text) && st.set.has(text[at]) {
				at++
			}
			if at == from && st.kind == stepPlus {
				return -1
			}
		case stepOpen:
			if loc != nil {
				loc[2*st.group] = at
			}
		case stepClose:
			if loc != nil {
				loc[2*st.group+1] = at
			}
		case stepEnd:
			if at != len(text) {
				return -1
			}
		}
	}
	return at
}
