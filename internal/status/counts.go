package status

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Counts are the counters of one object, added up over its Pods. A proxy counts
// from its own start on, and goes on where rules change.
type Counts struct {
	Object   string `json:"object"`
	Release  string `json:"release"`
	Workload string `json:"workload"`
	// Pods is how many proxies were counted.
	Pods int `json:"pods"`
	// Patterns are in the configuration's order; then come those that only counters know.
	Patterns []PatternCounts `json:"patterns"`
	// LeftOut says that proxies have too many counters that the configuration does not know, so none of these are here.
	LeftOut bool `json:"leftOut,omitempty"`
	// HostCallsFailed is how often a proxy did not do what the filter asked of it.
	HostCallsFailed tally `json:"hostCallsFailed"`
	// Crashes is how often a proxy loaded the filter again after it crashed.
	Crashes tally `json:"crashes"`
}

// PatternCounts are the counters of one pattern, by their last names: matched,
// rewritten and so on.
type PatternCounts struct {
	Pattern string `json:"pattern"`
	// Removed says that the object has no such pattern any more.
	Removed bool             `json:"removed,omitempty"`
	Results map[string]tally `json:"results"`
}

// tally is a sum of counters. One that has more than 64 bits stays at most, and is never shown as a number: it is followed by +.
type tally uint64

const endless tally = math.MaxUint64

func (t *tally) add(count tally) {
	if sum, carry := bits.Add64(uint64(*t), uint64(count), 0); carry == 0 {
		*t = tally(sum)
		return
	}

	*t = endless
}

func (t tally) String() string {
	if t == endless {
		return strconv.FormatUint(uint64(t), 10) + "+"
	}
	return strconv.FormatUint(uint64(t), 10)
}

// of counts things: 1 call, 2 calls.
func (t tally) of(what string) string {
	if t == 1 {
		return terminal.Count(1, what)
	}
	return t.String() + " " + what + "s"
}

// MarshalJSON writes a number, and a text where it is none.
func (t tally) MarshalJSON() ([]byte, error) {
	if t == endless {
		return json.Marshal(t.String())
	}
	return []byte(t.String()), nil
}

// results are the columns of the table, in the order in which a reader asks for them.
var results = []string{"matched", "rewritten", "redirected", "responded", "shadowed", "unsafe", "over_budget", "sampled_out"}

// topLevel is what counters call what belongs to no pattern.
const topLevel = "top_level"

// maxOthers is how many counters are kept that the configuration does not know: a proxy keeps those of patterns that are gone.
const maxOthers = 10_000

// tallies are the counters of one plugin in one proxy, or in some, by pattern and result.
type tallies struct {
	configured      []string
	known           map[string]bool // what is configured, and the top level
	patterns        map[string]map[string]tally
	others          int  // how many counters are not known
	leftOut         bool // there are too many of them, and none is kept
	hostCallsFailed tally
	crashes         tally
}

func newTallies(o *Object) *tallies {
	t := &tallies{configured: o.Patterns, known: map[string]bool{topLevel: true}, patterns: map[string]map[string]tally{}}
	for _, name := range o.Patterns {
		t.known[name] = true
	}
	return t
}

// tallies reads the counters of an object's plugin.
func (p *Proxy) tallies(o *Object) *tallies {
	t := newTallies(o)
	for _, plugin := range o.plugins() {
		prefix := "wasmcustom.wasm_rewrite." + notInMetrics.ReplaceAllString(plugin, "_") + "."
		for line := range strings.Lines(string(p.Stats)) {
			name, number, _ := strings.Cut(strings.TrimSpace(line), ": ")

			// One that is too big comes as the most that there is.
			count, err := strconv.ParseUint(number, 10, 64)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				continue
			}
			if name == "wasm."+plugin+".vm_reload" {
				t.crashes.add(tally(count))
			}
			if own, ok := strings.CutPrefix(name, prefix); ok {
				t.read(own, tally(count))
			}
		}
	}

	return t
}

// read takes one counter; what belongs to no pattern has a single name.
func (t *tallies) read(name string, count tally) {
	pattern, result, ofPattern := strings.Cut(name, ".")
	switch {
	case name == "host_call_failed":
		t.hostCallsFailed.add(count)
	case ofPattern:
		t.count(pattern, result, count)
	}
}

