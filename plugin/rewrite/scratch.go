package rewrite

import "unsafe"

// What one message may take, whatever a client sends and whatever the rules are.
const (
	// Budget is how many steps the passes of one request and its response may
	// take together: matching, replacing, decoding and editing take from it. A
	// step is what one instruction of a regex takes, some 4 ns. The worst request that is known holds a worker of Envoy for
	// 12 ms longer than without the filter (go test ./test -run TestHostileCost -v, on a quiet processor). The
	// response pass gets what the request left, and at least an eighth.
	Budget = 1 << 20

	maxLate  = Budget / 16 // steps that a response may take beyond them, to remove what may not be written
	maxArena = 1 << 20     // bytes of text that one pass makes
	maxMade  = 64 << 10    // bytes of all values that operations make of a message's own, but for the last one
	maxLong  = 24 << 10    // bytes of all values of a message that are longer than maxValue

	// KeptAlways is how many bytes a stream can keep for its response however many
	// others are open, and KeptAtMost where there is room.
	KeptAlways = 256
	KeptAtMost = 16 << 10

	allHeld  = 4 << 20 // bytes that all open streams of a Scratch keep beyond their own
	heldPart = 256     // no stream gets more than this part of what is left of allHeld

	idleArena = 64 << 10 // bytes of arena that are kept between passes
	idleItems = 1 << 10  // entries of a list of texts that are kept between passes
)

// Scratch is the memory that a pass works in. A pass begins and ends within one
// call, so that one Scratch serves all streams of a thread. What a stream has to
// remember until its response comes is in the [Stream] itself.
type Scratch struct {
	held int // bytes that open streams keep beyond their own

	// Memory to search in, and the steps that are left of the budget: below zero
	// it is used up.
	searcher

	rested bool // nothing is left of a pass

	// Of the pass at hand.
	stream *Stream
	rules  *Rules
	src    Source
	failed bool // a read failed: the pass gives up
	hides  bool // the request's headers that the filter itself writes
	made   made // by operations on headers

	out     Outcome
	answer  Answer
	answers []Header // of answer
	because Condition

	idle   []byte // the arena between passes
	arena  []byte // texts that the pass makes
	vals   []val  // of references
	texts  []string
	edited []edited
	params []param
	locBuf []int // for loc
	ownBuf []int // for the matches that are being replaced
	// The patterns that may match the current path, where the rules have an index.
	candidates []int
	acted      []byte // value of the pattern header
	keeping    []byte // what the stream is going to keep

	loaded    bool
	reads     int // headers that were read one by one
	arrived   []Header
	list      fieldList
	saved     fieldList // the list before a pattern that may be undone
	savedMade made      // and made
	answered  fieldList // headers of a respond
	target              // current path and query
	received  target    // as it arrived
	hasHost   bool
	host      string
	hostWas   string
	schemeWas string // of the request, for a redirect on the response
	bareHost  string // host in lower case without its port, once it was asked for
	loc       []int  // of the path regex's leftmost match in the pattern at hand
	captures  []val  // named groups of the pattern at hand

	hasBareHost               bool
	pathArrived, queryArrived knownTraits
}

// Memory is what the longest requests need. A module has one that its collector does not own, so that no pointer into a
// text costs it a search for the text's beginning, and no request makes it collect: with 4,000 patterns that takes 20 ms.
// What nobody has used of it yet takes none of the proxy's memory.
type Memory struct {
	texts  [maxArena]byte
	params [1 << 16]param // a query of Envoy's default limit has no more
}

// NewScratch makes a Scratch. It works in m as far as that goes; nil will do.
func NewScratch(m *Memory) *Scratch {
	if m == nil {
		return &Scratch{}
	}
	return &Scratch{idle: m.texts[:0], arena: m.texts[:0], params: m.params[:0]}
}

// begin starts a pass.
func (s *Scratch) begin(stream *Stream, src Source) {
	s.rest()
	s.rested = false
	s.stream, s.rules, s.src = stream, stream.rules, src
	if n := s.rules.locSize; cap(s.locBuf) < n {
		s.locBuf, s.ownBuf = make([]int, 0, n), make([]int, 0, n)
	}
}

