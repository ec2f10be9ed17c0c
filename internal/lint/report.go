package lint

import (
	"fmt"
	"io"
	"slices"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/route"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Report is what lint -o json prints.
type Report struct {
	Workloads int       `json:"workloads"`
	Findings  []Finding `json:"findings"`
}

// Look looks through inputs, with the routes that are known, and leaves out the checks that are ignored. What could not be
// read comes first.
func Look(inputs []*input.Input, unreadable []Finding, ignore []string, routes *route.Table) Report {
	r := Report{Findings: append([]Finding{}, unreadable...)}
	for _, in := range inputs {
		r.Workloads += len(in.Workloads)
		for _, f := range Routed(in, routes) {
			if !slices.Contains(ignore, string(f.Check)) {
				r.Findings = append(r.Findings, f)
			}
		}
	}
	return r
}

// Text writes the findings for people, and their sum.
func (r Report) Text(w io.Writer) {
	counts := map[Severity]int{}
	for _, f := range r.Findings {
		counts[f.Severity]++
		f.Write(w)
	}

	found := "nothing found"
	if len(r.Findings) > 0 {
		found = fmt.Sprintf("%s, %s, %d info", terminal.Count(counts[SeverityError], "error"), terminal.Count(counts[SeverityWarning], "warning"),
			counts[SeverityInfo])
	}
	fmt.Fprintf(w, "%s: %s\n", terminal.Count(r.Workloads, "workload"), found)
}
