package regex

import "unicode/utf8"

type opcode uint8

const (
	opMatch  opcode = iota
	opByte          // the byte arg
	opText          // y bytes of the text from arg on
	opFold          // the same without regard to case
	opSet           // one byte of set arg
	opWide          // one character of class arg
	opRun           // as many characters of set arg as there are, at least y
	opSplit         // x, or if that fails y
	opLoop          // the same, and one of them leads back here
	opSave          // a group begins or ends
	opAssert        // what must be so here
)

// inst is one instruction; x is the next one.
type inst struct {
	op   opcode
	sure bool   // opRun: what follows never begins with what is repeated, or cannot fail
	mark uint16 // the number, from 1 on, under which failures here are remembered; 0 where they are not
	arg  uint16
	x, y uint16
	a, b uint16 // opSplit, opLoop: the sets of what x and y may begin with; opRun: a for x
}

// assembler writes the tree out. It begins at the end, so that each instruction
// knows what follows it.
type assembler struct {
	*parser
	*Regex
	buffer []byte
	firsts []set // what each instruction may begin with
}

// size is how many instructions a node counts for, before it is written out. It
// calls itself as deep as parentheses nest, as emit does.
func (p *parser) size(id int) int {
	n := &p.nodes[id]

	sum, chars := 0, 0
	for _, sub := range n.subs {
		sum += p.size(sub)
		if p.nodes[sub].kind == kindChar {
			chars++
		}
	}

	switch n.kind {
	case kindGroup:
		return 2 + sum
	case kindSequence:
		if chars == len(n.subs) {
			return sum
		}
		return 1 + sum
	case kindAlternate:
		return sum + len(n.subs) - 1
	case kindRepeat:
		switch {
		case n.max < 0 && n.min == 0:
			return 2 + sum
		case n.max < 0 && n.min == 1, n.max == 1 && n.min == 0:
			return 1 + sum
		case n.max < 0:
			return n.min*sum + 2
		}
		return n.max*sum + n.max - n.min + 1
	}

	return 1
}

//go:noinline
func assemble(p *parser, root int) *Regex {
	r := &Regex{names: p.names}
	a := &assembler{parser: p, Regex: r}
	end := a.add(inst{op: opMatch})
	r.start = a.emit(root, end)
	r.text = string(a.buffer)
	a.findFirsts()
	a.decide()
	a.findPrefix()
	r.literal = a.findLiteral(root)
	if !r.anchored && r.prefix == "" && !r.literal.fold && len(r.literal.text) >= 3 {
		r.needs = r.literal.text
	}

	return r
}

func (a *assembler) add(i inst) uint16 {
	a.code = append(a.code, i)
	return uint16(len(a.code) - 1)
}

// set keeps a set. A regex has few different ones, and mostly next to each other.
func (a *assembler) set(s *set) uint16 {
	for i := len(a.sets) - 1; i >= max(len(a.sets)-8, 0); i-- {
		if a.sets[i] == *s {
			return uint16(i)
		}
	}

	a.sets = append(a.sets, *s)
	return uint16(len(a.sets) - 1)
}

// emit writes a node out and gives where it begins.
//
//go:noinline
func (a *assembler) emit(id int, next uint16) uint16 {
	n := &a.nodes[id]
	switch n.kind {
	case kindChar:
		return a.emitText([]int{id}, n.fold, next)
	case kindClass:
		return a.emitClass(n.arg, next)
	case kindAssert:
		return a.add(inst{op: opAssert, arg: uint16(n.arg), x: next})
	case kindGroup:
		next = a.add(inst{op: opSave, arg: uint16(2*n.arg + 1), x: next})
		next = a.emit(n.subs[0], next)
		return a.add(inst{op: opSave, arg: uint16(2 * n.arg), x: next})
	case kindSequence:
		return a.emitSequence(n.subs, next)
	case kindAlternate:
		last := len(n.subs) - 1

		rest := a.emit(n.subs[last], next)
		for i := last - 1; i >= 0; i-- {
			first := a.emit(n.subs[i], next)
			rest = a.add(inst{op: opSplit, x: first, y: rest})
		}
		return rest
	case kindRepeat:
		return a.emitRepeat(n, next)
	}

	return next
}

