package regex

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// The limits of what a search may remember. They bound the memory of a machine:
// some 2 MiB, of which a usual one needs a few KiB.
const (
	maxMarks = 1 << 16 // words of remembered failures
	maxStack = 1 << 17 // places to go back to
)

// Machine is what a search needs while it runs. It holds no text once a search
// is over. It may be used for one search at a time.
type Machine struct {
	marks []uint32 // one bit for an instruction and place that failed; all zero between searches
	stack []back
}

// back is a place to go back to: instruction pc at at. A run's goes down to low;
// a group's is ^slot, with the value to restore.
type back struct{ pc, at, low int32 }

// state is one search.
type state struct {
	*Machine
	r    *Regex
	text string
	loc  []int // nil where nobody asks for groups
	from int   // where the search began: the first place that may be marked
	high int   // the last place that is marked
	row  int   // words of marks for an instruction
	rows int   // instructions that have some
	left int   // steps
}

// Find looks for the leftmost match from a place of the text on, which is 0 or
// what a match before it ended with. It writes where the match and its groups
// begin and end to loc, as far as that is long; -1 is a group that took no part.
//
// It takes its work from steps. Where these are used up it stops and finds
// nothing: steps are below zero then, which is to be asked before that is taken
// for an answer, and every further search ends at once.
func (m *Machine) Find(r *Regex, steps *int, text string, from int, loc []int) bool {
	if *steps -= search; *steps < 0 {
		return false
	}
	if from > len(text) || r.anchored && from > 0 {
		return false
	}
	if r.needs != "" {
		at := strings.Index(text[from:], r.needs)
		if at < 0 {
			*steps -= (len(text) - from) >> scanned
			return false
		}

		*steps -= at >> scanned
	}

	s := state{Machine: m, r: r, text: text, loc: loc, from: from, high: -1, left: *steps}
	found := s.prepare() && s.search()
	s.forget()
	*steps = s.left

	return found && s.left >= 0
}

// prepare makes room for what has to be remembered.
func (s *state) prepare() bool {
	s.row = (len(s.text)-s.from)>>5 + 1
	s.rows = min(s.r.marks, maxMarks/s.row)
	if s.rows < s.r.loops {
		// An empty round would never end.
		s.left = -1
		return false
	}
	if n := s.rows * s.row; n > len(s.marks) {
		s.marks = make([]uint32, min(max(2*len(s.marks), n), maxMarks))
	}

	return true
}

// forget clears the marks that were set.
func (s *state) forget() {
	s.stack = s.stack[:0]
	if s.high < 0 {
		return
	}

	n := (s.high-s.from)>>5 + 1
	for i := range s.rows {
		clear(s.marks[i*s.row : i*s.row+n])
	}

	s.left -= (n*s.rows)>>cleared + s.rows
}

// search tries one place after the other.
func (s *state) search() bool {
	for start := s.from; ; {
		if start = s.next(start); start < 0 {
			return false
		}

		for i := range s.loc {
			s.loc[i] = -1
		}

		s.left -= begin + len(s.loc)>>cleared
		if end := s.walk(start); end >= 0 {
			if len(s.loc) >= 2 {
				s.loc[0], s.loc[1] = start, end
			}
			return true
		}
		if start == len(s.text) || s.r.anchored || s.left < 0 {
			return false
		}

		start += width(s.text, start)
	}
}

// width is how long the character at a place is.
func width(text string, at int) int {
	if text[at] < utf8.RuneSelf {
		return 1
	}

	_, n := utf8.DecodeRuneInString(text[at:])
	return n
}

// next gives the first place from one on at which a match may begin, or -1.
func (s *state) next(start int) int {
	r, text := s.r, s.text
	if r.anchored || r.first.has(none) && r.first == everything {
		return start
	}

	at := start
	if r.prefix != "" {
		i := strings.Index(text[at:], r.prefix)
		if i < 0 {
			s.left -= (len(text) - start) >> scanned
			return -1
		}

		s.left -= i >> scanned
		return at + i
	}

	for at < len(text) && !r.first.fits(text[at]) {
		if text[at] < utf8.RuneSelf {
			at++
		} else {
			at += width(text, at)
		}
	}

	s.left -= (at - start) >> tested
	if at == len(text) && !r.first.has(none) {
		return -1
	}

	return at
}

