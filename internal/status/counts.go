package status

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
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
	// HostCallsFailed is how often a proxy did not do what the filter asked of it.
	HostCallsFailed uint64 `json:"hostCallsFailed"`
	// Crashes is how often a proxy loaded the filter again after it crashed.
	Crashes uint64 `json:"crashes"`
}

// PatternCounts are the counters of one pattern, by their last names: matched,
// rewritten and so on.
type PatternCounts struct {
	Pattern string `json:"pattern"`
	// Removed says that the object has no such pattern any more.
	Removed bool              `json:"removed,omitempty"`
	Results map[string]uint64 `json:"results"`
}

// results are the columns of the table, in the order in which a reader asks for them.
var results = []string{"matched", "rewritten", "redirected", "responded", "shadowed", "unsafe", "over_budget", "sampled_out"}

// topLevel is what counters call what belongs to no pattern.
const topLevel = "top_level"

// tallies are the counters of one plugin in one proxy, by pattern and result.
type tallies struct {
	patterns        map[string]map[string]uint64
	hostCallsFailed uint64
	crashes         uint64
}

// tallies reads the counters of an object's plugin.
func (p *Proxy) tallies(o *Object) *tallies {
	t := &tallies{patterns: map[string]map[string]uint64{}}
	for _, plugin := range o.plugins() {
		prefix := "wasmcustom.wasm_rewrite." + notInMetrics.ReplaceAllString(plugin, "_") + "."
		for line := range strings.Lines(string(p.Stats)) {
			name, number, _ := strings.Cut(strings.TrimSpace(line), ": ")

			count, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				continue
			}
			if name == "wasm."+plugin+".vm_reload" {
				t.crashes += count
			}
			if own, ok := strings.CutPrefix(name, prefix); ok {
				t.add(own, count)
			}
		}
	}

	return t
}

// add takes one counter; what belongs to no pattern has a single name.
func (t *tallies) add(name string, count uint64) {
	pattern, result, ofPattern := strings.Cut(name, ".")
	switch {
	case name == "host_call_failed":
		t.hostCallsFailed += count
	case ofPattern:
		if t.patterns[pattern] == nil {
			t.patterns[pattern] = map[string]uint64{}
		}

		t.patterns[pattern][result] += count
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

		sum := tallies{patterns: map[string]map[string]uint64{}}
		for _, row := range rows {
			if row.Object != c.Object || row.tallies == nil {
				continue
			}
			c.Pods++
			sum.merge(row.tallies)
		}

		c.HostCallsFailed, c.Crashes = sum.hostCallsFailed, sum.crashes
		c.Patterns = sum.ordered(o.Patterns)
		all = append(all, c)
	}

	return all
}

func (t *tallies) merge(from *tallies) {
	t.hostCallsFailed += from.hostCallsFailed
	t.crashes += from.crashes

	for pattern, results := range from.patterns {
		for result, count := range results {
			t.add(pattern+"."+result, count)
		}
	}
}

// ordered gives the patterns as they are configured, then the top level, then what was
// counted for patterns that are gone.
func (t *tallies) ordered(configured []string) (list []PatternCounts) {
	names := append(slices.Clone(configured), topLevel)
	for _, name := range slices.Sorted(maps.Keys(t.patterns)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}

	for i, name := range names {
		results := t.patterns[name]
		if results == nil {
			results = map[string]uint64{}
		}

		list = append(list, PatternCounts{Pattern: name, Removed: i > len(configured), Results: results})
	}

	return list
}

// countsText writes a table for each object.
func (r *Report) countsText(w io.Writer) {
	for _, c := range r.Counts {
		fmt.Fprintf(w, "\n%s, added up over %s, each since its start:\n", terminal.Line(c.Object), proxies(c.Pods))
		c.table(w)

		if c.HostCallsFailed > 0 {
			fmt.Fprintf(w, "  %s of the filter failed; a proxy's log names the first\n", terminal.Count(int(min(c.HostCallsFailed, math.MaxInt)), "call"))
		}
		if c.Crashes > 0 {
			fmt.Fprintf(w, "  the filter crashed and was loaded again %s; please report it with the proxy's log\n", terminal.Count(int(min(c.Crashes, math.MaxInt)), "time"))
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
				cell = strconv.FormatUint(count, 10)
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
