package rewrite

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Header is one value of a header; one with several values stands as often.
type Header struct{ Name, Value string }

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

// EditKind is what an [Edit] does.
type EditKind uint8

const (
	EditSet    EditKind = iota // removes all values and writes this one
	EditAdd                    // appends a value
	EditRemove                 // removes all values
)

// Edit is one write to the header map.
type Edit struct {
	Kind  EditKind
	Name  string
	Value string
}

// Answer is a response that is sent instead of passing the request on.
type Answer struct {
	Status  int
	Headers []Header
	Body    string
}

// Result is what became of a pattern; each is a counter.
type Result uint8

const (
	Matched    Result = iota // its conditions held and it was in force
	Rewritten                // it changed path, host or query
	Redirected               // it answered with a Location
	Responded                // it answered
	Shadowed                 // it would have acted
	Unsafe                   // what it produced may not leave the filter
	SampledOut               // its conditions held, its share did not

	// Results is the number of results.
	Results
)

var resultNames = [Results]string{"matched", "rewritten", "redirected", "responded", "shadowed", "unsafe", "sampled_out"}

// String is the result's name in metrics.
func (r Result) String() string { return resultNames[r] }

// Count says that a counter goes up by one.
type Count struct {
	Pattern int // its index, or TopLevel
	Result  Result
}

// TopLevel stands in a [Count] for the header operations outside the patterns.
const TopLevel = -1

// Outcome is what a pass decided. It and all it holds are valid until the next
// call on its stream.
type Outcome struct {
	Edits  []Edit  // to be written in this order
	Answer *Answer // to be sent after Edits, instead of passing the request on; nil for none
	Counts []Count
	Acted  []int // the patterns that acted, in order
}

// Step is what was decided about one pattern, for explanations.
type Step struct {
	Pattern  int
	Response bool   // in the response pass
	Verdict  string // acted, not matched, disabled, sampled out, shadowed, unsafe
	Why      string // the condition that failed, or why it is unsafe
}

// Stream is one request and its response. It is made by [Rules.NewStream] and
// used again after Reset; then passes without a match allocate nothing. It is
// not safe for concurrent use.
type Stream struct {
	// Random gives a number for samples without `by`. Nil: every request is in.
	Random func() uint32
	// Trace, where set, is told each pattern's fate.
	Trace func(Step)

	rules  *Rules
	out    Outcome
	answer Answer
	why    string
	failed bool // a read failed: the pass gives up
	arena  []byte
	vals   []val // of references, kept for the response
	walk   []kept
	texts  []string
	edited []edited
	params fieldList
	// The patterns that may match the current path, where the rules have an index.
	candidates []int
	acted      []byte // value of the pattern header
	locBuf     []int  // for loc
	ownBuf     []int  // for the matches that are being replaced
	searcher   searcher
	topVals    int // where the top level's response references begin in vals

	// Of the pass at hand.
	src      Source
	loaded   bool
	arrived  []Header
	list     fieldList
	target          // current path and query
	received target // as it arrived
	hasHost  bool
	host     string
	hostWas  string
	bareHost string // host in lower case without its port, once it was asked for
	loc      []int  // of the path regex's leftmost match in the pattern at hand
	captures []val  // named groups of the pattern at hand
}

// val is the value of a reference; ok is false where it has none.
type val struct {
	text string
	ok   bool
}

// kept is a pattern that waits for the response.
type kept struct {
	pattern   int
	vals      int // where its references begin in vals
	sampledIn bool
}

// searching gives what a search takes. Each has all the steps it wants.
func (s *Stream) searching() *searcher {
	s.searcher.steps = math.MaxInt32
	return &s.searcher
}

// NewStream makes a stream for these rules.
func (r *Rules) NewStream() *Stream {
	return &Stream{rules: r, locBuf: make([]int, 0, r.locSize), ownBuf: make([]int, 0, r.locSize)}
}

// Reset makes the stream ready for another request.
func (s *Stream) Reset() {
	s.arena, s.vals, s.walk, s.acted = s.arena[:0], s.vals[:0], s.walk[:0], s.acted[:0]
	s.arrived, s.src = nil, nil
}

