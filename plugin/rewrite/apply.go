package rewrite

import "strings"

// effect is what an operation came to.
type effect uint8

const (
	effectDone    effect = iota
	effectAbsent         // nothing: there is no such header
	effectPresent        // nothing: default, and there is one
	effectNoMatch        // nothing: replace, and no value has a match
	effectEmpty          // the value came out empty: nothing was added
	effectCleared        // the value came out empty: the header was removed
	effectControl        // nothing yet: a control byte
	effectLong           // nothing yet: too long
	effectLost           // nothing yet: a value was too long to be kept
	effectOver           // nothing yet: the budget is used up
)

// unsafe reports whether what an operation would have written may not leave.
func (e effect) unsafe() bool { return e >= effectControl }

// reason is why it may not.
func (e effect) reason() string {
	switch e {
	case effectControl:
		return "a control byte in a header value"
	case effectLong:
		return "a header value is too long"
	case effectLost:
		return "a value of the request was too long to be kept for the response"
	case effectOver:
		return "the budget is used up"
	}

	return ""
}

// remove removes what an operation names.
func (s *Scratch) remove(l *fieldList, op *operation) effect {
	if l.blind {
		s.clear(l, op.name)
		return effectDone
	}
	s.spend(len(l.items))

	kept, was := l.items[:0], len(l.items)
	for i := range l.items {
		f := &l.items[i]
		if s.globMatch(op.name, f.name) && !isUntouchable(f.name) && (f.name != forwardedProto || op.name == forwardedProto) {
			s.touch(l, f.name)
		} else {
			kept = append(kept, *f)
		}
	}
	if l.items = kept; len(kept) == was {
		return effectAbsent
	}

	return effectDone
}

// forbid removes the header that an operation may not write.
func (s *Scratch) forbid(l *fieldList, op *operation) {
	switch {
	case s.spent():
		// All of them go.
	case op.kind == opRemove && strings.Contains(op.name, "*"):
		s.forbidGlob(l, op.name)
	case op.kind == opCopy:
		s.clear(l, op.to)
	case op.kind == opRename:
		s.clear(l, op.to)
		s.clear(l, op.name)
	default:
		s.clear(l, op.name)
	}
}

// forbidGlob removes what a glob names where there are no steps left to match it:
// all names that begin and end as it does, which between two * may be too many.
func (s *Scratch) forbidGlob(l *fieldList, glob string) {
	s.spend(len(l.items) * (4 + len(glob)>>4))

	before, after := glob[:strings.IndexByte(glob, '*')], glob[strings.LastIndexByte(glob, '*')+1:]

	kept := l.items[:0]
	for _, f := range l.items {
		held := isUntouchable(f.name) || f.name == forwardedProto
		if !held && len(f.name) >= len(before)+len(after) && strings.HasPrefix(f.name, before) && strings.HasSuffix(f.name, after) {
			s.touch(l, f.name)
		} else {
			kept = append(kept, f)
		}
	}

	l.items = kept
}

// apply runs one operation. Where what it would write may not leave the filter
// it changes nothing.
func (s *Scratch) apply(l *fieldList, op *operation, vals []val) effect {
	if !s.spend(1) {
		return effectOver
	}

	var e effect
	switch op.kind {
	case opRemove:
		e = s.remove(l, op)
	case opCopy, opRename:
		e = s.move(l, op)
	case opReplace:
		e = s.replaceValues(l, op, vals)
	default:
		e = s.put(l, op, vals)
	}
	if s.over() {
		return effectOver
	}

	return e
}

// move carries the values of op.name over to op.to, in their order.
func (s *Scratch) move(l *fieldList, op *operation) effect {
	first := s.index(l, op.name)
	if first < 0 {
		return effectAbsent
	}
	if op.kind == opCopy && !s.copies(l, op.name, first) {
		return effectLong
	}
	s.dropName(l, op.to, 0)
	s.touch(l, op.to)
	if op.kind == opRename {
		s.touch(l, op.name)
	}

	for i, n := 0, len(l.items); i < n; i++ {
		if l.items[i].name != op.name {
			continue
		}
		if op.kind == opRename {
			l.items[i].name = op.to
		} else if s.spend(1 + len(l.items[i].value)>>4) {
			l.items = append(l.items, field{op.to, l.items[i].value})
		}
	}

	return effectDone
}