// emitSequence writes characters that follow each other as one text.
//
//go:noinline
func (a *assembler) emitSequence(subs []int, next uint16) uint16 {
	for end := len(subs); end > 0; {
		begin, fold, exact := end, false, false
		for begin > 0 && a.nodes[subs[begin-1]].kind == kindChar {
			n := &a.nodes[subs[begin-1]]
			// A letter whose case counts does not go with one whose does not, nor
			// does what is not ASCII.
			counts := !n.fold && (isLetter(rune(n.arg)) || n.arg >= high)
			if n.fold && exact || counts && fold {
				break
			}

			fold, exact = fold || n.fold, exact || counts
			begin--
		}
		if begin < end {
			next = a.emitText(subs[begin:end], fold, next)
			end = begin
		} else {
			end--
			next = a.emit(subs[end], next)
		}
	}

	return next
}

//go:noinline
func (a *assembler) emitText(chars []int, fold bool, next uint16) uint16 {
	begin := len(a.buffer)
	for _, id := range chars {
		r := rune(a.nodes[id].arg)
		if fold {
			r = rune(lower(byte(r)))
		}

		a.buffer = utf8.AppendRune(a.buffer, r)
	}

	i := inst{op: opText, arg: uint16(begin), x: next, y: uint16(len(a.buffer) - begin)}
	switch {
	case fold:
		i.op = opFold
	case i.y == 1:
		i.op, i.arg, i.y = opByte, uint16(a.buffer[begin]), 0
		a.buffer = a.buffer[:begin]
	}

	return a.add(i)
}

func (a *assembler) emitClass(number int, next uint16) uint16 {
	c := &a.classes[number]
	if !c.set.has(high) {
		return a.add(inst{op: opSet, arg: a.set(&c.set), x: next})
	}

	a.wide = append(a.wide, *c)
	return a.add(inst{op: opWide, arg: uint16(len(a.wide) - 1), x: next})
}

// emitRepeat writes x{2,5} as xx(x(x(x)?)?)?, and x{2,} as xx+.
//
//go:noinline
func (a *assembler) emitRepeat(n *node, next uint16) uint16 {
	sub, copies := n.subs[0], n.min
	switch {
	case n.max < 0:
		if copies > 0 {
			copies--
		}

		next = a.emitLoop(n, sub, next)
	default:
		exit := next
		for range n.max - n.min {
			next = a.split(a.emit(sub, next), exit, n.lazy)
		}
	}

	for range copies {
		next = a.emit(sub, next)
	}

	return next
}

func (a *assembler) split(body, exit uint16, lazy bool) uint16 {
	if lazy {
		body, exit = exit, body
	}
	return a.add(inst{op: opSplit, x: body, y: exit})
}

// emitLoop writes x* or x+.
func (a *assembler) emitLoop(n *node, sub int, next uint16) uint16 {
	if s, ok := a.single(sub); ok && !n.lazy {
		return a.add(inst{op: opRun, arg: a.set(&s), x: next, y: uint16(min(n.min, 1))})
	}

	loop := a.add(inst{op: opLoop})
	body := a.emit(sub, loop)
	x, y := body, next
	if n.lazy {
		x, y = y, x
	}

	a.code[loop].x, a.code[loop].y = x, y
	// The first failures to be remembered are those without which an empty round
	// would be followed by another one.
	if a.nodes[sub].empty {
		a.code[loop].sure = true
	}

	switch {
	case n.min > 0:
		return body
	case a.nodes[sub].empty:
		// An empty round counts as one: x* is (x+)?.
		return a.split(body, next, n.lazy)
	}

	return loop
}

// single gives the bytes of a node that is one character, where it has all
// characters outside ASCII or none.
func (a *assembler) single(id int) (s set, ok bool) {
	switch n := &a.nodes[id]; n.kind {
	case kindChar:
		if n.arg >= high {
			return s, false
		}
		s.add(n.arg)
		if n.fold {
			s.add(n.arg ^ 0x20)
		}
		return s, true
	case kindClass:
		c := &a.classes[n.arg]
		return c.set, c.ranges == nil
	}

	return s, false
}

// findFirsts finds what each instruction may begin with. A loop needs to know
// what its own body begins with, so it goes over the program until nothing
// changes, once up and once down in turn.
//
//go:noinline
func (a *assembler) findFirsts() {
	a.firsts = make([]set, len(a.code))
	for changed, up := true, true; changed; up = !up {
		changed = false
		for i := range a.code {
			pc := i
			if !up {
				pc = len(a.code) - 1 - i
			}
			if s := a.firstOf(&a.code[pc]); s != a.firsts[pc] {
				a.firsts[pc], changed = s, true
			}
		}
	}
}