// begin starts a pass.
func (s *Stream) begin(src Source) {
	s.src, s.loaded, s.failed, s.arrived = src, false, false, nil
	s.out = Outcome{Edits: s.out.Edits[:0], Counts: s.out.Counts[:0], Acted: s.out.Acted[:0]}
	s.list = fieldList{items: s.list.items[:0], touched: s.list.touched[:0]}
	s.hasHost, s.host, s.hostWas, s.bareHost = false, "", "", ""
}

// Request decides what happens to a request. Where a read fails, nothing does.
func (s *Stream) Request(src Source) *Outcome {
	s.begin(src)
	r := s.rules
	if r.idleRequest {
		return &s.out
	}
	s.list.blind = r.blindRequest
	if !s.readTarget() {
		return s.giveUp()
	}
	s.findCandidates()
	if r.onResponse {
		for i := s.next(0); i < len(r.patterns); i = s.next(i + 1) {
			if s.await(i, &r.patterns[i]); s.failed {
				return s.giveUp()
			}
		}
	}
	for i := s.next(0); i < len(r.patterns); i = s.next(i + 1) {
		was := s.path
		stop := s.try(i, &r.patterns[i])
		if s.failed {
			return s.giveUp()
		}
		if stop {
			break
		}
		if s.path != was {
			s.findCandidates()
		}
	}
	s.finish()
	if s.failed {
		return s.giveUp()
	}
	return &s.out
}

// findCandidates names the patterns that may match the current path.
func (s *Stream) findCandidates() {
	if s.rules.index != nil && s.Trace == nil {
		s.candidates = s.rules.index.candidates(s.path, s.candidates[:0])
	}
}

