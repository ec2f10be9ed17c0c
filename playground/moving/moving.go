// Package moving answers the playground's import. It is apart from package answers because of what it weighs.
package moving

import (
	"encoding/json"
	"errors"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate"
)

// Imported is what became of objects.
type Imported struct {
	Problem string `json:"problem,omitempty"`
	Values  string `json:"values,omitempty"`
	Left    []Left `json:"left"`
	Read    int    `json:"read"`
}

// Left is something to know about an object: what was left out, what differs, what has to be answered.
type Left struct {
	Object string `json:"object"`
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Answer turns the objects of a question into values.
func Answer(question []byte) *Imported {
	out, err := convert(question)
	if err != nil {
		return &Imported{Problem: err.Error(), Left: []Left{}}
	}
	return out
}

func convert(question []byte) (*Imported, error) {
	var q struct {
		Objects string `json:"objects"`
	}
	if err := json.Unmarshal(question, &q); err != nil {
		return nil, err
	}

	docs, err := input.Parse("objects", []byte(q.Objects))
	if err != nil {
		return nil, err
	}

	r, err := migrate.Convert(docs.Objects(), migrate.Options{})
	if err != nil {
		return nil, err
	}
	if len(r.Report.Objects) == 0 {
		return nil, errors.New("there is no Ingress, VirtualService or HTTPRoute in it")
	}

	left := []Left{}
	for _, o := range r.Report.Objects {
		for _, f := range o.Findings {
			left = append(left, Left{o.Name, f.Path, f.Kind + ": " + f.Reason})
		}
	}

	return &Imported{Values: string(r.Values), Left: left, Read: len(r.Report.Objects)}, nil
}
