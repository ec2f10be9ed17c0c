package rewrite

import (
	"math"
	"slices"
	"strings"
)

// Source hands a [Stream] what arrived. Each method costs a host call, so it is
// asked for no more than the rules need. Names are in lower case and
// pseudo-headers are among them. What it gives must stay valid until the pass ends.
type Source interface {
	// Header gives the first value of one header. ok is false where the call failed.
	Header(name string) (value string, found, ok bool)
	// Headers gives all of them in order; it is asked at most once a pass. ok is
	// false where the call failed.
	Headers() (list []Header, ok bool)
}

// Stream is one request and its response. It is made by [Rules.NewStream] and
// used again after Reset; then passes without a match allocate nothing. It holds
// what the response needs and no more: see [Scratch]. It is not safe for
// concurrent use.
type Stream struct {
	// Random gives a number for samples without `by`. Nil: every request is in.
	Random func() uint32
	// Trace, where set, is told each pattern's fate.
	Trace func(Step)
	// TraceOperation, where set, is told each header operation that wrote nothing.
	TraceOperation func(Operation)

	rules   *Rules
	scratch *Scratch
	kept    []byte // what the response needs; see keep
	steps   int    // that the request left of the budget
	replied bool   // the request was answered, not passed on
}

// NewStream makes a stream for these rules with a Scratch of its own.
func (r *Rules) NewStream() *Stream { return r.NewStreamOn(NewScratch(nil)) }

// NewStreamOn makes a stream for these rules that shares a Scratch with others.
func (r *Rules) NewStreamOn(s *Scratch) *Stream { return &Stream{rules: r, scratch: s} }

// Reset makes the stream ready for another request.
func (t *Stream) Reset() {
	t.scratch.release(t)
	t.scratch.rest()
	t.steps, t.replied = 0, false
}

// Request decides what happens to a request. Where a read fails, nothing does.
func (t *Stream) Request(src Source) *Outcome {
	s := t.scratch
	s.begin(t, src)
	s.hides = t.rules.patternHeader != "" || t.rules.originalPathHeader != ""
	s.steps = Budget
	s.list.blind = t.rules.blindRequest && t.TraceOperation == nil
	s.request()
	t.steps, t.replied = max(s.steps, 0), s.out.Answer != nil
	return &s.out
}

// Left is how many steps of [Budget] the request pass has left, for explanations.
func (t *Stream) Left() int { return t.steps }

// Kept is how many bytes the request pass has left for the response, for explanations.
func (t *Stream) Kept() int { return len(t.kept) }

// Response decides what happens to a response: the upstream's, the filter's
// own, or the proxy's.
func (t *Stream) Response(src Source) *Outcome {
	// Most responses need no pass.
	if fixed := t.rules.fixedResponse; fixed != nil && len(t.kept) == 0 && t.TraceOperation == nil {
		return fixed
	}

	s := t.scratch
	s.begin(t, src)
	s.hides = false
	s.steps = max(t.steps, Budget/8)
	s.list.blind = t.rules.blindResponse && t.TraceOperation == nil
	s.response()

	return &s.out
}

func (s *Scratch) request() {
	r := s.rules
	s.release(s.stream)
	if r.idleRequest {
		return
	}
	if s.readTarget() {
		s.findCandidates()
		s.awaitAll()
		s.tryAll()
		s.finish()
	}

	switch {
	case s.over() || !s.failed && !s.store():
		s.refuse()
	case s.failed:
		s.giveUp()
	}
}

// awaitAll decides the request's side of the patterns on the response.
func (s *Scratch) awaitAll() {
	if !s.rules.onResponse {
		return
	}

	for i := s.next(0); i < len(s.rules.patterns) && !s.failed && !s.over(); i = s.next(i + 1) {
		s.await(i, &s.rules.patterns[i])
	}
}

// tryAll tries the patterns on the request until one ends the search.
func (s *Scratch) tryAll() {
	for i := s.next(0); i < len(s.rules.patterns) && !s.failed && !s.over(); i = s.next(i + 1) {
		was := s.path
		if s.try(i, &s.rules.patterns[i]) {
			return
		}
		if !same(s.path, was) {
			s.findCandidates()
		}
	}
}

