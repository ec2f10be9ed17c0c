package rewrite

import "strings"

// queryEdit is rewrite.query, or redirect.query.
type queryEdit struct {
	drop bool
	ops  []operation
}

// param is one parameter of a query that is being edited: places in the query,
// or in the arena where the parameter was made here. Places are not pointers, so
// that a query of many parameters costs a collector nothing.
type param struct {
	from, to int32
	name     int32 // bytes of its name, as it is encoded
	made     bool
}

// params is a query that is being edited.
type params struct {
	query   string
	changed bool
}

// nextParam cuts the first parameter off a query; all three stay encoded.
func nextParam(query string) (name, value, rest string) {
	pair, rest, _ := strings.Cut(query, "&")
	name, value, _ = strings.Cut(pair, "=")
	return name, value, rest
}

// perParam is what a look at one parameter takes of the budget.
const perParam = 8

// plain reports whether a name or value of a query decodes to itself.
func plain(v string) bool { return strings.IndexByte(v, '%') < 0 && strings.IndexByte(v, '+') < 0 }

// decodesTo reports whether a name or value of a query decodes to a text.
func decodesTo(v, text string) bool {
	if len(v) < len(text) {
		return false
	}

	at := 0
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if b := escapeAt(v, i); b >= 0 {
				c = byte(b)
				i += 2
			}
		}
		if at == len(text) || text[at] != c {
			return false
		}
		at++
	}

	return at == len(text)
}

// decode decodes a name or value of a query, into the arena where it has to.
func (s *Scratch) decode(v string) string {
	if plain(v) || !s.room(len(v)) || !s.spend(len(v)>>1) {
		return v
	}

	start := len(s.arena)
	s.arena = appendDecoded(s.arena, v, true)
	return s.since(start)
}

// param gives the first value of a query parameter, decoded.
func (s *Scratch) param(name string) (string, bool) {
	s.spend(len(s.query) >> 2)

	for rest := s.query; rest != "" && s.spend(perParam); {
		var n, v string
		n, v, rest = nextParam(rest)
		if decodesTo(n, name) {
			return s.decode(v), true
		}
	}
	return "", false
}

// editQuery applies operations to the query of t.
//
//go:noinline
func (s *Scratch) editQuery(t target, ops []operation, vals []val) (now target, tooLong bool) {
	q := &params{query: t.query}
	if !s.splitQuery(t.query) {
		return t, true
	}

	for i := range ops {
		if s.spend(1); !s.editParams(q, &ops[i], vals) || s.over() {
			return t, true
		}
	}
	if !q.changed {
		return t, false
	}

	size := len(s.params)
	for i := range s.params {
		size += int(s.params[i].to - s.params[i].from)
	}
	// Longer than it may leave, it need not be written.
	if size > max(maxTarget, len(t.query))+1 || !s.room(size) {
		return t, true
	}

	start := len(s.arena)
	for i := range s.params {
		if i > 0 {
			s.arena = append(s.arena, '&')
		}

		s.arena = append(s.arena, q.raw(s, &s.params[i])...)
	}

	t.query = s.since(start)
	t.hasQuery = len(s.params) > 0

	return t, false
}

// splitQuery cuts a query into its parameters, if the budget allows.
//
//go:noinline
func (s *Scratch) splitQuery(query string) bool {
	s.params = s.params[:0]
	if query == "" {
		return true
	}

	count := strings.Count(query, "&") + 1
	if !s.spend(perParam*count + len(query)>>2) {
		return false
	}
	if cap(s.params) < count {
		s.params = make([]param, 0, max(count, 2*cap(s.params)))
	}

	for at := 0; at <= len(query); {
		end, name := at, -1
		for ; end < len(query) && query[end] != '&'; end++ {
			if query[end] == '=' && name < 0 {
				name = end - at
			}
		}
		if name < 0 {
			name = end - at
		}

		s.params = append(s.params, param{from: int32(at), to: int32(end), name: int32(name)})
		at = end + 1
	}

	return true
}

// raw gives a parameter as it is encoded.
func (q *params) raw(s *Scratch, p *param) string {
	if p.made {
		return unsafeString(s.arena[p.from:p.to])
	}
	return q.query[p.from:p.to]
}

func (q *params) name(s *Scratch, p *param) string { return q.raw(s, p)[:p.name] }

// value gives a parameter's value as it is encoded.
func (q *params) value(s *Scratch, p *param) string {
	raw := q.raw(s, p)
	return raw[min(int(p.name)+1, len(raw)):]
}

// walk takes from the budget what a look at each parameter costs.
func (q *params) walk(s *Scratch) bool { return s.spend(perParam*len(s.params) + len(q.query)>>2) }

// index gives the place of the first parameter of a name from a place on, or -1.
func (q *params) index(s *Scratch, name string, from int) int {
	for i := from; i < len(s.params); i++ {
		if decodesTo(q.name(s, &s.params[i]), name) {
			return i
		}
	}
	return -1
}

