package rewrite

// MaxPatterns is the largest number of patterns in one configuration.
const MaxPatterns = 4096

// Rules is a compiled configuration. It is immutable: any number of [Stream]
// may use it.
type Rules struct {
	revision           string
	patterns           []pattern
	request            block // of the top level
	response           block
	originalPathHeader string
	patternHeader      string
	keepUnsafe         bool

	index         *index // nil where a walk over all patterns is as good
	onResponse    bool   // there are patterns on the response
	idleRequest   bool   // nothing is to be done on requests
	bareRequest   bool   // nothing is to be done on those on which no pattern acts
	blindRequest  bool   // no request header's presence or value matters to the operations
	blindResponse bool   // the same of responses
	wantsAll      bool   // every request needs more than its path
	locSize       int    // numbers of the largest match of a regex
	entries       int    // bytes that a stream keeps at most for its response, without texts

	// What becomes of every response whose request left nothing to remember, or
	// nil where a pass has to find that out.
	fixedResponse *Outcome
}

// Revision is the configuration's revision, or "".
func (r *Rules) Revision() string { return r.revision }

// Patterns is the number of patterns.
func (r *Rules) Patterns() int { return len(r.patterns) }

// PatternName is the name of pattern i.
func (r *Rules) PatternName(i int) string { return r.patterns[i].name }

// PatternHeader is the name of the request header that names the patterns that
// acted, or empty.
func (r *Rules) PatternHeader() string { return r.patternHeader }

type mode uint8

const (
	enforce mode = iota
	shadow
	disabled
)

type pattern struct {
	name       string
	mode       mode
	next       bool // then: next
	onResponse bool // a pattern on the response
	sample     *sample

	match    conditions
	unless   []conditions // none of which may hold
	captures int          // named groups of host, headers and query
	needRoot bool

	status          []StatusRange
	responseHeaders []valueMatcher

	newPath  *pathEdit
	newHost  *template
	newQuery queryEdit
	redirect *redirect
	respond  *respond
	refs     []ref // what the request side refers to

	request  block
	response block
}

type redirect struct {
	status int
	scheme string
	host   *template
	port   int

	fragment string // with its #

	recall recall // of a pattern on the response
}

type respond struct {
	status  int
	body    string
	headers []operation
}

// block is one list of header operations with the references they read.
type block struct {
	ops  []operation
	refs []ref
	// What the operations come to, where that is the same for every message;
	// of the top level only, else nil.
	edits []Edit
}

type sample struct {
	threshold      uint64 // of 1,000,000
	header, cookie string
}

// Possible reports whether pattern i can have a result at all, so that a host
// keeps no counter for what never happens.
func (r *Rules) Possible(i int, result Result) bool {
	p := &r.patterns[i]
	if p.mode == disabled {
		return false
	}

	switch result {
	case Matched:
		return p.mode == enforce
	case Rewritten:
		return p.mode == enforce && p.redirect == nil && (p.newPath != nil || p.newHost != nil || p.newQuery.drop || p.newQuery.ops != nil)
	case Redirected:
		return p.mode == enforce && p.redirect != nil
	case Responded:
		return p.mode == enforce && p.respond != nil
	case Shadowed:
		return p.mode == shadow
	case SampledOut:
		return p.sample != nil
	case OverBudget:
		return false
	}

	return true
}
