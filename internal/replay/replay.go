// Package replay puts the requests of an access log through old rules and new ones, and reports what becomes different.
package replay

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/accesslog"
	"github.com/wasm-rewrite/wasm-rewrite/internal/change"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Report is what diff -o json prints.
type Report struct {
	Lines       int        `json:"requests"`              // lines of the log with a request
	Unread      int        `json:"unread"`                // lines without
	FirstUnread int        `json:"firstUnread,omitempty"` // the first of them, from 1
	Changed     int        `json:"changed"`
	Workloads   []Workload `json:"workloads"`
}

// Workload is what becomes different in one workload.
type Workload struct {
	Workload string  `json:"workload,omitempty"`
	Changed  int     `json:"changed"`
	Groups   []Group `json:"groups"`
}

// Group are the changed requests of one pattern before and one after.
type Group struct {
	Old      []string  `json:"old"` // the patterns that acted
	New      []string  `json:"new"`
	Times    int       `json:"times"`
	Distinct int       `json:"distinct"` // how many different requests they are
	Examples []Example `json:"examples"`
}

// Example is one of the changed requests.
type Example struct {
	Request string              `json:"request"`
	Times   int                 `json:"times"`
	Changes []change.Difference `json:"changes"`
}

// Pair is one workload before and after; one of them is nil where the workload is new or gone.
type Pair struct {
	name     string
	old, new *input.Workload
}

// Match puts the workloads of one name together, and the only one of each side whatever their names are. A log is of one
// workload, so it is an error where there are more.
func Match(before, after *input.Input) (*Pair, error) {
	if len(before.Workloads) == 1 && len(after.Workloads) == 1 {
		return &Pair{after.Workloads[0].Name, &before.Workloads[0], &after.Workloads[0]}, nil
	}

	pairs := map[string]*Pair{}
	var names []string

	at := func(name string) *Pair {
		if pairs[name] == nil {
			pairs[name] = &Pair{name: name}
			names = append(names, name)
		}
		return pairs[name]
	}
	for i := range before.Workloads {
		at(before.Workloads[i].Name).old = &before.Workloads[i]
	}

	for i := range after.Workloads {
		at(after.Workloads[i].Name).new = &after.Workloads[i]
	}

	switch len(names) {
	case 0:
		return nil, fmt.Errorf("%s and %s hold no workload", before.Name, after.Name)
	case 1:
		return pairs[names[0]], nil
	}

	names = slices.DeleteFunc(names, func(name string) bool { return name == "" }) // plain rules
	slices.Sort(names)

	return nil, fmt.Errorf("%s and %s hold %s; a log is of one workload: name it with --workload", before.Name, after.Name, strings.Join(names, ", "))
}

// Compare puts a log through both sides, and keeps some examples of each group of changed requests.
func (p *Pair) Compare(log *accesslog.Log, examples int) (*Report, error) {
	w, err := p.compare(log.Requests, examples)
	if err != nil {
		return nil, err
	}
	return &Report{Lines: log.Lines, Unread: log.Unread, FirstUnread: log.First, Changed: w.Changed, Workloads: []Workload{w}}, nil
}

func (p *Pair) compare(requests []accesslog.Counted, examples int) (Workload, error) {
	w := Workload{Workload: p.name, Groups: []Group{}}
	before, err := runner(p.old)
	if err != nil {
		return w, err
	}

	after, err := runner(p.new)
	if err != nil {
		return w, err
	}

	groups := map[string]*Group{}
	for _, r := range requests {
		request := exchange.Request(r.Method, r.Scheme, r.Host, r.Target, r.Headers)
		response := exchange.Response(r.Status, nil)
		was, is := before(request, response), after(request, response)
		changes := change.Differences(was, is)
		if len(changes) == 0 {
			continue
		}

		w.Changed += r.Times
		key := fmt.Sprintf("%q %q", was.Acted, is.Acted)
		g := groups[key]
		if g == nil {
			g = &Group{Old: append([]string{}, was.Acted...), New: append([]string{}, is.Acted...), Examples: []Example{}}
			groups[key] = g
		}

		g.Times += r.Times
		g.Distinct++
		g.Examples = append(g.Examples, Example{exchange.Line(request), r.Times, changes})
	}

	// What is most frequent comes first.
	for _, g := range groups {
		slices.SortStableFunc(g.Examples, func(a, b Example) int { return b.Times - a.Times })
		g.Examples = g.Examples[:min(len(g.Examples), examples)]
		w.Groups = append(w.Groups, *g)
	}
	slices.SortFunc(w.Groups, func(a, b Group) int {
		return cmp.Or(b.Times-a.Times, slices.Compare(a.Old, b.Old), slices.Compare(a.New, b.New))
	})

	return w, nil
}

// runner puts requests through a workload; none changes nothing.
func runner(w *input.Workload) (func(request, response message.Message) exchange.Seen, error) {
	var text []byte
	if w != nil {
		text = w.Config
	}

	rules, err := rewrite.Load(text)
	if err != nil {
		return nil, err
	}

	stream := rules.NewStream()

	return func(request, response message.Message) exchange.Seen {
		return exchange.Run(stream, rules, request, response)
	}, nil
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) {
	for _, d := range r.Workloads {
		for _, g := range d.Groups {
			g.text(w)
		}
	}
	fmt.Fprintf(w, "%s, %d changed\n", terminal.Count(r.Lines, "request"), r.Changed)
	if r.Unread > 0 {
		fmt.Fprintf(w, "%s without a request, the first is line %d\n", terminal.Count(r.Unread, "line"), r.FirstUnread)
	}
}

func (g *Group) text(w io.Writer) {
	fmt.Fprintf(w, "%s → %s: %s, %d different\n", acted(g.Old), acted(g.New), terminal.Count(g.Times, "request"), g.Distinct)

	for _, e := range g.Examples {
		fmt.Fprintf(w, "  %s (%d)\n", terminal.Line(e.Request), e.Times)

		for _, c := range e.Changes {
			c.Write(w, "    ")
		}
	}
	if more := g.Distinct - len(g.Examples); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

func acted(names []string) string {
	if len(names) == 0 {
		return "no pattern"
	}
	return strings.Join(names, ", ")
}
