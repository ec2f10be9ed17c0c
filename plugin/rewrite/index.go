package rewrite

import (
	"cmp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// index finds the patterns that may match a path without testing all of them.
// It may name too many, never too few. One walk over the path serves exact
// paths, prefixes and regexes that begin with literal text, by the hash of the
// path so far, and suffixes and regexes that hold literal text somewhere, by the
// hash of three bytes of it.
type index struct {
	always  []int // patterns whose path says nothing, or nothing of use
	begins  hashed
	holds   hashed
	lengths []bool // at which lengths of the path begins has anything
}

// minIndexed is the number of patterns from which on an index is worth its walk.
const minIndexed = 8

// hashed is patterns by a hash. Most lookups end in the filter.
type hashed struct {
	filter [1 << 10]uint32
	list   []hashedPattern // by hash, then pattern
}

type hashedPattern struct {
	hash    uint32
	pattern int
}

const gram = 3

func newIndex(patterns []pattern) *index {
	if len(patterns) < minIndexed {
		return nil
	}
	x := &index{}
	common := map[string]int{} // how many suffixes and regexes hold three bytes
	for i := range patterns {
		if text, begins := patterns[i].path.holdsText(); !begins {
			for j := gram; j <= len(text); j++ {
				common[text[j-gram:j]]++
			}
		}
	}
	for i := range patterns {
		p := &patterns[i]
		switch text, begins := p.path.holdsText(); {
		case p.mode == disabled:
		case begins:
			x.begin(text, i)
		case len(text) >= gram:
			x.hold(text, i, common)
		default:
			x.always = append(x.always, i)
		}
	}
	x.begins.sort()
	x.holds.sort()
	return x
}

// begin files a pattern under the text with which a path must begin.
func (x *index) begin(text string, pattern int) {
	for len(x.lengths) <= len(text) {
		x.lengths = append(x.lengths, false)
	}
	x.lengths[len(text)] = true
	x.begins.add(hash(text), pattern)
}

// hold files a pattern under the three bytes of its literal text that the
// fewest others have.
func (x *index) hold(text string, pattern int, common map[string]int) {
	best := text[:gram]
	for j := gram; j <= len(text); j++ {
		if g := text[j-gram : j]; common[g] < common[best] {
			best = g
		}
	}
	x.holds.add(hash(best), pattern)
}

// candidates appends the patterns that may match a path, in order, but for
// those of always.
func (x *index) candidates(path string, dst []int) []int {
	first := len(dst)
	if len(x.lengths) > 0 && x.lengths[0] {
		dst = x.begins.find(hash(""), dst)
	}
	h := hash("")
	for i := 0; i < len(path); i++ {
		if i+1 < len(x.lengths) {
			if h = extend(h, path[i]); x.lengths[i+1] {
				dst = x.begins.find(h, dst)
			}
		} else if len(x.holds.list) == 0 {
			break
		}
		if i+1 >= gram && len(x.holds.list) > 0 {
			dst = x.holds.find(hash(path[i+1-gram:i+1]), dst)
		}
	}
	slices.Sort(dst[first:])
	return slices.Compact(dst)
}

func (h *hashed) add(hash uint32, pattern int) {
	h.filter[hash>>5%uint32(len(h.filter))] |= 1 << (hash & 31)
	h.list = append(h.list, hashedPattern{hash, pattern})
}

func (h *hashed) sort() {
	slices.SortFunc(h.list, func(a, b hashedPattern) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.pattern, b.pattern))
	})
}

func (h *hashed) find(hash uint32, dst []int) []int {
	if h.filter[hash>>5%uint32(len(h.filter))]&(1<<(hash&31)) == 0 {
		return dst
	}
	low, high := 0, len(h.list)
	for low < high {
		if middle := (low + high) / 2; h.list[middle].hash < hash {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for ; low < len(h.list) && h.list[low].hash == hash; low++ {
		dst = append(dst, h.list[low].pattern)
	}
	return dst
}

// hash is FNV-1a of 32 bits.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(s); i++ {
		h = extend(h, s[i])
	}
	return h
}

func extend(h uint32, c byte) uint32 { return (h ^ uint32(c)) * 16777619 }

// holdsText gives text that every path that fits holds, and whether each begins
// with it; "" and false where it says nothing of use.
func (m *pathMatcher) holdsText() (text string, begins bool) {
	switch {
	case m == nil || m.fold:
		return "", false
	case m.op == opRegex:
		return m.find.literal, m.find.anchored && m.find.literal != ""
	}
	return m.text, m.op != opSuffix
}

// literalOf gives text that every match of a regex holds, or "", and whether
// every match begins at the text's beginning; then the literal begins there too.
func literalOf(re *syntax.Regexp) (literal string, anchored bool) {
	subs := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		subs = re.Sub
	}
	if subs[0].Op == syntax.OpBeginText {
		if len(subs) > 1 {
			literal = literalText(subs[1])
		}
		return literal, true
	}
	for _, sub := range subs {
		for sub.Op == syntax.OpCapture || sub.Op == syntax.OpPlus {
			sub = sub.Sub[0]
		}
		if text := literalText(sub); len(text) > len(literal) {
			literal = text
		}
	}
	return literal, false
}

// literalText gives the text of a literal node. An invalid byte matches U+FFFD,
// so that one is no text.
func literalText(re *syntax.Regexp) string {
	if re.Op != syntax.OpLiteral || re.Flags&syntax.FoldCase != 0 || slices.Contains(re.Rune, utf8.RuneError) {
		return ""
	}
	var b strings.Builder
	for _, r := range re.Rune {
		b.WriteRune(r)
	}
	return b.String()
}
