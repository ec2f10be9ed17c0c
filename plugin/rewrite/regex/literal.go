package regex

import "unicode/utf8"

// literal is text that every match holds.
type literal struct {
	text   string
	fold   bool // without regard to case: ASCII in lower case
	begins bool // at the text's beginning
}

// literals collects text that must be there, one run of characters after the
// other.
type literals struct {
	*parser
	exact, fold run
}

// run is the text that is being read, the text at the beginning, and the
// longest so far.
type run struct {
	now         []byte
	begin, best string
	broken      bool // now is not at the beginning any more
}

func (r *run) end() {
	if !r.broken {
		r.begin = string(r.now)
	}

	if len(r.now) > len(r.best) {
		r.best = string(r.now)
	}

	r.now, r.broken = r.now[:0], true
}

// findLiteral gives the text by which an index finds the regex best: the
// beginning of an anchored one, unless that is short and there is more
// elsewhere.
//
//go:noinline
func (a *assembler) findLiteral(root int) literal {
	l := literals{parser: a.parser}
	l.read(root)
	l.exact.end()
	l.fold.end()
	exact := pick(&l.exact, a.anchored)
	if fold := pick(&l.fold, a.anchored); len(fold.text) > len(exact.text) {
		fold.fold = true
		return fold
	}
	return exact
}

// enough is how long the text at the beginning is at which no longer one is
// looked for.
const enough = 4

func pick(r *run, anchored bool) literal {
	if anchored && r.begin != "" && len(r.begin) >= min(enough, len(r.best)) {
		return literal{text: r.begin, begins: true}
	}
	return literal{text: r.best}
}

func (l *literals) cut() {
	l.exact.end()
	l.fold.end()
}

// read reads the text of a node. It calls itself as deep as parentheses nest.
//
//go:noinline
func (l *literals) read(id int) {
	switch n := &l.nodes[id]; n.kind {
	case kindChar:
		l.char(n)
	case kindGroup, kindSequence:
		for _, sub := range n.subs {
			l.read(sub)
		}
	case kindRepeat:
		// What is there at least once is there as it is once; what comes after the
		// last time is not read on.
		if n.min > 0 {
			l.read(n.subs[0])
		}
		l.cut()
	case kindEmpty, kindAssert:
	default:
		l.cut()
	}
}

func (l *literals) char(n *node) {
	if n.fold {
		l.exact.end()
	} else {
		l.exact.now = utf8.AppendRune(l.exact.now, rune(n.arg))
	}
	if n.arg >= high {
		l.fold.end()
	} else {
		l.fold.now = append(l.fold.now, lower(byte(n.arg)))
	}
}
