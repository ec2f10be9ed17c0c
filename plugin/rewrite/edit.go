package rewrite

import (
	"maps"
	"slices"
	"strings"
)

type opKind uint8

const (
	opCopy opKind = iota
	opRename
	opRemove
	opKeep
	opReplace
	opSet
	opOverwrite
	opDefault
	opAdd
)

// operation is one edit of a list of headers or of query parameters; the same
// words mean the same for both.
type operation struct {
	kind   opKind
	name   string // what is edited; of copy and rename where from; of remove maybe with *
	to     string // of copy and rename
	names  []string
	find   *finder // of replace
	values []template
}

// editor compiles the operations of one object, in their order.
type editor struct {
	*compiler
	at   *place
	sc   scope
	name func(at *place, name string) string // checks a name and gives it as it is compared
	glob func(at *place, name string) string // the same for a name with *
	text func(at *place, text string, sc scope) template
	ops  []operation
}

func (h *HeaderEdits) empty() bool {
	return len(h.Copy) == 0 && len(h.Rename) == 0 && len(h.Remove) == 0 && len(h.Replace) == 0 &&
		len(h.Set) == 0 && len(h.Overwrite) == 0 && len(h.Default) == 0 && len(h.Add) == 0
}

// block compiles header operations.
func (c *compiler) block(at *place, h *HeaderEdits, response bool) (b block) {
	if h.empty() {
		return b
	}
	e := &editor{compiler: c, at: at, name: c.headerName, text: c.headerValue}
	e.sc = scope{groups: c.groups(), names: c.groupNames, refs: &b.refs, response: response}
	e.glob = func(at *place, name string) string {
		if !strings.Contains(name, "*") {
			return c.headerName(at, name)
		}
		return strings.ToLower(name)
	}
	e.pairs(opCopy, "copy", h.Copy)
	e.pairs(opRename, "rename", h.Rename)
	e.remove("remove", h.Remove)
	e.replace(h.Replace)
	e.lists(opSet, "set", h.Set)
	e.texts(opOverwrite, "overwrite", h.Overwrite)
	e.texts(opDefault, "default", h.Default)
	e.lists(opAdd, "add", h.Add)
	b.ops = e.ops
	return b
}

// queryOps compiles rewrite.query.
func (c *compiler) queryOps(at *place, q *QueryEdits, sc scope) []operation {
	e := &editor{compiler: c, at: at, sc: sc, text: c.template}
	e.name = func(at *place, name string) string {
		if name == "" {
			c.add(at, `""`, "is no parameter's name")
		}
		return name
	}
	e.glob = e.name
	e.pairs(opRename, "rename", q.Rename)
	e.remove("remove", q.Remove)
	if q.Keep != nil {
		op := operation{kind: opKeep}
		for i, name := range q.Keep {
			op.names = append(op.names, e.glob(at.key("keep").item(i), name))
		}
		e.ops = append(e.ops, op)
	}
	e.replace(q.Replace)
	e.lists(opSet, "set", q.Set)
	e.texts(opOverwrite, "overwrite", q.Overwrite)
	e.texts(opDefault, "default", q.Default)
	e.lists(opAdd, "add", q.Add)
	if len(e.ops) == 0 {
		c.missing(at, "changes nothing: want keep, drop or at least one edit")
	}
	return e.ops
}

// once reports two keys of an object that are one name.
func (e *editor) once(at *place, seen map[string]string, written, name string) {
	if first, twice := seen[name]; twice {
		e.add(at, quoted(written), "is the same name as "+first)
	}
	seen[name] = written
}

func (e *editor) pairs(kind opKind, key string, in map[string]string) {
	if len(in) == 0 {
		return
	}
	at := e.at.key(key)
	from := map[string]string{}
	ops := make([]operation, 0, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		op := operation{kind: kind, name: e.name(at.key(name), name), to: e.name(at.key(name), in[name])}
		e.once(at.key(name), from, name, op.name)
		ops = append(ops, op)
	}
	for _, op := range ops {
		if _, chain := from[op.to]; chain {
			e.add(at.key(from[op.name]), quoted(in[from[op.name]]), "is read by "+key+" too: the outcome would depend on the order, use two patterns")
		}
	}
	e.ops = append(e.ops, ops...)
}

func (e *editor) remove(key string, in []string) {
	for i, name := range in {
		e.ops = append(e.ops, operation{kind: opRemove, name: e.glob(e.at.key(key).item(i), name)})
	}
}