// findCandidates names the patterns that may match the current path.
func (s *Scratch) findCandidates() {
	if s.rules.index != nil && s.stream.Trace == nil {
		s.lookUp()
	}
}

// lookUp asks the index. Its set of patterns is large, so it is apart from those
// who have no index.
//
//go:noinline
func (s *Scratch) lookUp() {
	s.spend(len(s.path))

	hits := 0
	s.candidates, hits = s.rules.index.candidates(s.path, s.candidates[:0])
	s.spend(perHit*hits + perCandidate*len(s.candidates))
}

// next gives the first pattern from i on that is worth a test.
func (s *Scratch) next(i int) int {
	if s.rules.index == nil || s.stream.Trace != nil {
		return i
	}
	return min(firstFrom(s.candidates, i), firstFrom(s.rules.index.always, i), len(s.rules.patterns))
}

// firstFrom gives the first number of an ordered list that is at least i.
func firstFrom(list []int, i int) int {
	at, _ := slices.BinarySearch(list, i)
	if at == len(list) {
		return math.MaxInt32
	}
	return list[at]
}

// await decides the request's side of a pattern on the response.
//
//go:noinline
func (s *Scratch) await(i int, p *pattern) {
	if !p.onResponse || p.mode == disabled {
		return
	}
	if !s.matches(p) {
		s.trace(Step{Pattern: i, Verdict: NotMatched, Condition: s.because})
		return
	}

	flags := keptAwaits
	if p.sample == nil || s.inSample(p) {
		flags |= keptSampled
	}
	s.keep(i, flags, p.response.refs)
}

// giveUp leaves the request or response as it is.
func (s *Scratch) giveUp() {
	s.release(s.stream)
	s.out = Outcome{}
}

// try tests one pattern on the request, and reports whether the search ends.
func (s *Scratch) try(i int, p *pattern) (stop bool) {
	switch {
	case p.onResponse:
		return false
	case p.mode == disabled:
		s.trace(Step{Pattern: i, Verdict: Disabled})
		return false
	case !s.matches(p):
		s.trace(Step{Pattern: i, Verdict: NotMatched, Condition: s.because})
		return false
	case p.sample != nil && !s.inSample(p):
		s.count(i, SampledOut)
		s.trace(Step{Pattern: i, Verdict: NotSampled})
		return false
	}

	vals := s.read(p.refs)
	now, host, unsafe := s.produce(p, vals)
	if s.failed || s.over() {
		return true
	}
	if p.mode == shadow {
		s.inShadow(i, p, now, host, unsafe)
		return false
	}
	s.count(i, Matched)
	kept := len(s.keeping)
	if unsafe == "" && len(p.response.ops) > 0 {
		// Before its own edits: they are not for it to see.
		s.keep(i, 0, p.response.refs)
	}
	if unsafe == "" && !p.answers() {
		unsafe = s.editRequest(i, p)
	}
	if unsafe != "" {
		s.keeping = s.keeping[:kept]
		return s.refused(i, unsafe)
	}
	s.trace(Step{Pattern: i, Verdict: Acted})
	s.note(p.name)
	s.out.Acted = append(s.out.Acted, i)
	if p.answers() {
		s.answerWith(i, p, vals)
		return true
	}
	if !now.same(&s.target) || p.newHost != nil && host != s.host {
		s.count(i, Rewritten)
		s.target = now
		if p.newHost != nil {
			s.host, s.hasBareHost = host, false
		}
	}

	return !p.next
}

// refused says that what a pattern produced may not leave the filter, and tells
// whether the search ends.
func (s *Scratch) refused(i int, unsafe string) (stop bool) {
	if s.over() {
		return true
	}
	s.count(i, Unsafe)
	s.trace(Step{Pattern: i, Verdict: Refused, Unsafe: unsafe})
	s.out.Answer = nil
	if s.rules.keepUnsafe {
		return false
	}

	s.answer = Answer{Status: 400}
	s.out.Answer = &s.answer

	return true
}

// inShadow says what a pattern would have done.
func (s *Scratch) inShadow(i int, p *pattern, now target, host, unsafe string) {
	s.count(i, Shadowed)
	if unsafe == "" && !p.answers() {
		unsafe = s.editRequest(i, p)
	}
	if unsafe != "" {
		s.count(i, Unsafe)
	}
	s.noteShadow(p, now, host, unsafe)
	s.trace(Step{Pattern: i, Verdict: InShadow, Unsafe: unsafe})
}

