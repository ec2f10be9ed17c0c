package rewrite

// refKind is where a reference gets its value.
type refKind uint8

const (
	refGroup   refKind = iota // of the path regex's leftmost match
	refCapture                // a named group of another matcher
	refMethod
	refScheme
	refHost
	refPath
	refQuery
	refHeader
	refParam
	refStatus
	refResponseHeader
	refResponseCapture
)

type ref struct {
	kind     refKind
	index    int
	name     string
	fallback string
	deflt    bool // fallback is the value where there is none, or an empty one
}

// late reports whether a reference has its value only once there is a response.
func (r *ref) late() bool { return r.kind >= refStatus }

// val is the value of a reference.
type val struct {
	text string
	ok   bool // there is one
	lost bool // there was one, and it was too long to be kept for the response

	fallback bool // it is the rule's own text
}

// orDefault gives the fallback where a reference has one and no text.
func (r *ref) orDefault(v val) val {
	if r.deflt && v.text == "" && !v.lost {
		return val{text: r.fallback, ok: true, fallback: true}
	}
	return v
}

// read appends the values of references to vals and gives them. What only the
// response knows is left without a value.
func (s *Scratch) read(refs []ref) []val {
	first := len(s.vals)
	for i := range refs {
		v := val{}
		if s.spend(1); !refs[i].late() {
			v = refs[i].orDefault(s.value(&refs[i]))
		}

		s.vals = append(s.vals, v)
	}
	return s.vals[first:]
}

func (s *Scratch) value(r *ref) (v val) {
	switch r.kind {
	case refGroup:
		v.text, v.ok = found{s.path, s.loc}.group(r.index)
	case refCapture, refResponseCapture:
		v = s.captures[r.index]
	case refMethod:
		v.text, v.ok = s.get(":method")
	case refScheme:
		v.text, v.ok = s.get(":scheme")
	case refHost:
		s.loadHost()
		v = val{text: s.hostWas, ok: s.hostWas != ""}
	case refPath:
		v = val{text: s.received.path, ok: s.received.path != ""}
	case refQuery:
		v = val{text: s.received.query, ok: s.received.hasQuery}
	case refHeader, refResponseHeader:
		v.text, v.ok = s.get(r.name)
	case refParam:
		v.text, v.ok = s.param(r.name)
	case refStatus:
		v.text, v.ok = s.get(":status")
	}

	return v
}

// A stream keeps for its response, one after the other: the number of a pattern
// plus one (0 for the top level), keptFlags, and the values of the references
// of its response operations that are not late: 0 for none, 1 for a lost one,
// the text's length plus two and the text. Numbers are varints.
const (
	keptAwaits  byte = 1 << iota // a pattern on the response
	keptSampled                  // its share holds
)

const (
	keptNone = iota
	keptLost
	keptText
)

// keep notes that a pattern waits for the response, with the values that its
// operations there refer to. A value that does not fit any more is lost.
func (s *Scratch) keep(pattern int, flags byte, refs []ref) {
	s.keeping = append(appendNumber(s.keeping, pattern+1), flags)
	for i := range refs {
		if refs[i].late() {
			continue
		}
		s.spend(1)

		v := s.value(&refs[i])
		switch {
		case !v.ok:
			s.keeping = append(s.keeping, keptNone)
		case v.lost || len(s.keeping)+len(v.text) > s.allowance()-s.reserve() || !s.spend(len(v.text)>>4):
			s.keeping = append(s.keeping, keptLost)
		default:
			s.keeping = append(appendNumber(s.keeping, len(v.text)+keptText), v.text...)
		}
	}
}

// allowance is how much the stream at hand may keep. Nobody can take what others
// need: each stream has a little of its own, and of the rest only a part of what
// the others left.
func (s *Scratch) allowance() int {
	return max(KeptAlways, min(KeptAtMost, (allHeld-s.held)/heldPart))
}

// reserve is how much of it is for what is kept of each pattern besides values:
// where that had no room, the request would have to be refused.
func (s *Scratch) reserve() int { return min(s.rules.entries, s.allowance()/4) }

// store hands the stream what it keeps, and reports whether it fits.
func (s *Scratch) store() bool {
	stream, n := s.stream, len(s.keeping)
	if n == 0 {
		return true // request has released what was kept before
	}
	if n > s.allowance() {
		return false
	}
	if cap(stream.kept) < n {
		stream.kept = make([]byte, 0, n)
	}

	stream.kept = append(stream.kept, s.keeping...)
	s.held += beyondOwn(stream.kept)

	return true
}

// release takes from a stream what it keeps.
func (s *Scratch) release(stream *Stream) {
	s.held -= beyondOwn(stream.kept)
	if stream.kept = stream.kept[:0]; cap(stream.kept) > KeptAlways {
		stream.kept = nil
	}
}

func beyondOwn(kept []byte) int { return max(0, len(kept)-KeptAlways) }

// kept is a pattern that waits for the response.
type kept struct {
	pattern int
	flags   byte
	values  int // where its values begin in what the stream keeps
}

// nextKept reads the entry at a place of what the stream keeps, and says where
// the next one begins. ok is false at the end.
func (s *Scratch) nextKept(at int) (k kept, next int, ok bool) {
	if at >= len(s.stream.kept) {
		return kept{}, at, false
	}

	n, width := readNumber(s.stream.kept[at:])
	k = kept{pattern: n - 1, flags: s.stream.kept[at+width], values: at + width + 1}
	next = k.values

	refs := s.rules.responseRefs(k.pattern)
	for i := range refs {
		if !refs[i].late() {
			_, next = s.keptValue(next)
		}
	}

	return k, next, true
}

// responseRefs are the references of a pattern's operations on the response.
func (r *Rules) responseRefs(pattern int) []ref {
	if pattern == TopLevel {
		return r.response.refs
	}
	return r.patterns[pattern].response.refs
}

func (s *Scratch) keptValue(at int) (v val, next int) {
	n, width := readNumber(s.stream.kept[at:])

	at += width
	switch n {
	case keptNone:
		return val{}, at
	case keptLost:
		return val{lost: true}, at
	}

	next = at + n - keptText

	return val{text: unsafeString(s.stream.kept[at:next]), ok: true}, next
}

// readKept gives the values of a waiting pattern's references: the kept ones,
// and those that the response has.
func (s *Scratch) readKept(refs []ref, k kept) []val {
	first, at := len(s.vals), k.values
	for i := range refs {
		s.spend(1)
		var v val
		if refs[i].late() {
			v = refs[i].orDefault(s.value(&refs[i]))
		} else {
			v, at = s.keptValue(at)
			v = refs[i].orDefault(v)
		}

		s.vals = append(s.vals, v)
	}

	return s.vals[first:]
}

// readAbsent gives the values of references where no request pass came before.
func (s *Scratch) readAbsent(refs []ref) []val {
	first := len(s.vals)
	for i := range refs {
		v := val{}
		if refs[i].late() {
			v = s.value(&refs[i])
		}

		s.vals = append(s.vals, refs[i].orDefault(v))
	}
	return s.vals[first:]
}

// appendNumber writes a number with seven bits a byte, the lowest first.
func appendNumber(dst []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

// readNumber reads what appendNumber wrote, and says how many bytes it has.
func readNumber(src []byte) (n, width int) {
	for width < len(src) {
		c := src[width]
		n |= int(c&0x7f) << (7 * width)
		if width++; c < 0x80 {
			break
		}
	}
	return n, width
}
