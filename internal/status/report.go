package status

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Report is what status -o json prints.
type Report struct {
	Namespace string   `json:"namespace"` // "" is every one
	Only      []string `json:"only,omitempty"`
	Rows      []Row    `json:"rows"`
	// Counts are there where they were asked for.
	Counts []Counts `json:"counts,omitempty"`

	all []*Object
}

// Ask asks the proxies of the objects that Options.Only names.
func (c *Cluster) Ask(ctx context.Context) (*Report, error) {
	all, objects, err := c.Objects(ctx)
	if err != nil {
		return nil, err
	}

	rows := append([]Row{}, c.Rows(ctx, objects)...)
	early(rows, objects, time.Now())

	r := &Report{Namespace: c.options.Namespace, Only: c.options.Only, Rows: rows, all: all}
	if c.options.Counts {
		r.Counts = counts(rows, objects)
	}

	return r, nil
}

// Fine reports whether everything is in force. The error is that a proxy cannot be asked.
func (r *Report) Fine() (bool, error) {
	unknown, fine := 0, len(r.Rows) > 0
	for _, row := range r.Rows {
		fine = fine && row.State == InForce
		if row.State == Unknown {
			unknown++
		}
	}
	if unknown > 0 {
		return false, fmt.Errorf("%d of %s cannot be asked", unknown, terminal.Count(len(r.Rows), "row"))
	}

	return fine, nil
}

// Text writes the report for people: a table, then what is not in force and why.
func (r *Report) Text(w io.Writer) {
	if len(r.Rows) == 0 {
		r.nothing(w)
		return
	}

	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tPOD\tSTATE\tMODULE\tREVISION")

	inForce := 0
	for _, row := range r.Rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", terminal.Line(row.Object), cmp.Or(terminal.Line(row.Pod), "-"), row.State, moduleOf(row), change(row.Revision))
		if row.State == InForce {
			inForce++
		}
	}

	_ = table.Flush() // to where every line goes

	for _, row := range r.Rows {
		if row.State != InForce {
			row.text(w)
		}
	}
	r.countsText(w)
	fmt.Fprintf(w, "\n%d of %d in force\n", inForce, len(r.Rows))
}

// text says why something is not in force, and what to do.
func (r Row) text(w io.Writer) {
	about := terminal.Line(r.Object)
	if r.Pod != "" {
		about += " on " + terminal.Line(r.Pod)
	}
	fmt.Fprintf(w, "\n%s: %s: %s\n", about, r.State, terminal.Line(r.Reason))
	if r.Refusal != "" {
		fmt.Fprintf(w, "  the last refusal: %s\n", terminal.Line(r.Refusal))
	}
	if r.Advice != "" {
		fmt.Fprintf(w, "  %s\n", terminal.Line(r.Advice))
	}
}

// nothing says what there is instead.
func (r *Report) nothing(w io.Writer) {
	if len(r.all) == 0 && r.Namespace == "" {
		fmt.Fprintln(w, "all namespaces: the chart made no object in any, so nothing is installed; see that --context is the one you mean")
		return
	}
	if len(r.all) == 0 {
		fmt.Fprintf(w, "namespace %s: the chart made no object here, so nothing is installed; name the namespace of the workloads with -n\n", r.Namespace)
		return
	}

	var there []string
	for _, o := range r.all {
		there = append(there, fmt.Sprintf("release %s, workload %s", terminal.Line(o.Release), terminal.Line(o.Workload)))
	}

	where := "namespace " + r.Namespace
	if r.Namespace == "" {
		where = "all namespaces"
	}
	fmt.Fprintf(w, "%s: %s: no release and no workload of this name; there is %s\n", where, strings.Join(r.Only, ", "), strings.Join(there, "; "))
}

// change shows what is in force, and what is asked for where that differs.
func change(p Pair) string {
	inForce := terminal.Line(cmp.Or(p.InForce, "-"))
	if p.Asked == p.InForce || p.Asked == "" {
		return inForce
	}
	return fmt.Sprintf("%s (asked for %s)", inForce, terminal.Line(p.Asked))
}

func moduleOf(row Row) string {
	p := Pair{Asked: short(row.Module.Asked), InForce: short(row.Module.InForce)}
	if p.InForce == "" && row.Revision.InForce != "" {
		p.InForce = "?"
	}
	return change(p)
}

// short shows the first digits of a digest.
func short(s string) string {
	if len(s) == 64 && !strings.Contains(s, "/") {
		return s[:12]
	}
	return s
}
