// Package release reads what the chart writes down for the gates of a release:
// the module that it pins, and its workloads as proxies will get them.
package release

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// Release is one release of the chart.
type Release struct {
	Name      string     `json:"release"`
	Namespace string     `json:"namespace"`
	Delivery  string     `json:"delivery"` // the kind of its objects
	Module    Module     `json:"module"`
	Workloads []Workload `json:"workloads"` // by name
}

// Workload is one of its workloads.
type Workload struct {
	Name       string            `json:"name"`      // its key in the values
	Namespace  string            `json:"namespace"` // of its object
	Selector   map[string]string `json:"selector"`
	TargetRefs []Target          `json:"targetRefs"`
	Phase      string            `json:"phase"`
	Plugin     string            `json:"plugin"` // as in status.Object
	Config     json.RawMessage   `json:"config"` // as the filter gets it
	Tests      any               `json:"tests"`
}

// Target is one of targetRefs.
type Target struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Parse reads a release.
func Parse(text []byte) (*Release, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()

	r := &Release{}
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("is not what the chart of this version writes: %w", err)
	}
	return r, nil
}

// String names the release for people.
func (r *Release) String() string { return "release " + r.Namespace + "/" + r.Name }

// Input gives the workloads as rules with their tests.
func (r *Release) Input() *input.Input {
	in := &input.Input{Name: r.String(), Kind: input.Values}
	for _, w := range r.Workloads {
		one := input.Workload{Name: w.Name, Config: w.Config, Phase: w.Phase, Plugin: w.Plugin}
		one.Tests, one.TestFault = example.Parse(w.Tests)
		in.Workloads = append(in.Workloads, one)
	}
	return in
}

// Objects gives the workloads as the objects that they become.
func (r *Release) Objects() (objects []*status.Object) {
	for _, w := range r.Workloads {
		var config struct {
			Revision string `json:"revision"`
		}
		_ = json.Unmarshal(w.Config, &config) // the chart wrote it

		o := &status.Object{
			Kind: r.Delivery, Namespace: w.Namespace, Name: r.Name + "-" + w.Name, Release: r.Name, Workload: w.Name,
			Selector: w.Selector, Revision: config.Revision, Plugin: w.Plugin,
		}
		for _, t := range w.TargetRefs {
			o.Targets = append(o.Targets, status.Target(t))
		}

		objects = append(objects, o)
	}

	return objects
}