// count adds to one counter of a pattern.
func (t *tallies) count(pattern, result string, count tally) {
	other := !t.known[pattern] || !slices.Contains(results, result)
	if other && t.leftOut {
		return
	}

	of := t.patterns[pattern]
	sum, there := of[result]
	if other && !there {
		t.others++
		if t.others > maxOthers {
			t.leaveOut()
			return
		}
	}
	if of == nil {
		of = map[string]tally{}
		t.patterns[strings.Clone(pattern)] = of
	}
	// A part of the proxy's answer would keep all of it in memory.
	if !there {
		result = strings.Clone(result)
	}

	sum.add(count)
	of[result] = sum
}

// leaveOut forgets all counters that are not known: some of them alone would add up to less than there was.
func (t *tallies) leaveOut() {
	t.leftOut = true
	for pattern, of := range t.patterns {
		if !t.known[pattern] {
			delete(t.patterns, pattern)
			continue
		}
		maps.DeleteFunc(of, func(result string, _ tally) bool { return !slices.Contains(results, result) })
	}
}

// patternNames are the patterns of a configuration, in its order.
func patternNames(config any) (names []string) {
	object, _ := config.(map[string]any)
	if text, ok := config.(string); ok {
		_ = json.Unmarshal([]byte(text), &object) // what is not JSON has no patterns
	}

	patterns, _ := object["patterns"].([]any)
	for i, p := range patterns {
		pattern, _ := p.(map[string]any)
		name, _ := pattern["name"].(string)
		names = append(names, cmp.Or(name, "pattern-"+strconv.Itoa(i)))
	}

	return names
}

// counts adds up what the proxies of each object said, in the order of the rows.
func counts(rows []Row, objects []*Object) (all []Counts) {
	for _, o := range objects {
		c := Counts{Object: o.String(), Release: o.Release, Workload: o.Workload}

		sum := newTallies(o)
		for _, row := range rows {
			if row.Object != c.Object || row.tallies == nil {
				continue
			}
			c.Pods++
			sum.merge(row.tallies)
		}

		c.HostCallsFailed, c.Crashes, c.LeftOut = sum.hostCallsFailed, sum.crashes, sum.leftOut
		c.Patterns = sum.ordered()
		all = append(all, c)
	}

	return all
}

func (t *tallies) merge(from *tallies) {
	t.hostCallsFailed.add(from.hostCallsFailed)
	t.crashes.add(from.crashes)

	if from.leftOut {
		t.leaveOut()
	}

	for pattern, of := range from.patterns {
		for result, count := range of {
			t.count(pattern, result, count)
		}
	}
}

// ordered gives the patterns as they are configured, then the top level, then what was
// counted for patterns that are gone.
func (t *tallies) ordered() (list []PatternCounts) {
	names := append(slices.Clone(t.configured), topLevel)
	for _, name := range slices.Sorted(maps.Keys(t.patterns)) {
		if !t.known[name] {
			names = append(names, name)
		}
	}

	for i, name := range names {
		of := t.patterns[name]
		if of == nil {
			of = map[string]tally{}
		}

		list = append(list, PatternCounts{Pattern: name, Removed: i > len(t.configured), Results: of})
	}

	return list
}

// countsText writes a table for each object.
func (r *Report) countsText(w io.Writer) {
	for _, c := range r.Counts {
		fmt.Fprintf(w, "\n%s, added up over %s, each since its start:\n", terminal.Line(c.Object), proxies(c.Pods))
		c.table(w)

		if c.LeftOut {
			fmt.Fprintf(w, "  left out: the proxies have more than %d counters that these rules do not know; a restart of the Pods removes them\n", maxOthers)
		}
		if c.HostCallsFailed > 0 {
			fmt.Fprintf(w, "  %s of the filter failed; a proxy's log names the first\n", c.HostCallsFailed.of("call"))
		}
		if c.Crashes > 0 {
			fmt.Fprintf(w, "  the filter crashed and was loaded again %s; please report it with the proxy's log\n", c.Crashes.of("time"))
		}
	}
}

func (c *Counts) table(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "  PATTERN\t%s\n", strings.ToUpper(strings.Join(results, "\t")))

	for _, p := range c.Patterns {
		name := p.Pattern
		switch {
		case p.Removed:
			name += " (removed)"
		case name == topLevel:
			name = "(top level)"
		}

		cells := []string{"  " + terminal.Line(name)}
		for _, result := range results {
			cell := "-"
			if count, ok := p.Results[result]; ok {
				cell = count.String()
			}

			cells = append(cells, cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}

	_ = table.Flush() // to where every line goes
}

func proxies(n int) string {
	if n == 1 {
		return "1 proxy"
	}
	return strconv.Itoa(n) + " proxies"
}
