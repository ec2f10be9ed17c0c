package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

func newTest() *cobra.Command {
	var inputs inputFlags
	var output outputFlag
	var wasm, only string
	var atLeast float64
	c := &cobra.Command{
		Use:   "test INPUT…",
		Short: "Run the tests that stand beside rules",
		Long: `Run the tests that stand beside rules, under the key tests, with the engine, or with
--wasm in the compiled filter itself.

  tests:
  - name: teapot
    request: {method: GET, scheme: https, host: blue.dev.example.com, path: "/banana/418?v=2", headers: {x-env: blue}}
    response: {status: 418, headers: {}}     # what the upstream answers
    expect: {pattern: teapot, path: "/status/418?v=2", responseHeaders: {site: youdianzhishi.com}}

Defaults are GET, http, example.com, / and 200. expect takes pattern, path, host,
status, location, requestHeaders, absentRequestHeaders, responseHeaders and
absentResponseHeaders. pattern is one that acted, "" for none, or a list of all
that acted, those on the request in order, then those on the response. A header
is compared with all its values: a string, or a list where it is repeated.
A random sample counts as in.`,
		Example: `  wasm-rewrite test rules.yaml
  wasm-rewrite test environments/dev --wasm build/plugin.wasm -o junit > tests.xml`,
		Args: arguments(1, 0, "an INPUT or more"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if err := output.check(); err != nil {
				return err
			}
			filter, err := regexp.Compile(only)
			if err != nil {
				return fmt.Errorf("--run %s: %w", only, err)
			}
			if atLeast < 0 || atLeast > 100 {
				return fmt.Errorf("--min-coverage %v: want a number from 0 to 100", atLeast)
			}
			read, err := inputs.read(c, args)
			if err != nil {
				return err
			}
			t := tester{filter: filter, atLeast: atLeast}
			if wasm != "" {
				if t.module, err = compile(c.Context(), wasm); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, t.module.Close(c.Context())) }()
			}
			r, err := t.run(c.Context(), read)
			if err != nil {
				return err
			}
			switch output.format {
			case "json":
				err = writeJSON(c.OutOrStdout(), r)
			case "junit":
				err = r.junit(c.OutOrStdout())
			default:
				r.text(c.OutOrStdout())
			}
			if err == nil && !r.fine() {
				err = errFindings
			}
			return err
		},
	}
	inputs.add(c)
	output.add(c, "text", "json", "junit")
	c.Flags().StringVar(&wasm, "wasm", "", "the compiled filter to run them in, instead of the engine: build/plugin.wasm")
	c.Flags().StringVar(&only, "run", "", "only the tests whose name this regex fits")
	c.Flags().Float64Var(&atLeast, "min-coverage", 0, "percent of the patterns that must act in some test")
	return c
}

type tester struct {
	filter  *regexp.Regexp
	atLeast float64
	module  *compiled.Module // nil: the engine itself
}

// compile makes ready the module that --wasm names.
func compile(ctx context.Context, file string) (*compiled.Module, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--wasm %s: cannot be read; `make build` makes build/plugin.wasm", file)
	}
	module, err := compiled.Compile(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("--wasm %s: %w", file, err)
	}
	return module, nil
}

// testReport is what test -o json prints.
type testReport struct {
	Passed    int           `json:"passed"`
	Failed    int           `json:"failed"`
	Workloads []workloadRun `json:"workloads"`
	atLeast   float64
}

// workloadRun is what came of the tests of one workload.
type workloadRun struct {
	Input    string         `json:"input"`
	Workload string         `json:"workload,omitempty"`
	Refusals []lint.Finding `json:"refusals,omitempty"` // why there was nothing to test
	Tests    []testRun      `json:"tests"`
	Coverage coverage       `json:"coverage"`
	kind     input.Kind
}

type testRun struct {
	Name     string        `json:"name"`
	Passed   bool          `json:"passed"`
	Acted    []string      `json:"acted"`
	Request  string        `json:"request"`
	Failures []testFailure `json:"failures,omitempty"`
}

type testFailure struct {
	Key  string `json:"key"`
	Got  string `json:"got"`
	Want string `json:"want"`
}

type coverage struct {
	Patterns int      `json:"patterns"` // but for disabled ones
	Acted    int      `json:"acted"`
	Missing  []string `json:"missing,omitempty"` // those that acted in no test
}

func (t *tester) run(ctx context.Context, inputs []*input.Input) (*testReport, error) {
	r := &testReport{atLeast: t.atLeast, Workloads: []workloadRun{}}
	for _, in := range inputs {
		if refused := refusals(in); refused != nil {
			r.Workloads = append(r.Workloads, workloadRun{Input: in.Name, Refusals: refused, Tests: []testRun{}})
			continue
		}
		for _, w := range in.Workloads {
			run, err := t.workload(ctx, in, w)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", where(in.Name, w.Name), err)
			}
			for _, one := range run.Tests {
				if one.Passed {
					r.Passed++
				} else {
					r.Failed++
				}
			}
			r.Workloads = append(r.Workloads, run)
		}
	}
	return r, nil
}

