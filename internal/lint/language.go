package lint

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode"
)

// language is the set of texts in which a regex is found.
type language struct{ prog *syntax.Prog }

// newLanguage compiles a regex that the engine has accepted.
func newLanguage(expr string) (language, error) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return language{}, err
	}

	prog, err := syntax.Compile(re.Simplify())
	return language{prog}, err
}

// subject is what a matcher looks at: the texts that can arrive at all.
type subject struct {
	first   rune              // the first byte of every text; 0 for any, and for the empty text
	allowed func(r rune) bool // what may be in a text
}

var (
	// A path as a proxy hands it over: no query, no fragment, no space.
	pathSubject = subject{'/', func(r rune) bool { return r > ' ' && r != '?' && r != '#' && r != 0x7f }}
	// A host in lower case, without its port.
	hostSubject = subject{0, func(r rune) bool { return r != ':' && addressSubject.allowed(r) }}
	// The same where it may be an IPv6 address.
	addressSubject = subject{0, func(r rune) bool { return r > ' ' && r != '/' && r != '?' && r != '#' && (r < 'A' || r > 'Z') }}
	// A header's value.
	valueSubject = subject{0, func(r rune) bool { return r >= ' ' && r != 0x7f || r == '\t' }}
	// A decoded parameter's value.
	paramSubject = subject{0, func(rune) bool { return true }}
)

// Work is counted in instructions that are looked at. Beyond these bounds
// nothing is known, and nothing is reported.
const (
	maxWork = 400_000   // of one question
	allOfIt = 4_000_000 // of all questions about one configuration
)

// budget is the work that is left.
type budget struct {
	left int
	cut  bool // a question was left without an answer
}

// beginning and end stand for what is before and after a text.
const (
	beginning rune = -1
	end       rune = -1
)

// scan is a regex at work on a text: the instructions it is at before the next
// rune, or the match it has found.
type scan struct {
	at      []uint32
	matched bool
}

// advance moves a scan over the empty text between two runes and over the
// second one, which may be end.
func (l language) advance(s scan, before, next rune) scan {
	if s.matched || l.prog == nil {
		return s
	}

	flags := syntax.EmptyOpContext(before, next)
	var to []uint32
	seen := make(map[uint32]bool, len(s.at)+4)
	var follow func(pc uint32) bool
	follow = func(pc uint32) bool {
		if seen[pc] {
			return false
		}

		seen[pc] = true
		switch in := &l.prog.Inst[pc]; in.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			return follow(in.Out) || follow(in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			return follow(in.Out)
		case syntax.InstEmptyWidth:
			return syntax.EmptyOp(in.Arg)&^flags == 0 && follow(in.Out)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if next != end && in.MatchRune(next) {
				to = append(to, in.Out)
			}
		}

		return false
	}
	// The regex may begin here as well as before.
	for _, pc := range append(slices.Clone(s.at), uint32(l.prog.Start)) {
		if follow(pc) {
			return scan{matched: true}
		}
	}
	slices.Sort(to)

	return scan{at: slices.Compact(to)}
}

// representatives gives one rune for each class of runes that none of the
// languages tells apart, of those that the subject allows.
func representatives(of subject, languages ...language) []rune {
	bounds := []rune{0, ' ', '!', '#', '$', '/', '0', ':', '?', '@', 'A', '[', '_', '`', 'a', '{', 0x7f, 0x80, '\n', '\n' + 1, '\t', '\t' + 1}

	var insts []*syntax.Inst
	for _, l := range languages {
		if l.prog == nil {
			continue
		}

		for i := range l.prog.Inst {
			in := &l.prog.Inst[i]
			if in.Op != syntax.InstRune && in.Op != syntax.InstRune1 {
				continue
			}

			insts = append(insts, in)
			if len(in.Rune) == 1 {
				for r, first := in.Rune[0], true; first || r != in.Rune[0]; r, first = unicode.SimpleFold(r), false {
					bounds = append(bounds, r, r+1)
				}
				continue
			}

			for j := 0; j+1 < len(in.Rune); j += 2 {
				bounds = append(bounds, in.Rune[j], in.Rune[j+1]+1)
			}
		}
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	// Letters make examples that people can read.
	slices.SortStableFunc(bounds, func(a, b rune) int { return rank(a) - rank(b) })
	var runes []rune

	seen := map[string]bool{}
	for _, r := range bounds {
		if r > unicode.MaxRune || !of.allowed(r) {
			continue
		}

		signature := make([]byte, 0, len(insts)+2)

		signature = append(signature, bit(syntax.IsWordChar(r)), bit(r == '\n'), bit(r == of.first))
		for _, in := range insts {
			signature = append(signature, bit(in.MatchRune(r)))
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			runes = append(runes, r)
		}
	}

	return runes
}

func rank(r rune) int {
	switch {
	case r >= 'a' && r <= 'z':
		return 0
	case r >= '0' && r <= '9':
		return 1
	case r > ' ' && r < 0x7f:
		return 2
	}
	return 3
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// without gives a shortest text of the subject that is in l and not in other;
// found is false where there is none, known is false where that was too much
// work to find out. The zero language as other is the empty one.
func (l language) without(other language, of subject, work *budget) (text string, found, known bool) {
	type node struct {
		l, other scan
		before   rune
		up       int
		r        rune
	}
	runes := representatives(of, l, other)
	size := len(l.prog.Inst)
	if other.prog != nil {
		size += len(other.prog.Inst)
	}

	limit := min(maxWork, work.left)
	if len(runes) == 0 || len(runes)*size > limit {
		work.cut = true
		return "", false, false
	}

	nodes := []node{{before: beginning, up: -1}}
	seen := map[string]bool{}
	spent := len(runes) * size
	defer func() { work.left -= spent }()

	for i := 0; i < len(nodes); i++ {
		n := nodes[i]
		if of.first == 0 || i > 0 {
			if l.advance(n.l, n.before, end).matched && !other.advance(n.other, n.before, end).matched {
				var text []rune
				for j := i; nodes[j].up >= 0; j = nodes[j].up {
					text = append(text, nodes[j].r)
				}
				slices.Reverse(text)
				return string(text), true, true
			}
		}
		if n.other.matched {
			continue
		}

		for _, r := range runes {
			if i == 0 && of.first != 0 && r != of.first {
				continue
			}
			if spent += len(n.l.at) + len(n.other.at) + 2; spent > limit {
				work.cut = true
				return "", false, false
			}

			to := node{l.advance(n.l, n.before, r), other.advance(n.other, n.before, r), r, i, r}
			key := key(to.l, to.other, to.before)
			if !seen[key] {
				seen[key] = true
				nodes = append(nodes, to)
			}
		}
	}

	return "", false, true
}

func key(l, other scan, before rune) string {
	var b []byte
	for _, s := range []scan{l, other} {
		b = append(b, bit(s.matched))
		for _, pc := range s.at {
			b = binary.AppendUvarint(b, uint64(pc)+1)
		}

		b = append(b, 0)
	}
	// What is before a place matters to \b and to the multi-line anchors only.
	return string(append(b, bit(syntax.IsWordChar(before)), bit(before == '\n'), bit(before == beginning)))
}

// shortest gives a shortest text of the subject that is in l.
func (l language) shortest(of subject, work *budget) (text string, found, known bool) {
	return l.without(language{}, of, work)
}

// within reports whether every text of the subject that is in l is in other too.
func (l language) within(other language, of subject, work *budget) bool {
	_, found, known := l.without(other, of, work)
	return known && !found
}
