package rewrite

import (
	mathbits "math/bits"
)

// index finds the patterns that may match a path without testing all of them.
// It may name too many, never too few. One walk over the path serves exact
// paths, prefixes and regexes that begin with literal text, by the hash of the
// path so far, and suffixes and regexes that hold literal text somewhere, by the
// hash of three bytes of it. A second walk does the same for what ignores case.
type index struct {
	always []int // patterns whose path says nothing, or nothing of use
	exact  textIndex
	folded textIndex // of texts in lower case
}

// textIndex is patterns by text that a path must hold.
type textIndex struct {
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

//go:noinline
func newIndex(patterns []pattern) *index {
	if len(patterns) < minIndexed {
		return nil
	}

	x := &index{}

	common := map[string]int{} // how many suffixes and regexes hold three bytes
	for i := range patterns {
		if text, _, begins := patterns[i].match.path.holdsText(); !begins {
			for j := gram; j <= len(text); j++ {
				common[text[j-gram:j]]++
			}
		}
	}

	for i := range patterns {
		p := &patterns[i]
		text, fold, begins := p.match.path.holdsText()
		t := &x.exact
		if fold {
			t = &x.folded
		}

		switch {
		case p.mode == disabled:
		case begins:
			t.begin(text, i)
		case len(text) >= gram:
			t.hold(text, i, common)
		default:
			x.always = append(x.always, i)
		}
	}

	for _, t := range []*textIndex{&x.exact, &x.folded} {
		t.begins.sort()
		t.holds.sort()
	}

	return x
}

// begin files a pattern under the text with which a path must begin.
func (t *textIndex) begin(text string, pattern int) {
	for len(t.lengths) <= len(text) {
		t.lengths = append(t.lengths, false)
	}

	t.lengths[len(text)] = true
	t.begins.add(hash(text), pattern)
}

// hold files a pattern under the three bytes of its literal text that the
// fewest others have.
func (t *textIndex) hold(text string, pattern int, common map[string]int) {
	best := text[:gram]
	for j := gram; j <= len(text); j++ {
		if g := text[j-gram : j]; common[g] < common[best] {
			best = g
		}
	}
	t.holds.add(hash(best), pattern)
}

// What a search for a hash takes of the budget, and each pattern that it finds.
const (
	perHit       = 4
	perCandidate = 2
)

// candidates appends the patterns that may match a path, in order, but for
// those of always. hits is how many hashes had to be searched for.
func (x *index) candidates(path string, dst []int) (all []int, hits int) {
	found := patternSet{low: len(patternSet{}.bits)}
	x.exact.candidates(path, false, &found)
	x.folded.candidates(path, true, &found)
	return found.appendTo(dst), found.hits
}

func (t *textIndex) candidates(path string, fold bool, found *patternSet) {
	if len(t.lengths) > 0 && t.lengths[0] {
		t.begins.find(hash(""), found)
	}

	h := hash("")

	var last [gram]byte // the bytes that end where the walk is
	for i := 0; i < len(path); i++ {
		c := path[i]
		if fold {
			c = lower(c)
		}

		last = [gram]byte{last[1], last[2], c}
		if i+1 < len(t.lengths) {
			if h = extend(h, c); t.lengths[i+1] {
				t.begins.find(h, found)
			}
		} else if len(t.holds.list) == 0 {
			break
		}
		if i+1 >= gram && len(t.holds.list) > 0 {
			t.holds.find(extend(extend(extend(hash(""), last[0]), last[1]), last[2]), found)
		}
	}
}

func (h *hashed) add(hash uint32, pattern int) {
	h.filter[hash>>5%uint32(len(h.filter))] |= 1 << (hash & 31)
	h.list = append(h.list, hashedPattern{hash, pattern})
}

//go:noinline
func (h *hashed) sort() {
	// Each pattern was added after those before it.
	list := make([]hashedPattern, 0, len(h.list))
	for _, i := range ordered(len(h.list), func(a, b int) bool { return h.list[a].hash < h.list[b].hash }) {
		list = append(list, h.list[i])
	}

	h.list = list
}

func (h *hashed) find(hash uint32, found *patternSet) {
	if h.filter[hash>>5%uint32(len(h.filter))]&(1<<(hash&31)) == 0 {
		return
	}

	found.hits++

	low, high := 0, len(h.list)
	for low < high {
		if middle := (low + high) / 2; h.list[middle].hash < hash {
			low = middle + 1
		} else {
			high = middle
		}
	}

	for ; low < len(h.list) && h.list[low].hash == hash; low++ {
		// A path may hold the same bytes thousands of times.
		if !found.add(h.list[low].pattern) {
			return
		}
	}
}

// patternSet is a set of patterns.
type patternSet struct {
	bits      [MaxPatterns / 32]uint32
	low, high int // words that have any
	hits      int // how many hashes were searched for
}

// add adds a pattern and reports whether it was not there.
func (s *patternSet) add(pattern int) bool {
	word, bit := pattern>>5, uint32(1)<<(pattern&31)
	if s.bits[word]&bit != 0 {
		return false
	}

	s.bits[word] |= bit
	s.low, s.high = min(s.low, word), max(s.high, word+1)
	return true
}

func (s *patternSet) appendTo(dst []int) []int {
	for word := s.low; word < s.high; word++ {
		for bits := s.bits[word]; bits != 0; bits &= bits - 1 {
			dst = append(dst, word<<5+mathbits.TrailingZeros32(bits))
		}
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

// holdsText gives text that every path that fits holds, whether in either case,
// in lower case then, and whether each begins with it; "" and false where it
// says nothing of use.
func (m *pathMatcher) holdsText() (text string, fold, begins bool) {
	switch {
	case m == nil:
		return "", false, false
	case m.op == opRegex:
		return m.find.literal, m.find.fold, m.find.begins
	case m.fold:
		return string(appendLower(nil, m.text)), true, m.op != opSuffix
	}
	return m.text, false, m.op != opSuffix
}

// appendLower appends a text with its ASCII letters in lower case.
func appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		dst = append(dst, lower(s[i]))
	}
	return dst
}
