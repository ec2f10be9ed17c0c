package migrate

import (
	"fmt"
	"io"
	"strings"

	kyaml "sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// JSON writes the values and the report for programs.
func (r *Result) JSON(w io.Writer) error {
	report := struct {
		Values   map[string]any `json:"values"`
		Objects  []*plan.Object `json:"objects"`
		Steps    []string       `json:"steps"`
		Complete bool           `json:"complete"` // nothing was left out, nothing has to be answered
	}{Objects: r.Report.Objects, Steps: r.Steps, Complete: r.Report.Complete()}
	if err := kyaml.Unmarshal(r.Values, &report.Values); err != nil {
		return err
	}
	return terminal.JSON(w, report)
}

// Text writes the values with the report, and to another writer its sum.
func (r *Result) Text(w, sum io.Writer) error {
	if _, err := w.Write(r.Document()); err != nil {
		return err
	}

	states := map[plan.State]int{}
	for _, o := range r.Report.Objects {
		states[o.State]++
	}

	var counts []string
	for _, s := range []plan.State{plan.Carried, plan.Differs, plan.Part, plan.Left, plan.NotOurs, plan.Nothing} {
		if states[s] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", states[s], s))
		}
	}

	_, err := fmt.Fprintf(sum, "%s: %s\n", terminal.Count(len(r.Report.Objects), "object"), strings.Join(counts, ", "))

	return err
}
