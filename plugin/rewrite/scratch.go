package rewrite

import "unsafe"

// What one message may take, whatever a client sends and whatever the rules are.
const (
	// Budget is how many steps the passes of one request and its response may
	// take together: matching, replacing, decoding and editing take from it. A
	// step is what one instruction of a regex takes, some 4 ns. The response pass gets what the request left,
	// and at least an eighth.
	Budget = 1 << 20

	maxArena = 1 << 20  // bytes of text that one pass makes
	maxLong  = 24 << 10 // bytes of all values of a message that are longer than maxValue

	ownHeld  = 256      // bytes that a stream can always keep for its response
	maxHeld  = 16 << 10 // bytes that a stream can keep at most
	allHeld  = 4 << 20  // bytes that all open streams of a Scratch keep beyond their own
	heldPart = 256      // no stream gets more than this part of what is left of allHeld

	idleArena = 64 << 10 // bytes of arena that are kept between passes
	idleItems = 1 << 10  // entries of a list that are kept between passes
)

// Scratch is the memory that a pass works in. A pass begins and ends within one
// call, so that one Scratch serves all streams of a thread. What a stream has to
// remember until its response comes is in the [Stream] itself.
type Scratch struct {
	held int // bytes that open streams keep beyond their own

	// Memory to search in, and the steps that are left of the budget: below zero
	// it is used up.
	searcher

	// Of the pass at hand.
	stream *Stream
	rules  *Rules
	src    Source
	failed bool // a read failed: the pass gives up
	long   int  // bytes of values that are longer than maxValue

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
	arrived   []Header
	list      fieldList
	saved     fieldList // the list before a pattern that may be undone
	savedLong int       // and long
	answered  fieldList // headers of a respond
	target              // current path and query
	received  target    // as it arrived
	hasHost   bool
	host      string
	hostWas   string
	bareHost  string // host in lower case without its port, once it was asked for
	loc       []int  // of the path regex's leftmost match in the pattern at hand
	captures  []val  // named groups of the pattern at hand

	hasBareHost               bool
	pathArrived, queryArrived knownTraits
}

// NewScratch makes a Scratch. Its texts are made in arena where they fit; a
// module hands in memory that its collector does not own, so that no pointer
// into a text costs it a search for the text's beginning. Nil will do.
func NewScratch(arena []byte) *Scratch {
	return &Scratch{idle: arena[:0], arena: arena[:0]}
}

// begin starts a pass.
func (s *Scratch) begin(stream *Stream, src Source) {
	s.rest()
	s.stream, s.rules, s.src = stream, stream.rules, src
	if n := s.rules.locSize; cap(s.locBuf) < n {
		s.locBuf, s.ownBuf = make([]int, 0, n), make([]int, 0, n)
	}
}

// rest forgets the pass that was and gives back what was large about it.
func (s *Scratch) rest() {
	if cap(s.arena) > max(cap(s.idle), idleArena) {
		s.arena = s.idle
	}
	s.stream, s.src, s.arrived = nil, nil, nil
	s.failed, s.loaded, s.long = false, false, 0
	s.out = Outcome{Edits: emptied(s.out.Edits), Counts: emptied(s.out.Counts), Acted: emptied(s.out.Acted)}
	s.list = fieldList{items: emptied(s.list.items), touched: emptied(s.list.touched)}
	s.saved = fieldList{items: emptied(s.saved.items), touched: emptied(s.saved.touched)}
	s.answered = fieldList{items: emptied(s.answered.items), touched: emptied(s.answered.touched)}
	s.arena, s.vals, s.acted, s.keeping = s.arena[:0], emptied(s.vals), emptied(s.acted), emptied(s.keeping)
	s.texts, s.edited, s.params = emptied(s.texts), emptied(s.edited), emptied(s.params)
	s.candidates, s.captures, s.answers = emptied(s.candidates), emptied(s.captures), emptied(s.answers)
	s.hasHost, s.hasBareHost, s.host, s.hostWas, s.bareHost = false, false, "", "", ""
	s.target, s.received = target{}, target{}
	s.pathArrived, s.queryArrived = knownTraits{}, knownTraits{}
}

// emptied gives a list back without entries, and without memory where it was long.
func emptied[T any](list []T) []T {
	if cap(list) > idleItems {
		return nil
	}
	return list[:0]
}

// spend takes steps from the budget and tells whether there were enough.
func (s *Scratch) spend(steps int) bool {
	s.steps -= steps
	return s.steps >= 0
}

// over tells whether the budget is used up.
func (s *Scratch) over() bool { return s.steps < 0 }

// write appends a text to the arena, unless that would be too much.
func (s *Scratch) write(text string) {
	if s.room(len(text)) {
		s.arena = append(s.arena, text...)
	}
}

// room takes what n bytes in the arena cost and tells whether there is room for them.
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