// marked reports whether an instruction failed at a place, and notes that it was
// tried.
func (s *state) marked(mark uint16, at int) bool {
	if int(mark) > s.rows {
		return false
	}

	i := (int(mark)-1)*s.row + (at-s.from)>>5
	bit := uint32(1) << ((at - s.from) & 31)
	if s.marks[i]&bit != 0 {
		return true
	}

	s.marks[i] |= bit
	s.high = max(s.high, at)

	return false
}

// markRun notes that a run was left at every place from at to end.
func (s *state) markRun(mark uint16, at, end int) {
	s.high = max(s.high, end)
	base := (int(mark) - 1) * s.row

	from, to := at-s.from, end-s.from
	for from <= to {
		word := from >> 5
		last := min(to, from|31)
		s.marks[base+word] |= ^uint32(0) >> (31 - (last - from)) << (from & 31)
		from = last + 1
	}

	s.left -= (end - at) >> (5 + cleared)
}

// stretch gives how far a run goes, up to the first place at which it was left
// before: from there on nothing is new.
func (s *state) stretch(set *set, mark uint16, at int) (end int, again bool) {
	text := s.text
	end = at
	if mark == 0 || int(mark) > s.rows {
		for end < len(text) && set.fits(text[end]) {
			end++
		}
		return end, false
	}

	base := (int(mark) - 1) * s.row
	for {
		place := end - s.from
		word := s.marks[base+place>>5] >> (place & 31)
		limit := end + 32 - place&31
		if word != 0 {
			limit = end + bits.TrailingZeros32(word)
		}

		for end < min(limit, len(text)) && set.fits(text[end]) {
			end++
		}
		if end < limit || end == len(text) && word == 0 {
			return end, false
		}
		if word != 0 {
			return end, true
		}
	}
}

// push notes a place to go back to.
func (s *state) push(b back) {
	if len(s.stack) == maxStack {
		s.left = -1
		return
	}

	s.stack = append(s.stack, b)
}

// walk gives where the match ends that begins at a place, or -1.
//
//nolint:gocyclo // one loop: a call an instruction would take longer than the instruction
func (s *state) walk(at int) int {
	text, code, sets := s.text, s.r.code, s.r.sets

	pc := s.r.start
	for {
		if s.left--; s.left < 0 {
			return -1
		}

		i, here := &code[pc], pc
		pc = i.x

		ok := false
		switch i.op {
		case opMatch:
			return at
		case opByte:
			if at < len(text) && text[at] == byte(i.arg) {
				at++
				ok = true
			}
		case opText:
			n := int(i.y)
			if ok = len(text)-at >= n && text[at:at+n] == s.r.text[i.arg:int(i.arg)+n]; ok {
				at += n
			}

			s.left -= n >> compared
		case opFold:
			n := int(i.y)
			if ok = len(text)-at >= n && equalFold(text[at:at+n], s.r.text[i.arg:int(i.arg)+n]); ok {
				at += n
			}

			s.left -= n >> scanned
		case opSet:
			if at < len(text) && sets[i.arg].fits(text[at]) {
				at++
				ok = true
			}
		case opWide:
			if n := s.wide(&s.r.wide[i.arg], at); n > 0 {
				at += n
				ok = true
			}
		case opRun:
			at, ok = s.run(here, at)
		case opSplit, opLoop:
			pc, ok = s.split(i, at)
		case opSave:
			ok = true
			s.save(int(i.arg), at)
		case opAssert:
			ok = holds(i.arg, text, at)
		}
		if !ok {
			if pc, at = s.back(); at < 0 {
				return -1
			}
		}
	}
}