func (t *tester) workload(ctx context.Context, in *input.Input, w input.Workload) (workloadRun, error) {
	run := workloadRun{Input: in.Name, Workload: w.Name, Tests: []testRun{}, kind: in.Kind}
	config, rules, err := load(w.Config)
	if err != nil {
		return run, err
	}
	subject := exchange.Native(rules)
	if t.module != nil {
		text, err := compiled.WithoutRandom(w.Config, config)
		if err != nil {
			return run, err
		}
		subject, err = t.module.Start(ctx, text, config, rules)
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
	}
	tests := slices.DeleteFunc(slices.Clone(w.Tests), func(test example.Test) bool { return !t.filter.MatchString(test.Name) })
	verdicts, err := example.Run(ctx, subject, tests)
	if err := errors.Join(err, subject.Close(ctx)); err != nil {
		return run, err
	}
	acted := map[string]bool{}
	for _, v := range verdicts {
		one := testRun{Name: v.Test.Name, Passed: len(v.Failures) == 0, Acted: append([]string{}, v.Acted...), Request: v.Test.Request.String()}
		for _, f := range v.Failures {
			one.Failures = append(one.Failures, testFailure(f))
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
	return run, nil
}

// refusals are the faults that keep an input from being tried; nil for none.
func refusals(in *input.Input) (faults []lint.Finding) {
	for _, f := range lint.Faults(in) {
		if f.Severity == lint.SeverityError {
			faults = append(faults, f)
		}
	}
	return faults
}

// load makes a configuration ready that has no faults.
func load(text []byte) (*rewrite.Config, *rewrite.Rules, error) {
	rules, err := rewrite.Load(text)
	if err != nil {
		return nil, nil, err
	}
	config, err := rewrite.Parse(text)
	return config, rules, err
}

// covered is the percentage of patterns that acted in some test.
func (r *testReport) covered() float64 {
	acted, patterns := 0, 0
	for _, w := range r.Workloads {
		acted, patterns = acted+w.Coverage.Acted, patterns+w.Coverage.Patterns
	}
	if patterns == 0 {
		return 100
	}
	return 100 * float64(acted) / float64(patterns)
}

func (r *testReport) fine() bool {
	for _, w := range r.Workloads {
		if len(w.Refusals) > 0 {
			return false
		}
	}
	return r.Failed == 0 && r.covered() >= r.atLeast
}

func (r *testReport) text(out io.Writer) {
	for _, w := range r.Workloads {
		name := where(w.Input, w.Workload)
		for _, f := range w.Refusals {
			writeFinding(out, f)
		}
		for _, one := range w.Tests {
			if one.Passed {
				continue
			}
			fmt.Fprintf(out, "FAIL %s: %s\n  %s\n", name, one.Name, one.Request)
			for _, f := range one.Failures {
				fmt.Fprintf(out, "  %s: got %s, want %s\n", f.Key, f.Got, f.Want)
			}
			if len(one.Acted) > 0 {
				fmt.Fprintf(out, "  acted: %s\n", strings.Join(one.Acted, ", "))
			} else {
				fmt.Fprintf(out, "  acted: none; `wasm-rewrite explain` says why\n")
			}
		}
		switch {
		case len(w.Refusals) > 0:
			fmt.Fprintf(out, "%s: refused, nothing was tested\n", name)
		case len(w.Tests) == 0 && (w.kind == input.Manifest || w.kind == input.Cluster):
			fmt.Fprintf(out, "%s: no tests: they stand in the values and are never sent to a cluster\n", name)
		case len(w.Tests) == 0:
			fmt.Fprintf(out, "%s: no tests\n", name)
		default:
			fmt.Fprintf(out, "%s: %s, %d of %s acted", name, number(len(w.Tests), "test"), w.Coverage.Acted, number(w.Coverage.Patterns, "pattern"))
			if len(w.Coverage.Missing) > 0 {
				fmt.Fprintf(out, "; in no test: %s", shortened(w.Coverage.Missing))
			}
			fmt.Fprintln(out)
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", r.Passed, r.Failed)
	if r.covered() < r.atLeast {
		fmt.Fprintf(out, "coverage is %.1f %%, --min-coverage wants %v %%\n", r.covered(), r.atLeast)
	}
}

func shortened(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// The format that CI systems read as JUnit's.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func (r *testReport) junit(out io.Writer) error {
	var all junitSuites
	for _, w := range r.Workloads {
		s := junitSuite{Name: where(w.Input, w.Workload), Tests: len(w.Tests)}
		for _, one := range w.Tests {
			c := junitCase{Class: s.Name, Name: one.Name}
			if !one.Passed {
				s.Failures++
				c.Failure = &junitMessage{Message: one.Failures[0].Key + ": got " + one.Failures[0].Got + ", want " + one.Failures[0].Want, Text: one.Request}
				for _, f := range one.Failures {
					c.Failure.Text += "\n" + f.Key + ": got " + f.Got + ", want " + f.Want
				}
			}
			s.Cases = append(s.Cases, c)
		}
		for _, f := range w.Refusals {
			var text strings.Builder
			writeFinding(&text, f)
			s.Tests++
			s.Errors++
			s.Cases = append(s.Cases, junitCase{Class: s.Name, Name: strings.TrimSpace("rules " + f.Path), Error: &junitMessage{Message: f.Reason, Text: text.String()}})
		}
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(out)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}
