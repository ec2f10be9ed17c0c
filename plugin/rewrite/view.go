package rewrite

import "strings"

// field is one value of a header.
type field struct{ name, value string }

// fieldList is an ordered list of headers that is being edited.
type fieldList struct {
	items   []field
	touched []touched // headers that were edited
	// Nobody asked what there is, because the operations need not know: items
	// holds what is written only.
	blind bool
}

type touched struct {
	name    string
	cleared bool // in a blind list: what there is goes
}

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

func (s *Scratch) touch(l *fieldList, name string) *touched {
	s.spend(1 + len(l.touched)>>1)

	for i := range l.touched {
		if l.touched[i].name == name {
			return &l.touched[i]
		}
	}

	l.touched = append(l.touched, touched{name: name})
	return &l.touched[len(l.touched)-1]
}

// clear removes a header of which nobody knows whether it is there.
func (s *Scratch) clear(l *fieldList, name string) {
	s.dropName(l, name, 0)
	s.touch(l, name).cleared = true
}

// index gives the place of the first value of a header, or -1.
func (s *Scratch) index(l *fieldList, name string) int {
	s.spend(1 + len(l.items)>>1)

	for i := range l.items {
		if l.items[i].name == name {
			return i
		}
	}
	return -1
}

// dropName removes the values of a header from place i on. The caller touches it.
func (s *Scratch) dropName(l *fieldList, name string, i int) {
	s.spend(1 + len(l.items)>>1)

	kept := l.items[:i]
	for ; i < len(l.items); i++ {
		if l.items[i].name != name {
			kept = append(kept, l.items[i])
		}
	}

	l.items = kept
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
	if s.index(l, op.name) < 0 {
		return effectAbsent
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
		if e := s.judge(value, x, false); e.unsafe() {
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
	if more && len(value) > maxValue {
		if s.long += len(value); s.long > maxLong {
			return effectLong
		}
	}

	return effectDone
}

// put runs set, overwrite, default and add.
//
//nolint:funlen // one operation on the list of headers
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

	texts := s.texts
	if len(texts) == 0 {
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
	s.touch(l, op.name)

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

	return effectDone
}

// mark remembers the list, for undo.
func (s *Scratch) mark() {
	s.spend(1 + len(s.list.items)>>2)
	s.saved.items = append(s.saved.items[:0], s.list.items...)
	s.saved.touched = append(s.saved.touched[:0], s.list.touched...)
	s.savedLong = s.long
}

// undo brings back the list as it was when it was marked.
func (s *Scratch) undo() {
	s.spend(1 + len(s.saved.items)>>2)
	s.list.items = append(s.list.items[:0], s.saved.items...)
	s.list.touched = append(s.list.touched[:0], s.saved.touched...)
	s.long = s.savedLong
}

// diff turns what the header operations changed into as few writes as say it.
func (s *Scratch) diff() {
	for _, t := range s.list.touched {
		s.spend(1 + (len(s.list.items)+len(s.arrived))>>1)

		same := 0 // how many values stay as they are
		if !s.list.blind {
			var changed bool
			if same, changed = s.unchanged(t.name); !changed {
				continue
			}

			t.cleared = same == 0
		}

		kind, written := EditAdd, false
		if t.cleared {
			kind = EditSet
		}

		for i := range s.list.items {
			f := &s.list.items[i]
			if f.name != t.name {
				continue
			}
			if same > 0 {
				same--
				continue
			}

			s.out.Edits = append(s.out.Edits, Edit{kind, t.name, f.value})
			kind, written = EditAdd, true
		}
		if !written {
			s.out.Edits = append(s.out.Edits, Edit{Kind: EditRemove, Name: t.name})
		}
	}
}

// unchanged compares the values of a header with those that arrived. Where
// values were only appended, same is how many were there before; else it is 0.
func (s *Scratch) unchanged(name string) (same int, changed bool) {
	at := 0
	for i := range s.arrived {
		if s.arrived[i].Name != name {
			continue
		}

		for at < len(s.list.items) && s.list.items[at].name != name {
			at++
		}
		if at == len(s.list.items) || s.list.items[at].value != s.arrived[i].Value {
			return 0, true
		}
		at++
		same++
	}

	for ; at < len(s.list.items); at++ {
		changed = changed || s.list.items[at].name == name
	}

	return same, changed
}

// own writes a header of the filter's own, or removes what came under its name.
func (s *Scratch) own(name, value string) {
	if name == "" {
		return
	}
	if value != "" {
		s.out.Edits = append(s.out.Edits, Edit{EditSet, name, value})
		return
	}

	found := s.index(&s.list, name) >= 0
	if !found && !s.loaded {
		_, there, ok := s.src.Header(name)
		found = there
		s.failed = s.failed || !ok
	}

	for i := range s.arrived {
		found = found || s.arrived[i].Name == name
	}
	if found {
		s.out.Edits = append(s.out.Edits, Edit{Kind: EditRemove, Name: name})
	}
}

// forged reports whether a request's header has a name that the filter itself writes:
// what a client sends there is removed, so nothing can ask for it.
func (s *Scratch) forged(name string) bool {
	return s.hides && (name == s.rules.patternHeader || name == s.rules.originalPathHeader)
}

// load reads all headers, once a pass.
func (s *Scratch) load() {
	if s.loaded {
		return
	}

	s.loaded = true
	list, ok := s.src.Headers()
	s.failed = s.failed || !ok
	s.arrived = list
	s.spend(len(list))
	if s.list.blind {
		return
	}

	for i := range list {
		if !s.forged(list[i].Name) {
			s.list.items = append(s.list.items, field{list[i].Name, list[i].Value})
		}
	}
}

// get gives the first current value of a header. Where the list is blind it is
// one that nothing edits.
func (s *Scratch) get(name string) (string, bool) {
	if s.forged(name) && s.list.blind {
		return "", false
	}
	if s.list.blind {
		if !s.loaded {
			value, found, ok := s.src.Header(name)
			s.failed = s.failed || !ok
			return value, found
		}
		s.spend(1 + len(s.arrived)>>1)

		for i := range s.arrived {
			if s.arrived[i].Name == name {
				return s.arrived[i].Value, true
			}
		}

		return "", false
	}
	s.load()
	if at := s.index(&s.list, name); at >= 0 {
		return s.list.items[at].value, true
	}

	return "", false
}

func (s *Scratch) loadHost() {
	if !s.hasHost {
		s.host, _ = s.get(":authority")
		s.hasHost, s.hostWas = true, s.host
	}
}

// hostname gives the current host in lower case without its port.
func (s *Scratch) hostname() string {
	if s.loadHost(); s.hasBareHost || !s.spend(len(s.host)>>4) {
		return s.bareHost
	}

	s.hasBareHost = true
	s.bareHost, _ = splitPort(s.host)
	start := len(s.arena)
	if strings.IndexFunc(s.bareHost, isUpperLetter) >= 0 && s.room(len(s.bareHost)) {
		for i := 0; i < len(s.bareHost); i++ {
			s.arena = append(s.arena, lower(s.bareHost[i]))
		}

		s.bareHost = s.since(start)
	}

	return s.bareHost
}

func isUpperLetter(r rune) bool { return r >= 'A' && r <= 'Z' }
