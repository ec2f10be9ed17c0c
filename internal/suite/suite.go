// Package suite runs the tests that come with rules, and reports what came of them.
package suite

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Suite says which tests run, and in what.
type Suite struct {
	Only    *regexp.Regexp   // the names of the tests that run; nil: all
	AtLeast float64          // percent of the patterns that have to act in some test
	Module  *compiled.Module // nil: the engine itself
}

// Report is what came of the tests, as test -o json prints it.
type Report struct {
	Passed    int        `json:"passed"`
	Failed    int        `json:"failed"`
	Workloads []Workload `json:"workloads"`
	atLeast   float64
}

// Workload is what came of the tests of one workload.
type Workload struct {
	Input    string         `json:"input"`
	Workload string         `json:"workload,omitempty"`
	Refusals []lint.Finding `json:"refusals,omitempty"` // why there was nothing to test
	Tests    []Test         `json:"tests"`
	Coverage Coverage       `json:"coverage"`
	kind     input.Kind
}

// Test is what came of one test.
type Test struct {
	Name     string    `json:"name"`
	Passed   bool      `json:"passed"`
	Acted    []string  `json:"acted"`
	Request  string    `json:"request"`
	Failures []Failure `json:"failures,omitempty"`
}

// Failure is one expectation that was not met.
type Failure struct {
	Key  string `json:"key"`
	Got  string `json:"got"`
	Want string `json:"want"`
}

// Coverage says how many of the patterns acted in some test.
type Coverage struct {
	Patterns int      `json:"patterns"` // but for disabled ones
	Acted    int      `json:"acted"`
	Missing  []string `json:"missing,omitempty"` // those that acted in no test
}

// Run runs the tests of inputs.
func (s *Suite) Run(ctx context.Context, inputs ...*input.Input) (*Report, error) {
	r := &Report{atLeast: s.AtLeast, Workloads: []Workload{}}
	for _, in := range inputs {
		if refused := lint.Refusals(in); refused != nil {
			r.Workloads = append(r.Workloads, Workload{Input: in.Name, Refusals: refused, Tests: []Test{}})
			continue
		}

		for _, w := range in.Workloads {
			run, err := s.workload(ctx, in, w)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", terminal.Where(in.Name, w.Name), err)
			}
			r.add(run)
		}
	}

	return r, nil
}

func (r *Report) add(run Workload) {
	for _, one := range run.Tests {
		if one.Passed {
			r.Passed++
		} else {
			r.Failed++
		}
	}

	r.Workloads = append(r.Workloads, run)
}

func (s *Suite) workload(ctx context.Context, in *input.Input, w input.Workload) (Workload, error) {
	run := Workload{Input: in.Name, Workload: w.Name, Tests: []Test{}, kind: in.Kind}
	config, rules, err := rewrite.Read(w.Config)
	if err != nil {
		return run, err
	}

	subject, err := Start(ctx, s.Module, w.Config, config, rules)
	if refused := (*compiled.RefusedError)(nil); errors.As(err, &refused) {
		for _, reason := range refused.Reasons {
			run.Refusals = append(run.Refusals, lint.Finding{Input: in.Name, Workload: w.Name,
				Reason: "the filter refuses what this tool takes: " + reason, Severity: lint.SeverityError, Check: lint.Invalid})
		}
		return run, nil
	}
	if err != nil {
		return run, err
	}

	tests := slices.DeleteFunc(slices.Clone(w.Tests), func(test example.Test) bool { return s.Only != nil && !s.Only.MatchString(test.Name) })
	verdicts, err := example.Run(ctx, subject, tests)
	if err := errors.Join(err, subject.Close(ctx)); err != nil {
		return run, err
	}

	run.take(verdicts, config, rules)

	return run, nil
}

// Start puts a configuration in force in a module, or, where that is nil, in the engine itself. Random samples are in.
func Start(ctx context.Context, module *compiled.Module, text []byte, config *rewrite.Config, rules *rewrite.Rules) (exchange.Subject, error) {
	if module == nil {
		return exchange.Native(rules), nil
	}

	text, err := compiled.WithoutRandom(text, config)
	if err != nil {
		return nil, err
	}
	return module.Start(ctx, text, config, rules)
}

// take notes what came of the tests, and which patterns acted.
func (run *Workload) take(verdicts []example.Verdict, config *rewrite.Config, rules *rewrite.Rules) {
	acted := map[string]bool{}
	for _, v := range verdicts {
		one := Test{Name: v.Test.Name, Passed: len(v.Failures) == 0, Acted: append([]string{}, v.Acted...), Request: v.Test.Request.String()}
		for _, f := range v.Failures {
			one.Failures = append(one.Failures, Failure(f))
		}

		for _, name := range v.Acted {
			acted[name] = true
		}

		run.Tests = append(run.Tests, one)
	}

	for i, p := range config.Patterns {
		if p.Mode == "disabled" || p.Mode == "shadow" {
			continue
		}
		run.Coverage.Patterns++
		if name := rules.PatternName(i); acted[name] {
			run.Coverage.Acted++
		} else {
			run.Coverage.Missing = append(run.Coverage.Missing, name)
		}
	}
}

// covered is the percentage of patterns that acted in some test.
func (r *Report) covered() float64 {
	acted, patterns := 0, 0
	for _, w := range r.Workloads {
		acted, patterns = acted+w.Coverage.Acted, patterns+w.Coverage.Patterns
	}
	if patterns == 0 {
		return 100
	}
	return 100 * float64(acted) / float64(patterns)
}

// Fine reports whether all passed and enough of the patterns acted.
func (r *Report) Fine() bool {
	for _, w := range r.Workloads {
		if len(w.Refusals) > 0 {
			return false
		}
	}
	return r.Failed == 0 && r.covered() >= r.atLeast
}