// copies takes what another copy of a header's values adds to the message, and reports whether there is room.
func (s *Scratch) copies(l *fieldList, name string, first int) bool {
	n := 0
	for _, f := range l.items[first:] {
		if f.name == name {
			n += len(f.value)
		}
	}
	return s.makes(n)
}

type edited struct {
	index int
	value string
}

// replaceValues replaces every match in each value of a header.
func (s *Scratch) replaceValues(l *fieldList, op *operation, vals []val) effect {
	s.edited = s.edited[:0]
	if s.index(l, op.name) < 0 {
		return effectAbsent
	}

	for i := range l.items {
		f := &l.items[i]
		if f.name != op.name {
			continue
		}

		loc := op.find.find(&s.searcher, f.value, s.ownBuf)
		if loc == nil {
			continue
		}

		x := expansion{}
		at, limit := len(s.arena), max(maxValue, len(f.value))
		s.replaceEach(op.find, &op.values[0], f.value, loc, vals, encodeNone, limit, &x)
		value := s.since(at)
		// It takes the place of what it was made from, so long may be what was.
		e := s.judge(value, x, false)
		if !e.unsafe() && len(value) > len(f.value) && !s.makes(len(value)-len(f.value)) {
			e = effectLong
		}
		if e.unsafe() {
			return e
		}

		s.edited = append(s.edited, edited{i, value})
	}
	if len(s.edited) == 0 {
		return effectNoMatch
	}
	// Only now that every value may be written is any of them.
	for _, e := range s.edited {
		if f := &l.items[e.index]; f.value != e.value {
			f.value = e.value
			s.touch(l, f.name)
		}
	}

	return effectDone
}

// judge reports whether a value may be written; more says that it comes on top of
// what there is.
func (s *Scratch) judge(value string, x expansion, more bool) effect {
	if !s.spend(len(value) >> 4) {
		return effectOver
	}

	switch {
	case x.lost:
		return effectLost
	case x.long:
		return effectLong
	case hasControl(value):
		return effectControl
	}
	// One long value may be honest; many of them fill the proxy's memory.
	if more && !s.makes(len(value)) {
		return effectLong
	}
	if more && len(value) > maxValue {
		if s.made.long += len(value); s.made.long > maxLong {
			return effectLong
		}
	}

	return effectDone
}

// put runs set, overwrite, default and add.
func (s *Scratch) put(l *fieldList, op *operation, vals []val) effect {
	at := -1
	if !l.blind {
		at = s.index(l, op.name)
	}
	if op.kind == opOverwrite && at < 0 {
		return effectAbsent
	}
	if op.kind == opDefault && at >= 0 {
		return effectPresent
	}

	if e := s.fill(op, vals); e.unsafe() {
		return e
	}
	if len(s.texts) == 0 {
		return s.putNone(l, op, at)
	}
	s.putTexts(l, op, at)

	return effectDone
}

// fill makes the values of an operation, and keeps in texts those that are there.
func (s *Scratch) fill(op *operation, vals []val) effect {
	s.texts = s.texts[:0]
	for i := range op.values {
		t := &op.values[i]
		limit := maxValue
		if t.config {
			limit = maxConfigValue
		}

		x := s.expand(t, vals, found{}, encodeNone, max(limit, t.longest(vals)))
		if !t.checked {
			if e := s.judge(x.text, x, !t.config); e.unsafe() {
				return e
			}
		}
		// What a reference leaves empty is not there.
		if x.text != "" || !t.refs {
			s.texts = append(s.texts, x.text)
		}
	}

	return effectDone
}

// putNone does what is left of an operation whose values came out empty; at is the
// place of the first one there was, or -1.
func (s *Scratch) putNone(l *fieldList, op *operation, at int) effect {
	if op.kind == opAdd || op.kind == opDefault || at < 0 && !l.blind {
		return effectEmpty
	}
	if l.blind {
		s.clear(l, op.name)
	} else {
		s.dropName(l, op.name, 0)
		s.touch(l, op.name)
	}

	return effectCleared
}

// putTexts writes texts into the list, the first of them at the place of the value
// that it replaces.
func (s *Scratch) putTexts(l *fieldList, op *operation, at int) {
	s.touch(l, op.name)

	texts := s.texts
	switch {
	case op.kind == opAdd:
	case l.blind:
		s.clear(l, op.name)
	case at >= 0:
		s.dropName(l, op.name, at+1)
		l.items[at].value = texts[0]
		texts = texts[1:]
	}

	for _, text := range texts {
		l.items = append(l.items, field{op.name, text})
	}
}