func (e *editor) replace(in []Replace) {
	for i, r := range in {
		at := e.at.key("replace").item(i)
		op := operation{kind: opReplace, name: e.name(at.key("name"), r.Name), find: e.regex(at.key("regex"), r.Regex, false)}
		// Its groups are known to its own replacement only.
		e.compiler.name(at.key("regex"), r.Regex, op.find, nil)
		sc := e.sc
		sc.own = op.find
		op.values = []template{e.text(at.key("replacement"), r.Replacement, sc)}
		e.ops = append(e.ops, op)
	}
}

func (e *editor) lists(kind opKind, key string, in map[string]Strings) {
	if len(in) == 0 {
		return
	}
	at := e.at.key(key)
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		op := operation{kind: kind, name: e.name(at.key(name), name)}
		e.once(at.key(name), seen, name, op.name)
		for i, text := range in[name] {
			at := at.key(name)
			if len(in[name]) > 1 {
				at = at.item(i)
			}
			op.values = append(op.values, e.text(at, text, e.sc))
		}
		e.ops = append(e.ops, op)
	}
}

func (e *editor) texts(kind opKind, key string, in map[string]string) {
	lists := make(map[string]Strings, len(in))
	for name, text := range in {
		lists[name] = Strings{text}
	}
	e.lists(kind, key, lists)
}

// field is a header or a query parameter.
type field struct {
	name  string // a parameter's is decoded
	value string // a parameter's is decoded
	raw   string // a parameter as it stands in the query
}

// fieldList is an ordered list of fields that is being edited.
type fieldList struct {
	items   []field
	isQuery bool
	changed bool
	touched []touched // headers that were edited
	// Nobody asked what there is, because the operations need not know: items
	// holds what is written only.
	blind bool
}

type touched struct {
	name    string
	cleared bool // in a blind list: what there is goes
}

func (l *fieldList) touch(name string) *touched {
	l.changed = true
	if l.isQuery {
		return nil
	}
	for i := range l.touched {
		if l.touched[i].name == name {
			return &l.touched[i]
		}
	}
	l.touched = append(l.touched, touched{name: name})
	return &l.touched[len(l.touched)-1]
}

// clear removes a header of which nobody knows whether it is there.
func (l *fieldList) clear(name string) {
	l.dropName(name, 0)
	l.touch(name).cleared = true
}

