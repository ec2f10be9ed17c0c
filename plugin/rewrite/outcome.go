package rewrite

import "strconv"

// Header is one value of a header; one with several values comes as often.
type Header struct{ Name, Value string }

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
	OverBudget               // of TopLevel: the request would have taken more than [Budget]

	// Results is the number of results.
	Results
)

var resultNames = [Results]string{"matched", "rewritten", "redirected", "responded", "shadowed", "unsafe", "sampled_out", "over_budget"}

// String is the result's name in metrics.
func (r Result) String() string { return resultNames[r] }

// Count says that a counter goes up by one.
type Count struct {
	Pattern int // its index, or TopLevel
	Result  Result
}

// TopLevel is the pattern of a [Count] or [Step] outside all patterns.
const TopLevel = -1

// Outcome is what a pass decided. It and all it holds are valid until the next
// pass on the same [Scratch].
type Outcome struct {
	Edits  []Edit  // to be written in this order
	Answer *Answer // to be sent after Edits, instead of passing the message on; nil for none
	Counts []Count
	Acted  []int  // the patterns that acted, in order
	Noted  string // of a response, what the proxy's log may say of it: as the pattern header says it of a request
}

// Step is what was decided about one pattern, for explanations.
type Step struct {
	Pattern   int
	Response  bool // in the response pass
	Verdict   Verdict
	Condition Condition // of NotMatched: the one that failed
	Unsafe    string    // of Refused, and of InShadow: why it may not leave the filter
}

// Operation is a header operation that wrote nothing, for explanations.
type Operation struct {
	Pattern int // or TopLevel
	Block   Block
	Key     OperationKey
	Name    string // the header; of remove maybe with *
	Effect  Effect
}

// Block is the key that an operation's block is written under.
type Block uint8

const (
	HeadersRequest Block = iota
	HeadersResponse
	RespondHeaders
)

// OperationKey is the key that an operation is written under.
type OperationKey uint8

// String is the key.
func (k OperationKey) String() string {
	return [...]string{"copy", "rename", "remove", "keep", "replace", "set", "overwrite", "default", "add"}[k]
}

// Effect is what a header operation came to.
type Effect uint8

// Removed reports whether the header is gone by it.
func (o Operation) Removed() bool {
	e := effect(o.Effect)
	return e == effectCleared || e.unsafe() && !(o.Block == HeadersResponse && opKind(o.Key) == opAdd)
}

// Why is the reason for people.
func (o Operation) Why() string {
	switch e := effect(o.Effect); e {
	case effectAbsent:
		return "there is none"
	case effectPresent:
		return "there is one already"
	case effectNoMatch:
		return "no value has a match"
	case effectEmpty, effectCleared:
		return "the value came out empty"
	default:
		return e.reason()
	}
}

// Verdict is the fate of a pattern.
type Verdict uint8

const (
	Acted Verdict = iota
	NotMatched
	Disabled
	NotSampled // its conditions held, its share did not
	InShadow   // it would have acted
	Refused    // what it produced may not leave the filter
)

// String is the verdict for people.
func (v Verdict) String() string {
	return [...]string{"acted", "not matched", "disabled", "sampled out", "shadowed", "unsafe"}[v]
}

// Condition is one condition of a pattern.
type Condition struct {
	Kind  ConditionKind
	Index int // in its list, where it is of one
}

// ConditionKind is the key that a condition is written under.
type ConditionKind uint8

const (
	NoCondition ConditionKind = iota
	OnPath
	OnHost
	OnScheme
	OnMethods
	OnHeaders
	OnQuery
	OnUnless // an exception, which holds
	OnStatus
	OnResponseHeaders
	OnOwnAnswer // a proxy takes one answer of a filter for each request
)

// String is the condition's place in its pattern.
func (c Condition) String() string {
	key := [...]string{"", "match.path", "match.host", "match.scheme", "match.methods", "match.headers", "match.query", "unless",
		"match.response.status", "match.response.headers", "match.response"}[c.Kind]
	switch c.Kind {
	case OnHeaders, OnQuery, OnUnless, OnResponseHeaders:
		return key + "[" + strconv.Itoa(c.Index) + "]"
	}
	return key
}