//go:noinline
func (a *assembler) firstOf(i *inst) (s set) {
	switch i.op {
	case opMatch:
		return everything
	case opByte:
		s.add(int(i.arg))
	case opText:
		s.add(min(int(a.text[i.arg]), high))
	case opFold:
		c := a.text[i.arg]
		s.add(int(c))
		s.add(int(upper(c)))
	case opSet:
		return a.sets[i.arg]
	case opWide:
		return a.wide[i.arg].set
	case opRun:
		s = a.sets[i.arg]
		if i.y == 0 {
			s.join(&a.firsts[i.x])
		}
	case opSplit, opLoop:
		s = a.firsts[i.x]
		s.join(&a.firsts[i.y])
	case opSave:
		return a.firsts[i.x]
	case opAssert:
		s = a.firsts[i.x]
		switch i.arg {
		case assertEnd:
			s = set{4: s[4] & (1 << (none & 31))}
		case assertEndLine:
			s = set{s[0] & (1 << '\n'), 0, 0, 0, s[4] & (1 << (none & 31))}
		}
	}

	return s
}

// cannotFail reports whether nothing but ends of groups lies between an
// instruction and the match.
func (a *assembler) cannotFail(pc uint16) bool {
	for a.code[pc].op == opSave {
		pc = a.code[pc].x
	}
	return a.code[pc].op == opMatch
}

// decide notes where the next byte decides, and numbers the instructions whose
// failures have to be remembered.
//
//go:noinline
func (a *assembler) decide() {
	a.first = a.firsts[a.start]
	once := a.straight()

	var empty, loops, others []uint16
	for pc := range a.code {
		switch i := &a.code[pc]; i.op {
		case opRun:
			i.a = a.set(&a.firsts[i.x])
			i.sure = a.cannotFail(i.x) || !a.sets[i.arg].meets(&a.firsts[i.x])
			if !a.cannotFail(i.x) && !once[pc] {
				others = append(others, uint16(pc))
			}
		case opSplit, opLoop:
			i.a, i.b = a.set(&a.firsts[i.x]), a.set(&a.firsts[i.y])
			switch {
			case i.op == opLoop && i.sure:
				empty = append(empty, uint16(pc))
			case i.op == opLoop:
				loops = append(loops, uint16(pc))
			case a.firsts[i.x].meets(&a.firsts[i.y]):
				others = append(others, uint16(pc))
			}
		}
	}

	a.loops = len(empty)
	for _, list := range [][]uint16{empty, loops, others} {
		for _, pc := range list {
			a.marks++
			a.code[pc].mark = uint16(a.marks)
		}
	}
}

// straight says which instructions a search comes to at most once: those of an
// anchored program until there are two ways to go on, or a loop leads back.
//
//go:noinline
func (a *assembler) straight() []bool {
	once := make([]bool, len(a.code))

	again := make([]bool, len(a.code))
	for pc := range a.code {
		if i := &a.code[pc]; i.op == opLoop {
			again[max(i.x, i.y)] = true
		}
	}

	anchored := false
	for pc := a.start; ; pc = a.code[pc].x {
		i := &a.code[pc]
		if again[pc] {
			return once
		}

		anchored = anchored || i.op == opAssert && i.arg == assertBegin

		once[pc] = anchored
		switch {
		case i.op == opMatch || i.op == opSplit || i.op == opLoop:
			return once
		case i.op == opRun && a.sets[i.arg].meets(&a.firsts[i.x]):
			return once
		}
	}
}

// findPrefix finds whether a match begins at the text's beginning, and the text
// that it begins with.
//
//go:noinline
func (a *assembler) findPrefix() {
	for pc := a.start; ; pc = a.code[pc].x {
		switch i := &a.code[pc]; {
		case i.op == opSave:
		case i.op == opAssert && i.arg == assertBegin:
			a.anchored = true
		case i.op == opByte:
			a.prefix = string([]byte{byte(i.arg)})
			return
		case i.op == opText:
			a.prefix = a.text[i.arg : i.arg+i.y]
			return
		default:
			return
		}
	}
}
