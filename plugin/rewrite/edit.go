package rewrite

import (
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

// block compiles header operations. refs are those that are read with them.
func (c *compiler) block(at *place, h *HeaderEdits, response bool, refs []ref) (b block) {
	b.refs = refs
	if h.empty() || !c.counts(at, h.size()) {
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
	if !c.counts(at, q.size()) {
		return nil
	}

	e := &editor{compiler: c, at: at, sc: sc, text: c.template}
	e.name = func(at *place, name string) string {
		if name == "" {
			c.add(at, `""`, "is not the name of a parameter")
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
		e.add(at, quoted(written), "is the same name as "+first+": write it once; several values are a list")
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
	for _, name := range sortedKeys(in) {
		op := operation{kind: kind, name: e.name(at.key(name), name), to: e.name(at.key(name), in[name])}
		e.once(at.key(name), from, name, op.name)
		ops = append(ops, op)
	}

	for _, op := range ops {
		if op.name == op.to {
			e.add(at.key(from[op.name]), quoted(in[from[op.name]]), "is the same name: leave it out, "+key+" would change nothing")
			continue
		}
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
	for _, name := range sortedKeys(in) {
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

// canBeBlind reports whether operations can be run without a look at what there is.
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