// canBeBlind tells whether operations can be run without a look at what there is.
func canBeBlind(ops []operation) bool {
	for i := range ops {
		switch op := &ops[i]; op.kind {
		case opSet, opAdd:
		case opRemove:
			if strings.Contains(op.name, "*") {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func (l *fieldList) has(name string) bool { return l.index(name) >= 0 }

// index gives the place of the first field of a name, or -1.
func (l *fieldList) index(name string) int {
	for i := range l.items {
		if l.items[i].name == name {
			return i
		}
	}
	return -1
}

// dropName removes the fields of a name from place i on. The caller touches it.
func (l *fieldList) dropName(name string, i int) {
	kept := l.items[:i]
	for ; i < len(l.items); i++ {
		if l.items[i].name != name {
			kept = append(kept, l.items[i])
		}
	}
	l.items = kept
}

// filter removes what remove names, or what keep does not. A function as its
// condition would cost an allocation for each operation.
func (l *fieldList) filter(op *operation) {
	kept := l.items[:0]
	for i := range l.items {
		if f := &l.items[i]; op.removes(f.name) && (l.isQuery || !isUntouchable(f.name) && (f.name != forwardedProto || op.name == forwardedProto)) {
			l.touch(f.name)
		} else {
			kept = append(kept, *f)
		}
	}
	l.items = kept
}

func (op *operation) removes(name string) bool {
	if op.kind == opRemove {
		return globMatch(op.name, name)
	}
	for _, glob := range op.names {
		if globMatch(glob, name) {
			return false
		}
	}
	return true
}

// apply runs one operation. It is false where a value is too long or may not
// stand in a header, in which case nothing was changed.
func (s *Stream) apply(l *fieldList, op *operation, vals []val) bool {
	switch op.kind {
	case opRemove, opKeep:
		if l.blind {
			l.clear(op.name)
		} else {
			l.filter(op)
		}
	case opCopy, opRename:
		return s.move(l, op)
	case opReplace:
		return s.replaceValues(l, op, vals)
	default:
		return s.put(l, op, vals)
	}
	return true
}

// move carries the values of op.name over to op.to, in their order.
func (s *Stream) move(l *fieldList, op *operation) bool {
	if !l.has(op.name) {
		return true
	}
	for i := range l.items {
		if f := &l.items[i]; !l.isQuery && f.name == op.name && !validValue(f.value) {
			return false
		}
	}
	l.dropName(op.to, 0)
	l.touch(op.to)
	if op.kind == opRename {
		l.touch(op.name)
	}
	for i, n := 0, len(l.items); i < n; i++ {
		f := l.items[i]
		if f.name != op.name {
			continue
		}
		if l.isQuery {
			start := len(s.arena)
			_, value, hasValue := strings.Cut(f.raw, "=")
			s.arena = appendEncoded(s.arena, op.to, encodeQuery, false)
			if hasValue {
				s.arena = append(append(s.arena, '='), value...)
			}
			f.raw = s.since(start)
		}
		f.name = op.to
		if op.kind == opRename {
			l.items[i] = f
		} else {
			l.items = append(l.items, f)
		}
	}
	return true
}

// replaceValues replaces every match in each value of a field.
func (s *Stream) replaceValues(l *fieldList, op *operation, vals []val) bool {
	s.edited = s.edited[:0]
	valued := !op.values[0].refs
	for i := range l.items {
		f := &l.items[i]
		if f.name != op.name {
			continue
		}
		loc := op.find.find(s.searching(), f.value, s.ownBuf)
		if loc == nil {
			continue
		}
		at := len(s.arena)
		some, fits := s.replaceEach(op.find, &op.values[0], f.value, loc, vals, l.encoding(), maxValue)
		value := s.since(at)
		if !fits || !l.isQuery && hasControl(value) {
			return false
		}
		valued = valued || some
		s.edited = append(s.edited, edited{i, value})
	}
	if !valued {
		return true
	}
	// Only now that every value may be written is any of them.
	for _, e := range s.edited {
		if f := &l.items[e.index]; f.value != e.value {
			s.assign(l, f, e.value)
			l.touch(f.name)
		}
	}
	return true
}

type edited struct {
	index int
	value string
}

// encoding is how references are written in a value of the list.
func (l *fieldList) encoding() encoding {
	if l.isQuery {
		return encodeParam
	}
	return encodeNone
}

// put runs set, overwrite, default and add.
func (s *Stream) put(l *fieldList, op *operation, vals []val) bool {
	at := l.index(op.name)
	if op.kind == opOverwrite && at < 0 || op.kind == opDefault && at >= 0 {
		return true
	}
	s.texts = s.texts[:0]
	for i := range op.values {
		t := &op.values[i]
		limit := maxValue
		if t.config {
			limit = maxConfigValue
		}
		x := s.expand(t, vals, found{}, l.encoding(), limit)
		if x.none {
			continue
		}
		if !t.checked && (x.long || !l.isQuery && hasControl(x.text)) {
			return false
		}
		s.texts = append(s.texts, x.text)
	}
	texts := s.texts
	if len(texts) == 0 {
		return true
	}
	l.touch(op.name)
	switch {
	case op.kind == opAdd:
	case l.blind:
		l.clear(op.name)
	case at >= 0:
		l.dropName(op.name, at+1)
		s.assign(l, &l.items[at], texts[0])
		texts = texts[1:]
	}
	for _, text := range texts {
		l.items = append(l.items, field{name: op.name})
		s.assign(l, &l.items[len(l.items)-1], text)
	}
	return true
}

// assign gives a field a value, and a query parameter its encoded form.
func (s *Stream) assign(l *fieldList, f *field, value string) {
	f.value = value
	if !l.isQuery {
		return
	}
	start := len(s.arena)
	if name, _, _ := strings.Cut(f.raw, "="); name != "" {
		s.arena = append(s.arena, name...)
	} else {
		s.arena = appendEncoded(s.arena, f.name, encodeQuery, false)
	}
	s.arena = append(s.arena, '=')
	s.arena = appendEncoded(s.arena, value, encodeQuery, false)
	f.raw = s.since(start)
}

// globMatch tells whether a name fits a pattern in which * is any text.
func globMatch(pattern, name string) bool {
	star, back := -1, 0
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			back++
			p, n = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
