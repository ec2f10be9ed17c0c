package plan

import (
	"fmt"
	"slices"
)

// State is what became of an object.
type State string

// The states of an object.
const (
	Carried State = "carried"                   // all of it
	Differs State = "carried with a difference" // and the findings say which
	Part    State = "carried in part"           // what was left out is in the findings
	Left    State = "left out"                  // all that there was to carry over
	NotOurs State = "not ours"                  // rules of another controller
	Nothing State = "nothing to carry over"
)

// Finding is something to know about one place of an object.
type Finding struct {
	// Kind is difference, left out, question (the rules are right only once it
	// is answered), not ours, or note: why there is no rule.
	Kind   string `json:"kind"`
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// The kinds of findings.
const (
	KindDiffers  = "difference"
	KindLeft     = "left out"
	KindQuestion = "question"
	KindNotOurs  = "not ours"
	KindNote     = "note"
)

// Object is one object that was read.
type Object struct {
	Name     string    `json:"object"` // kind namespace/name
	State    State     `json:"state"`
	Findings []Finding `json:"findings,omitempty"`
	// TakeOut are the fields to take out of it once the rules are in force.
	TakeOut []string `json:"takeOut,omitempty"`
	// Patterns is how many patterns came of it.
	Patterns int `json:"patterns"`
}

// Report has every object that was read, in their order.
type Report struct {
	Objects []*Object
	byName  map[string]*Object
	seen    map[string]bool
}

// Object gives the entry of an object, made where there is none.
func (r *Report) Object(name string) *Object {
	if r.byName == nil {
		r.byName, r.seen = map[string]*Object{}, map[string]bool{}
	}

	o := r.byName[name]
	if o == nil {
		o = &Object{Name: name}
		r.byName[name] = o
		r.Objects = append(r.Objects, o)
	}

	return o
}

// Add adds a finding, once.
func (r *Report) Add(kind, object, path, reason string, args ...any) {
	f := Finding{kind, path, fmt.Sprintf(reason, args...)}
	o := r.Object(object)
	key := object + "\x00" + kind + "\x00" + path + "\x00" + f.Reason
	if !r.seen[key] {
		r.seen[key] = true
		o.Findings = append(o.Findings, f)
	}
}

// Leave says that something was not carried over, why, and what to do.
func (r *Report) Leave(object, path, reason string, args ...any) {
	r.Add(KindLeft, object, path, reason, args...)
}

// Differ says that something was carried over with a difference.
func (r *Report) Differ(object, path, reason string, args ...any) {
	r.Add(KindDiffers, object, path, reason, args...)
}

// Ask says what has to be answered before the rules are right.
func (r *Report) Ask(object, path, reason string, args ...any) {
	r.Add(KindQuestion, object, path, reason, args...)
}

// NotOurs says that something belongs to another controller.
func (r *Report) NotOurs(object, path, reason string, args ...any) {
	r.Add(KindNotOurs, object, path, reason, args...)
}

// Note says why something needs no rule.
func (r *Report) Note(object, path, reason string, args ...any) {
	r.Add(KindNote, object, path, reason, args...)
}

// Taken says that a pattern came of an object, and which fields it replaces.
func (r *Report) Taken(object string, fields []string) {
	o := r.Object(object)

	o.Patterns++
	for _, f := range fields {
		if !slices.Contains(o.TakeOut, f) {
			o.TakeOut = append(o.TakeOut, f)
		}
	}
}

// Finish decides the state of every object.
func (r *Report) Finish() {
	for _, o := range r.Objects {
		has := map[string]bool{}
		for _, f := range o.Findings {
			has[f.Kind] = true
		}

		switch {
		case has[KindLeft] && o.Patterns > 0:
			o.State = Part
		case has[KindLeft]:
			o.State = Left
		case o.Patterns == 0 && has[KindNotOurs]:
			o.State = NotOurs
		case o.Patterns == 0 && !has[KindQuestion]:
			o.State = Nothing
		case has[KindDiffers] || has[KindQuestion]:
			o.State = Differs
		default:
			o.State = Carried
		}
	}
}

// Complete reports whether nothing was left out and nothing has to be answered;
// and whether anything was carried over where there are rules of others.
func (r *Report) Complete() bool {
	ours := func(o *Object) bool { return o.State != NotOurs }
	if len(r.Objects) > 0 && !slices.ContainsFunc(r.Objects, ours) {
		return false
	}

	for _, o := range r.Objects {
		for _, f := range o.Findings {
			if f.Kind == KindLeft || f.Kind == KindQuestion {
				return false
			}
		}
	}

	return true
}

// FirstValue is what differs of conditions on the query.
const FirstValue = "Envoy compares the first value of a repeated parameter, and name and value as they are written; the rules compare any value, decoded"