// wide gives how long the character at a place is if a class has it, else 0.
func (s *state) wide(c *class, at int) int {
	if at == len(s.text) || !c.set.fits(s.text[at]) {
		return 0
	}
	if s.text[at] < utf8.RuneSelf {
		return 1
	}

	r, n := utf8.DecodeRuneInString(s.text[at:])
	if c.ranges == nil {
		return n
	}

	s.left -= len(c.ranges) >> scanned
	if !c.fits(r) {
		return 0
	}

	return n
}

// run takes all that it can, and notes that less may do.
func (s *state) run(pc uint16, at int) (end int, ok bool) {
	i := &s.r.code[pc]
	set := &s.r.sets[i.arg]
	if i.y > 0 {
		if at == len(s.text) || !set.fits(s.text[at]) {
			return 0, false
		}

		at += width(s.text, at)
	}

	end, again := s.stretch(set, i.mark, at)
	s.left -= (end - at) >> scanned
	if again && (end == at || i.sure) {
		return 0, false
	}
	if i.mark > 0 && int(i.mark) <= s.rows {
		s.markRun(i.mark, at, end)
	}
	if !i.sure && end > at {
		s.push(back{int32(pc), int32(end), int32(at)})
	}

	return end, !again
}

// split goes where the next byte leads, and notes the other way if it leads
// there too.
func (s *state) split(i *inst, at int) (pc uint16, ok bool) {
	next := none
	if at < len(s.text) {
		next = int(min(s.text[at], high))
	}

	first, second := s.r.sets[i.a].has(next), s.r.sets[i.b].has(next)
	if i.mark > 0 && (i.op == opLoop || first && second) && s.marked(i.mark, at) {
		return 0, false
	}
	if !first {
		return i.y, second
	}
	if second {
		s.push(back{int32(i.y), int32(at), -1})
	}

	return i.x, true
}

// save notes where a group begins or ends.
func (s *state) save(slot, at int) {
	if slot >= len(s.loc) {
		return
	}
	if len(s.stack) > 0 {
		s.push(back{^int32(slot), int32(s.loc[slot]), -1})
	}

	s.loc[slot] = at
}

// back goes back to the last place that was noted; at is -1 where there is none.
func (s *state) back() (pc uint16, at int) {
	for len(s.stack) > 0 {
		s.left--

		b := &s.stack[len(s.stack)-1]
		switch {
		case b.pc < 0:
			s.loc[^b.pc] = int(b.at)
		case b.low >= 0:
			if pc, at, ok := s.shorten(b); ok {
				return pc, at
			}
			continue
		default:
			pc, at = uint16(b.pc), int(b.at)
			s.stack = s.stack[:len(s.stack)-1]
			return pc, at
		}

		s.stack = s.stack[:len(s.stack)-1]
	}

	return 0, -1
}

// shorten makes a run end earlier: where what follows it may begin.
func (s *state) shorten(b *back) (pc uint16, at int, ok bool) {
	i := &s.r.code[b.pc]
	first := &s.r.sets[i.a]

	from, low := int(b.at), int(b.low)
	for at = from; at > low; {
		if s.text[at-1] < utf8.RuneSelf {
			at--
		} else {
			_, n := utf8.DecodeLastRuneInString(s.text[low:at])
			at -= n
		}
		if first.fits(s.text[at]) {
			ok = true
			break
		}
	}

	s.left -= (from - at) >> scanned
	if ok && at > low {
		b.at = int32(at)
	} else {
		s.stack = s.stack[:len(s.stack)-1]
	}

	return i.x, at, ok
}

// holds reports whether a place is what an assertion wants.
func holds(what uint16, text string, at int) bool {
	switch what {
	case assertBegin:
		return at == 0
	case assertEnd:
		return at == len(text)
	case assertBeginLine:
		return at == 0 || text[at-1] == '\n'
	case assertEndLine:
		return at == len(text) || text[at] == '\n'
	}

	before := at > 0 && isWord(text[at-1])
	after := at < len(text) && isWord(text[at])

	return (before != after) == (what == assertWord)
}