// drop removes the parameters of a name from a place on.
func (q *params) drop(s *Scratch, name string, from int) {
	kept := s.params[:from]
	for i := from; i < len(s.params); i++ {
		if p := s.params[i]; !decodesTo(q.name(s, &p), name) {
			kept = append(kept, p)
		}
	}

	q.changed = q.changed || len(kept) < len(s.params)
	s.params = kept
}

// editParams runs one operation. It is false where a value is too long.
//
//go:noinline
func (s *Scratch) editParams(q *params, op *operation, vals []val) bool {
	if !q.walk(s) {
		return false
	}

	switch op.kind {
	case opRemove, opKeep:
		s.filterParams(q, op)
		return true
	case opRename:
		return s.renameParam(q, op)
	case opReplace:
		return s.replaceParam(q, op, vals)
	}

	return s.putParam(q, op, vals)
}

// filterParams removes what remove names, or what keep does not.
func (s *Scratch) filterParams(q *params, op *operation) {
	kept := s.params[:0]
	for _, p := range s.params {
		if s.over() {
			return // the request is refused
		}

		start := len(s.arena)
		name := s.decode(q.name(s, &p))
		if !s.removes(op, name) {
			kept = append(kept, p)
		}

		s.arena = s.arena[:start]
	}

	q.changed = q.changed || len(kept) < len(s.params)
	s.params = kept
}

// removes reports whether remove or keep takes away a parameter.
func (s *Scratch) removes(op *operation, name string) bool {
	if op.kind == opRemove {
		return s.globMatch(op.name, name)
	}

	for _, glob := range op.names {
		if !s.spend(1) || s.globMatch(glob, name) {
			return false
		}
	}
	return true
}

// renameParam gives the parameters of one name another, whose own ones go.
//
//go:noinline
func (s *Scratch) renameParam(q *params, op *operation) bool {
	if q.index(s, op.name, 0) < 0 {
		return true
	}
	q.drop(s, op.to, 0)

	q.changed = true
	for i := q.index(s, op.name, 0); i >= 0; i = q.index(s, op.name, i+1) {
		p := &s.params[i]
		raw := q.raw(s, p)
		if !s.room(len(raw) + len(op.to)) {
			return false
		}

		start := len(s.arena)
		s.arena = appendEncoded(s.arena, op.to, encodeQuery, false)
		name := len(s.arena) - start
		s.arena = append(s.arena, raw[p.name:]...)
		*p = param{from: int32(start), to: int32(len(s.arena)), name: int32(name), made: true}
	}

	return true
}

// replaceParam replaces every match in each value of a parameter.
//
//go:noinline
func (s *Scratch) replaceParam(q *params, op *operation, vals []val) bool {
	for i := q.index(s, op.name, 0); i >= 0; i = q.index(s, op.name, i+1) {
		p := &s.params[i]
		value := s.decode(q.value(s, p))
		loc := op.find.find(&s.searcher, value, s.ownBuf)
		if loc == nil {
			continue
		}

		at, x := len(s.arena), expansion{}
		s.replaceEach(op.find, &op.values[0], value, loc, vals, encodeParam, max(maxTarget, len(value)), &x)
		if x.long || s.over() {
			return false
		}
		if made := s.since(at); made != value {
			q.changed = true
			s.assign(q, p, made)
		}
	}

	return true
}

// putParam runs set, overwrite, default and add.
//
//go:noinline
func (s *Scratch) putParam(q *params, op *operation, vals []val) bool {
	at := q.index(s, op.name, 0)
	if op.kind == opOverwrite && at < 0 || op.kind == opDefault && at >= 0 {
		return true
	}

	replaces := at >= 0 && op.kind != opAdd
	if op.kind == opAdd {
		at = -1
	}

	wrote := false
	for i := range op.values {
		t := &op.values[i]
		x := s.expand(t, vals, found{}, encodeParam, maxTarget)
		if x.long || s.over() {
			return false
		}
		// What a reference leaves empty is not there.
		if x.text == "" && t.refs {
			continue
		}
		if at < 0 {
			at = s.addParam(op.name)
		}
		s.assign(q, &s.params[at], x.text)
		q.changed = true
		if replaces && !wrote {
			// The others of its name go; what follows is put at the end.
			q.drop(s, op.name, at+1)
		}

		wrote, at = true, -1
	}
	if !wrote && replaces {
		q.drop(s, op.name, 0)
	}

	return true
}

// addParam puts a parameter at the end and gives its place.
func (s *Scratch) addParam(name string) int {
	start := len(s.arena)
	if s.room(3 * len(name)) {
		s.arena = appendEncoded(s.arena, name, encodeQuery, false)
	}

	s.params = append(s.params, param{from: int32(start), to: int32(len(s.arena)), name: int32(len(s.arena) - start), made: true})
	return len(s.params) - 1
}

// assign gives a parameter a value.
func (s *Scratch) assign(q *params, p *param, value string) {
	name := q.name(s, p)
	if !s.room(len(name) + 3*len(value)) {
		return
	}

	start := len(s.arena)
	s.arena = append(append(s.arena, name...), '=')
	s.arena = appendEncoded(s.arena, value, encodeQuery, false)
	*p = param{from: int32(start), to: int32(len(s.arena)), name: p.name, made: true}
}