// next gives the first pattern from i on that is worth a test.
func (s *Stream) next(i int) int {
	if s.rules.index == nil || s.Trace != nil {
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
func (s *Stream) await(i int, p *pattern) {
	if !p.onResponse || p.mode == disabled {
		return
	}
	if !s.matches(p) {
		s.trace(i, false, "not matched", s.why)
		return
	}
	k := kept{pattern: i, sampledIn: p.sample == nil || s.inSample(p)}
	k.vals = s.keep(p.response.refs)
	s.walk = append(s.walk, k)
}

// giveUp leaves the request as it is.
func (s *Stream) giveUp() *Outcome {
	s.walk, s.vals = s.walk[:0], s.vals[:0]
	s.out = Outcome{}
	return &s.out
}

// try tests one pattern on the request, and tells whether the search ends.
func (s *Stream) try(i int, p *pattern) (stop bool) {
	switch {
	case p.onResponse:
		return false
	case p.mode == disabled:
		s.trace(i, false, "disabled", "")
		return false
	case !s.matches(p):
		s.trace(i, false, "not matched", s.why)
		return false
	case p.sample != nil && !s.inSample(p):
		s.count(i, SampledOut)
		s.trace(i, false, "sampled out", "")
		return false
	}
	first := s.read(p.refs)
	vals := s.vals[first:]
	now, host, unsafe := s.produce(p, vals)
	if s.failed {
		return true
	}
	if p.mode == shadow {
		s.count(i, Shadowed)
		if unsafe != "" {
			s.count(i, Unsafe)
		}
		s.noteShadow(p, now)
		s.trace(i, false, "shadowed", unsafe)
		return false
	}
	s.count(i, Matched)
	if unsafe != "" {
		s.count(i, Unsafe)
		s.trace(i, false, "unsafe", unsafe)
		if s.rules.keepUnsafe {
			return false
		}
		s.answer = Answer{Status: 400}
		s.out.Answer = &s.answer
		return true
	}
	s.trace(i, false, "acted", "")
	s.note(p.name)
	s.out.Acted = append(s.out.Acted, i)
	if len(p.response.ops) > 0 {
		s.wait(kept{pattern: i, vals: s.keep(p.response.refs)})
	}
	switch {
	case p.redirect != nil:
		s.count(i, Redirected)
		return true
	case p.respond != nil:
		s.count(i, Responded)
		s.respond(i, p, vals)
		return true
	}
	if len(p.request.ops) > 0 {
		// Read before anything is changed.
		first := s.read(p.request.refs)
		s.edit(i, p.request.ops, s.vals[first:])
	}
	if now != s.target || p.newHost != nil && host != s.host {
		s.count(i, Rewritten)
		s.target = now
		if p.newHost != nil {
			s.host, s.bareHost = host, ""
		}
	}
	return !p.next
}

// produce gives what a pattern would make of path, query and host, and why
// that may not leave the filter. A redirect's Location goes to s.answer.
func (s *Stream) produce(p *pattern, vals []val) (now target, host, unsafe string) {
	now = s.target
	if p.newPath != nil || p.newQuery.drop || p.newQuery.ops != nil {
		var tooLong bool
		if now, tooLong = s.retarget(p, vals); tooLong {
			return s.target, "", "path and query are longer than 8 KiB"
		}
		if unsafe = unsafeTarget(now, s.target, s.received); unsafe != "" {
			return s.target, "", unsafe
		}
	}
	if p.newHost != nil {
		host = s.expand(p.newHost, vals, found{}, encodeNone, maxHost).text
		s.loadHost()
		if host != s.host && !validHost(host) {
			return now, "", "the host is not valid"
		}
	}
	if p.redirect != nil {
		location, unsafe := s.location(p.redirect, vals, now)
		if unsafe != "" {
			return now, "", unsafe
		}
		s.answer = Answer{Status: p.redirect.status, Headers: append(s.answer.Headers[:0], Header{"location", location})}
		if p.mode == enforce {
			s.out.Answer = &s.answer
		}
	}
	return now, host, ""
}

// location builds a Location.
//
//go:noinline
func (s *Stream) location(r *redirect, vals []val, to target) (location, unsafe string) {
	s.loadHost()
	scheme, host := r.scheme, s.host
	if scheme == "" {
		scheme, _ = s.get(":scheme")
	}
	if r.host != nil {
		host = s.expand(r.host, vals, found{}, encodeNone, maxHost).text
	}
	if !validHost(host) {
		return "", "the host is not valid"
	}
	name, port := splitPort(host)
	if r.scheme != "" {
		port = ""
	}
	if r.port != 0 {
		port = ":" + strconv.Itoa(r.port)
	}
	if port == ":80" && scheme == "http" || port == ":443" && scheme == "https" {
		port = ""
	}
	start := len(s.arena)
	s.arena = append(append(append(append(append(s.arena, scheme...), "://"...), name...), port...), to.path...)
	if to.hasQuery {
		s.arena = append(append(s.arena, '?'), to.query...)
	}
	location = s.since(start)
	if len(location) > maxValue || hasControl(location) || (scheme != "http" && scheme != "https") {
		return "", "the Location is not valid"
	}
	return location, ""
}

// respond fills the answer of a respond pattern.
//
//go:noinline
func (s *Stream) respond(i int, p *pattern, vals []val) {
	l := &s.params
	*l = fieldList{items: l.items[:0]}
	for h := range p.respond.headers {
		if !s.put(l, &p.respond.headers[h], vals) {
			s.count(i, Unsafe)
		}
	}
	s.answer = Answer{Status: p.respond.status, Headers: s.answer.Headers[:0], Body: p.respond.body}
	for _, f := range l.items {
		s.answer.Headers = append(s.answer.Headers, Header{f.name, f.value})
	}
	s.out.Answer = &s.answer
}

// finish ends the request pass: the top level's operations, the filter's own
// headers, and the edits that all of it comes to.
func (s *Stream) finish() {
	r := s.rules
	s.topVals = s.keep(r.response.refs)
	if s.out.Answer != nil {
		// The request goes nowhere: nothing of it is worth a write but what the
		// access log shows.
		s.own(r.patternHeader, s.acted)
		return
	}
	constant := r.request.edits != nil && len(s.list.touched) == 0
	if len(r.request.ops) > 0 && !constant {
		first := s.read(r.request.refs)
		s.edit(TopLevel, r.request.ops, s.vals[first:])
	}
	moved := s.target != s.received
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
	if moved {
		s.own(r.originalPathHeader, s.text(s.received))
	} else {
		s.own(r.originalPathHeader, nil)
	}
	s.own(r.patternHeader, s.acted)
}

// own writes a header of the filter's own, or removes what came under its name.
func (s *Stream) own(name string, value []byte) {
	if name == "" {
		return
	}
	text := unsafeString(value)
	if !validValue(text) {
		s.count(TopLevel, Unsafe)
		text = ""
	}
	if text != "" {
		s.out.Edits = append(s.out.Edits, Edit{EditSet, name, text})
		return
	}
	found := s.list.has(name)
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

// Response decides what happens to a response: the upstream's, the filter's
// own, or the proxy's.
func (s *Stream) Response(src Source) *Outcome {
	s.begin(src)
	r := s.rules
	if len(s.walk) == 0 && r.response.edits != nil {
		s.out.Edits = append(s.out.Edits, r.response.edits...)
		return &s.out
	}
	s.list.blind = r.blindResponse
	stopped := false
	for _, k := range s.walk {
		p := &r.patterns[k.pattern]
		if p.onResponse {
			if stopped || !s.onResponse(k, p) {
				continue
			}
			stopped = !p.next
		}
		s.readLate(p.response.refs, k.vals)
		s.edit(k.pattern, p.response.ops, s.vals[k.vals:])
	}
	if len(r.response.ops) > 0 {
		if len(s.vals) < s.topVals+len(r.response.refs) {
			// No request pass came before: its references have no value.
			s.topVals = len(s.vals)
			s.vals = append(s.vals, make([]val, len(r.response.refs))...)
			for i, ref := range r.response.refs {
				s.vals[s.topVals+i] = ref.orDefault(val{})
			}
		}
		s.readLate(r.response.refs, s.topVals)
		s.edit(TopLevel, r.response.ops, s.vals[s.topVals:])
	}
	if s.failed {
		return s.giveUp()
	}
	s.diff()
	return &s.out
}

// onResponse tests a pattern on the response.
//
//go:noinline
func (s *Stream) onResponse(k kept, p *pattern) bool {
	if s.captures = s.captures[:0]; p.captures > 0 {
		s.captures = append(s.captures, make([]val, p.captures)...)
	}
	if !s.responseMatches(p) {
		s.trace(k.pattern, true, "not matched", s.why)
		return false
	}
	switch {
	case !k.sampledIn:
		s.count(k.pattern, SampledOut)
		s.trace(k.pattern, true, "sampled out", "")
		return false
	case p.mode == shadow:
		s.count(k.pattern, Shadowed)
		s.trace(k.pattern, true, "shadowed", "")
		return false
	}
	s.count(k.pattern, Matched)
	s.trace(k.pattern, true, "acted", "")
	s.out.Acted = append(s.out.Acted, k.pattern)
	return true
}

func (s *Stream) responseMatches(p *pattern) bool {
	if p.status != nil {
		text, _ := s.get(":status")
		status, _ := strconv.Atoi(text)
		if !slices.ContainsFunc(p.status, func(r StatusRange) bool { return r.From <= status && status <= r.To }) {
			return s.miss("match.response.status", -1)
		}
	}
	for i := range p.responseHeaders {
		if !s.headerHolds(&p.responseHeaders[i]) {
			return s.miss("match.response.headers", i)
		}
	}
	return true
}

// edit runs header operations on the list at hand.
func (s *Stream) edit(pattern int, ops []operation, vals []val) {
	if !s.list.blind {
		s.load()
	}
	for i := range ops {
		if !s.apply(&s.list, &ops[i], vals) {
			s.count(pattern, Unsafe)
		}
	}
}

// diff turns what the header operations changed into as few writes as say it.
func (s *Stream) diff() {
	for _, t := range s.list.touched {
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
			if f := &s.list.items[i]; f.name == t.name {
				if same--; same < 0 {
					s.out.Edits = append(s.out.Edits, Edit{kind, t.name, f.value})
					kind, written = EditAdd, true
				}
			}
		}
		if !written {
			s.out.Edits = append(s.out.Edits, Edit{Kind: EditRemove, Name: t.name})
		}
	}
}

// unchanged compares the values of a header with those that arrived. Where
// values were only appended, same is how many were there before; else it is 0.
func (s *Stream) unchanged(name string) (same int, changed bool) {
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

// readTarget reads the path, with as few host calls as the rules allow.
func (s *Stream) readTarget() bool {
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

// load reads all headers, once a pass.
func (s *Stream) load() {
	if s.loaded {
		return
	}
	s.loaded = true
	list, ok := s.src.Headers()
	s.failed = s.failed || !ok
	s.arrived = list
	if s.list.blind {
		return
	}
	for i := range list {
		s.list.items = append(s.list.items, field{name: list[i].Name, value: list[i].Value})
	}
}

func (s *Stream) loadHost() {
	if !s.hasHost {
		s.host, _ = s.get(":authority")
		s.hasHost, s.hostWas = true, s.host
	}
}

// hostname gives the current host in lower case without its port.
func (s *Stream) hostname() string {
	if s.loadHost(); s.bareHost == "" {
		name, _ := splitPort(s.host)
		s.bareHost = strings.ToLower(name)
	}
	return s.bareHost
}

// get gives the first current value of a header. Where the list is blind it is
// one that nothing edits.
func (s *Stream) get(name string) (string, bool) {
	if s.list.blind {
		if !s.loaded {
			value, found, ok := s.src.Header(name)
			s.failed = s.failed || !ok
			return value, found
		}
		for i := range s.arrived {
			if s.arrived[i].Name == name {
				return s.arrived[i].Value, true
			}
		}
		return "", false
	}
	s.load()
	for i := range s.list.items {
		if s.list.items[i].name == name {
			return s.list.items[i].value, true
		}
	}
	return "", false
}

// read appends the values of references to vals and tells where they begin.
// What only the response knows is left without a value, for readLate.
func (s *Stream) read(refs []ref) int {
	first := len(s.vals)
	for i := range refs {
		v := val{}
		if refs[i].kind < refStatus {
			v = refs[i].orDefault(s.value(&refs[i]))
		}
		s.vals = append(s.vals, v)
	}
	return first
}

// keep reads references for the response. Their text is copied: what the
// source gave is gone by then.
func (s *Stream) keep(refs []ref) int {
	first := s.read(refs)
	for i := range s.vals[first:] {
		v := &s.vals[first+i]
		start := len(s.arena)
		s.arena = append(s.arena, v.text...)
		v.text = s.since(start)
	}
	return first
}

// readLate fills in what only the response knows.
func (s *Stream) readLate(refs []ref, first int) {
	for i := range refs {
		if refs[i].kind >= refStatus {
			s.vals[first+i] = refs[i].orDefault(s.value(&refs[i]))
		}
	}
}

// orDefault gives the fallback where a reference has one and no text.
func (r *ref) orDefault(v val) val {
	if r.deflt && v.text == "" {
		return val{r.fallback, true}
	}
	return v
}

func (s *Stream) value(r *ref) (v val) {
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
		v = val{s.hostWas, s.hostWas != ""}
	case refPath:
		v = val{s.received.path, s.received.path != ""}
	case refQuery:
		v = val{s.received.query, s.received.hasQuery}
	case refHeader, refResponseHeader:
		v.text, v.ok = s.get(r.name)
	case refParam:
		v.text, v.ok = s.param(r.name)
	case refStatus:
		v.text, v.ok = s.get(":status")
	}
	return v
}

// wait keeps a pattern for the response, in configuration order.
//
//go:noinline
func (s *Stream) wait(k kept) {
	at := len(s.walk)
	for at > 0 && s.walk[at-1].pattern > k.pattern {
		at--
	}
	s.walk = slices.Insert(s.walk, at, k)
}

// note adds a pattern's name to the pattern header.
func (s *Stream) note(name string) {
	if s.rules.patternHeader == "" {
		return
	}
	if len(s.acted) > 0 {
		s.acted = append(s.acted, ',')
	}
	s.acted = append(s.acted, name...)
}

//go:noinline
func (s *Stream) noteShadow(p *pattern, now target) {
	s.note(p.name)
	if s.rules.patternHeader == "" {
		return
	}
	s.acted = append(s.acted, ";shadow"...)
	if now == s.target {
		return
	}
	s.acted = append(s.acted, ";path="...)
	for _, c := range s.text(now) {
		switch c {
		case ',', ';', '%':
			s.acted = append(s.acted, '%', hexDigits[c>>4], hexDigits[c&15])
		default:
			s.acted = append(s.acted, c)
		}
	}
}

func (s *Stream) count(pattern int, r Result) {
	s.out.Counts = append(s.out.Counts, Count{pattern, r})
}

func (s *Stream) trace(pattern int, response bool, verdict, why string) {
	if s.Trace != nil {
		s.Trace(Step{pattern, response, verdict, why})
	}
}

// text gives a path and query as :path has them, in the arena.
func (s *Stream) text(t target) []byte {
	start := len(s.arena)
	s.arena = append(s.arena, t.path...)
	if t.hasQuery {
		s.arena = append(append(s.arena, '?'), t.query...)
	}
	return s.arena[start:]
}

// since gives what was appended to the arena from start on. The arena only
// grows until Reset, so the string stays as it is until then.
func (s *Stream) since(start int) string { return unsafeString(s.arena[start:]) }

func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