// rest forgets the pass that was and gives back what was large about it. Most
// requests were small, and meet a Scratch that rests already.
func (s *Scratch) rest() {
	if s.rested {
		return
	}

	s.rested = true

	if s.hoards() {
		s.giveBack()
	}

	s.stream, s.src, s.arrived = nil, nil, nil
	s.failed, s.loaded, s.made, s.reads = false, false, made{}, 0

	// Field by field: a struct that is set as a whole is copied by the host.
	s.out.Edits, s.out.Counts, s.out.Acted, s.out.Answer = s.out.Edits[:0], s.out.Counts[:0], s.out.Acted[:0], nil
	s.out.Noted = ""
	s.list.empty()
	s.saved.empty()
	s.answered.empty()
	s.arena, s.vals, s.acted, s.keeping = s.arena[:0], s.vals[:0], s.acted[:0], s.keeping[:0]
	s.texts, s.edited, s.params = s.texts[:0], s.edited[:0], s.params[:0]
	s.candidates, s.captures, s.answers = s.candidates[:0], s.captures[:0], s.answers[:0]

	// Strings of the pass would keep their text alive.
	s.hasHost, s.hasBareHost, s.host, s.hostWas, s.bareHost, s.schemeWas = false, false, "", "", "", ""
	s.path, s.query, s.hasQuery = "", "", false
	s.received.path, s.received.query, s.received.hasQuery = "", "", false
	s.pathArrived.known, s.queryArrived.known = false, false
}

func (l *fieldList) empty() {
	l.items, l.touched, l.blind = l.items[:0], l.touched[:0], false
}

// hoards reports whether any list of texts has grown long. The others hold no pointers, and are bounded by the rules and
// by the budget: what one long request needed is kept for the next one, for which a collector would have to run.
func (s *Scratch) hoards() bool {
	items := max(cap(s.list.items), cap(s.saved.items), cap(s.answered.items),
		cap(s.list.touched), cap(s.saved.touched), cap(s.answered.touched))
	values := max(cap(s.out.Edits), cap(s.vals), cap(s.texts), cap(s.edited), cap(s.captures), cap(s.answers))

	return max(items, values) > idleItems || cap(s.arena) > max(cap(s.idle), idleArena)
}

// giveBack drops the memory of all lists of texts: whoever made one long has paid for the
// others' next beginning.
//
//go:noinline
func (s *Scratch) giveBack() {
	s.out.Edits = nil
	s.list, s.saved, s.answered = fieldList{}, fieldList{}, fieldList{}
	s.arena, s.vals, s.texts, s.edited = s.idle, nil, nil, nil
	s.captures, s.answers = nil, nil
}

// spend takes steps from the budget and reports whether there were enough.
func (s *Scratch) spend(steps int) bool {
	s.steps -= steps
	return s.steps >= 0
}

// over reports whether the budget is used up.
func (s *Scratch) over() bool { return s.steps < 0 }

// spent reports whether not even what may not be written can be looked for any more.
func (s *Scratch) spent() bool { return s.steps < -maxLate }

// made is how many bytes of values were made of what a message brought.
type made struct {
	all  int
	long int // of those that are longer than maxValue
}

// makes takes what a value of n bytes adds to a message that its sender pays for
// once. It is false where there is no room: the value before it was the last one.
func (s *Scratch) makes(n int) bool {
	fits := s.made.all <= maxMade
	s.made.all += n
	return fits
}

// write appends a text to the arena, unless that would be too much.
func (s *Scratch) write(text string) {
	if s.room(len(text)) {
		s.arena = append(s.arena, text...)
	}
}

// room takes what n bytes in the arena cost and reports whether there is room for them.
func (s *Scratch) room(n int) bool {
	if len(s.arena)+n > maxArena {
		s.steps = min(s.steps, -1)
		return false
	}
	return s.spend(1 + n>>4)
}

// since gives what was appended to the arena from start on. The arena only
// grows until the next pass, so the string stays as it is until then.
func (s *Scratch) since(start int) string { return unsafeString(s.arena[start:]) }

func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// text gives a path and query as :path has them, in the arena.
func (s *Scratch) text(t target) []byte {
	start := len(s.arena)
	s.write(t.path)
	if t.hasQuery {
		s.write("?")
		s.write(t.query)
	}
	return s.arena[start:]
}

func (s *Scratch) count(pattern int, r Result) {
	s.out.Counts = append(s.out.Counts, Count{pattern, r})
}

func (s *Scratch) trace(step Step) {
	if s.stream.Trace != nil {
		s.stream.Trace(step)
	}
}

// wrote tells explanations of an operation that wrote nothing.
func (s *Scratch) wrote(pattern int, in Block, op *operation, e effect) {
	if s.stream.TraceOperation != nil && e != effectDone {
		s.stream.TraceOperation(Operation{Pattern: pattern, Block: in, Key: OperationKey(op.kind), Name: op.name, Effect: Effect(e)})
	}
}