// editRequest runs a pattern's operations on the request's headers. Where one
// may not be written none is, and unsafe says why. In shadow none is at all.
func (s *Scratch) editRequest(pattern int, p *pattern) (unsafe string) {
	if len(p.request.ops) == 0 {
		return ""
	}
	if !s.list.blind {
		s.load()
	}
	// Read before anything is changed.
	vals := s.read(p.request.refs)
	if s.rules.keepUnsafe || p.mode == shadow {
		s.mark()
	}

	e := effectDone
	for i := 0; i < len(p.request.ops) && !e.unsafe(); i++ {
		e = s.apply(&s.list, &p.request.ops[i], vals)
		s.wrote(pattern, HeadersRequest, &p.request.ops[i], e)
	}
	if e.unsafe() && s.rules.keepUnsafe || p.mode == shadow {
		s.undo()
	}

	return e.reason()
}

// finish ends the request pass: the top level's operations, the filter's own
// headers, and the edits that all of it comes to.
func (s *Scratch) finish() {
	if s.failed || s.over() {
		return
	}

	r := s.rules
	if r.bareRequest && len(s.out.Acted) == 0 && s.out.Answer == nil {
		return
	}
	if needsRequest(r.response.refs) {
		s.keep(TopLevel, 0, r.response.refs)
	}
	if s.out.Answer != nil {
		s.own(r.patternHeader, s.names())
		return
	}

	constant := r.request.edits != nil && len(s.list.touched) == 0 && s.list.blind
	if len(r.request.ops) > 0 && !constant && !s.editTopLevel() {
		s.reject()
		return
	}

	moved := !s.target.same(&s.received)
	if moved {
		s.out.Edits = append(s.out.Edits, Edit{EditSet, ":path", unsafeString(s.text(s.target))})
	}
	if s.host != s.hostWas {
		s.out.Edits = append(s.out.Edits, Edit{EditSet, ":authority", s.host})
	}
	if constant {
		s.out.Edits = append(s.out.Edits, r.request.edits...)
	} else {
		s.diff()
	}

	original := ""
	if moved && r.originalPathHeader != "" {
		original = s.cut(unsafeString(s.text(s.received)))
	}
	s.own(r.originalPathHeader, original)
	s.own(r.patternHeader, s.names())
}

// needsRequest reports whether references have values that only the request knows.
func needsRequest(refs []ref) bool {
	for i := range refs {
		if !refs[i].late() {
			return true
		}
	}
	return false
}

// editTopLevel runs the top level's operations on the request. It is false where
// the request is to be rejected.
func (s *Scratch) editTopLevel() bool {
	if !s.list.blind {
		s.load()
	}

	ops, vals := s.rules.request.ops, s.read(s.rules.request.refs)
	for i := range ops {
		e := s.apply(&s.list, &ops[i], vals)
		s.wrote(TopLevel, HeadersRequest, &ops[i], e)
		if !e.unsafe() {
			continue
		}
		if s.over() {
			return true
		}
		s.count(TopLevel, Unsafe)
		if !s.rules.keepUnsafe {
			return false
		}
		s.forbid(&s.list, &ops[i])
	}

	return true
}

// cut gives as much of the received path as its header may have: no part of an escape.
func (s *Scratch) cut(value string) string {
	end := min(len(value), maxValue)
	for i := 0; i < end; i++ {
		if isControl(value[i]) {
			end = i
		}
	}
	if end == len(value) {
		return value
	}
	s.count(TopLevel, Unsafe)

	value = value[:end]
	if at := strings.LastIndexByte(value, '%'); at >= 0 && at > end-3 {
		value = value[:at]
	}

	return value
}

// readTarget reads the path, with as few host calls as the rules allow.
func (s *Scratch) readTarget() bool {
	path := ""
	if s.rules.wantsAll {
		s.load()
		path, _ = s.get(":path")
	} else if value, found, ok := s.src.Header(":path"); !ok {
		s.failed = true
	} else if found {
		path = value
	}

	s.target.path, s.target.query, s.target.hasQuery = strings.Cut(path, "?")
	s.received = s.target

	return !s.failed
}
