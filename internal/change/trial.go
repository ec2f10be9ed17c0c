//go:build !js

package change

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/environment"
	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/suite"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Trial tries a change of an environment, and says in words what it does.
type Trial struct {
	Instead environment.Instead
	Only    string // a workload that alone is told of; "" means all
	Dir     string // for what is fetched and rendered
	Out     io.Writer
}

// Run says what an environment's change does, with the module and the chart that each of the two pins, and runs the tests
// that it has then. It reports whether all passed; if not, there is something that the author has to fix.
func (t *Trial) Run(ctx context.Context, was, is *environment.Environment) (passed bool, err error) {
	after, err := t.fetch(ctx, is, t.Out)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, after.close(ctx)) }()

	before, err := t.before(ctx, was, is, after)
	if err != nil {
		return false, err
	}
	if before.module != after.module {
		defer func() { err = errors.Join(err, before.close(ctx)) }()
	}

	t.tellPins(was, is)
	if err := t.tell(ctx, before, after); err != nil {
		return false, err
	}

	report, err := (&suite.Suite{Module: after.module}).Run(ctx, after.in)
	if err != nil {
		return false, err
	}
	report.Text(t.Out)

	return report.Fine(), nil
}

// side is an environment rendered with its chart, and its module.
type side struct {
	in     *input.Input
	chart  string
	module *compiled.Module // nil: the engine of this tool
}

func (s *side) close(ctx context.Context) error {
	if s.module == nil {
		return nil
	}
	return s.module.Close(ctx)
}

// fetch gets what an environment pins and renders it. Of one that is refused the module is not needed. Who reads along
// learns where there is none to be had here.
func (t *Trial) fetch(ctx context.Context, e *environment.Environment, out io.Writer) (*side, error) {
	// Zeros are in no registry; with a module of one's own nothing is fetched.
	if err := e.Unpublished(); err != nil && t.Instead.Module == "" {
		return nil, err
	}

	chart, err := t.Instead.FetchChart(ctx, e, t.Dir)
	if err != nil {
		return nil, err
	}

	in, err := e.Render(chart, t.Dir)
	if err != nil {
		return nil, err
	}
	if lint.Refusals(in) != nil && t.Instead.Module == "" {
		return &side{in, chart, nil}, nil
	}

	module, err := t.Instead.FetchModule(ctx, e, in.Objects, out)
	if err != nil {
		return nil, err
	}

	return &side{in, chart, module}, nil
}

// before is the environment as it was. A release that can no longer be fetched is not a reason to keep it: then the new one
// stands in for it.
func (t *Trial) before(ctx context.Context, was, is *environment.Environment, after *side) (*side, error) {
	if !bytes.Equal(was.Release, is.Release) {
		before, err := t.fetch(ctx, was, io.Discard)
		if err == nil {
			return before, nil
		}
		fmt.Fprintf(t.Out, "what %s runs now cannot be fetched, so its rules are tried with the new release: %v\n", was.Name, err)
	}

	in, err := was.Render(after.chart, t.Dir)
	return &side{in, after.chart, after.module}, err
}

// tellPins says what becomes of chart and module.
func (t *Trial) tellPins(was, is *environment.Environment) {
	before, after := was.Pins.Module(), is.Pins.Module()
	if sameRepository(was.Pins, is.Pins) {
		before, after = was.Pins.Image.Digest, is.Pins.Image.Digest
	}

	for _, c := range []struct{ what, was, is string }{
		{"chart", was.Pins.Global.Chart.Version, is.Pins.Global.Chart.Version},
		{"module", before, after},
		{"gates", was.Pins.Verify.Image.Digest, is.Pins.Verify.Image.Digest},
	} {
		if c.was != c.is {
			fmt.Fprintf(t.Out, "%s: %s %s → %s\n", was.Name, c.what, terminal.Value(c.was), terminal.Value(c.is))
		}
	}
}

// sameRepository reports whether two modules differ in their digest at most: both are images of one repository, or one of them
// is named by the chart alone.
func sameRepository(a, b environment.Pins) bool {
	if a.URL != "" || b.URL != "" || a.Image.Digest == "" || b.Image.Digest == "" {
		return false
	}

	named := a.Image.Repository != "" && b.Image.Repository != ""
	return !named || a.Image.Registry == b.Image.Registry && a.Image.Repository == b.Image.Repository
}

// tell says of each workload what changes in its rules, and what that does to each of its tests.
func (t *Trial) tell(ctx context.Context, before, after *side) error {
	// What is refused is not compared; the report of the tests says why.
	if lint.Refusals(after.in) != nil {
		return nil
	}

	was, is := workloads(before.in), workloads(after.in)
	if lint.Refusals(before.in) != nil {
		fmt.Fprintf(t.Out, "%s: the rules until now are refused, so the new ones are compared with none\n", before.in.Name)

		was = map[string]*input.Workload{}
	}

	all := maps.Clone(was)
	maps.Copy(all, is)

	for _, name := range slices.Sorted(maps.Keys(all)) {
		if t.Only != "" && name != t.Only {
			continue
		}

		w := workloadTrial{Trial: t, was: was[name], is: is[name], before: before.module, after: after.module}
		if err := w.tell(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", terminal.Where(after.in.Name, name), err)
		}
	}

	return nil
}

func workloads(in *input.Input) map[string]*input.Workload {
	all := map[string]*input.Workload{}
	for i := range in.Workloads {
		all[in.Workloads[i].Name] = &in.Workloads[i]
	}
	return all
}

// workloadTrial tries the change of one workload, which is nil where it is new or gone.
type workloadTrial struct {
	*Trial
	was, is       *input.Workload
	before, after *compiled.Module
}

func (t *workloadTrial) tell(ctx context.Context, name string) error {
	title := "workload " + terminal.Line(name)
	switch {
	case t.was == nil:
		title += ", new"
	case t.is == nil:
		title += ", gone"
	}
	fmt.Fprintln(t.Out, title)

	lines, err := Rules(t.was, t.is)
	if err != nil {
		return err
	}
	if lines == nil {
		lines = []string{"the same rules"}
	}

	for _, line := range lines {
		fmt.Fprintf(t.Out, "  %s\n", line)
	}

	return t.examples(ctx)
}

// tests are those of both sides: those of the old side say what becomes of what is no longer tested.
func (t *workloadTrial) tests() (tests []example.Test) {
	known := map[string]bool{}
	for _, w := range []*input.Workload{t.is, t.was} {
		if w == nil {
			continue
		}

		for _, one := range w.Tests {
			if !known[one.Name] {
				tests = append(tests, one)
			}

			known[one.Name] = true
		}
	}

	return tests
}

// examples says of each test what becomes of its request.
func (t *workloadTrial) examples(ctx context.Context) error {
	tests := t.tests()
	then, err := seen(ctx, t.before, t.was, tests)
	refused := (*compiled.RefusedError)(nil)
	if errors.As(err, &refused) {
		fmt.Fprintf(t.Out, "  no test is compared, for the module refuses the rules until now: %s\n", terminal.Line(strings.Join(refused.Reasons, "; ")))
		return nil
	}
	if err != nil {
		return err
	}

	now, err := seen(ctx, t.after, t.is, tests)
	if errors.As(err, &refused) {
		return nil // the report of the tests says why
	}
	if err != nil {
		return err
	}

	for i, one := range tests {
		changes := Differences(then[i], now[i])
		if len(changes) == 0 {
			fmt.Fprintf(t.Out, "  test %q: as before\n", one.Name)
			continue
		}
		fmt.Fprintf(t.Out, "  test %q, %s\n", one.Name, terminal.Line(one.Request.String()))

		for _, c := range changes {
			c.Write(t.Out, "    ")
		}
	}

	return nil
}

// seen puts tests through a workload's rules in a module; none changes nothing.
func seen(ctx context.Context, module *compiled.Module, w *input.Workload, tests []example.Test) ([]exchange.Seen, error) {
	var text []byte
	if w != nil {
		text = w.Config
	}

	config, rules, err := rewrite.Read(text)
	if err != nil {
		return nil, err
	}

	subject, err := suite.Start(ctx, module, text, config, rules)
	if err != nil {
		return nil, err
	}

	verdicts, err := example.Run(ctx, subject, tests)

	var all []exchange.Seen
	for _, v := range verdicts {
		all = append(all, v.Seen)
	}

	return all, errors.Join(err, subject.Close(ctx))
}

// Places are lines that say what place.yaml says differently.
func Places(was, is *environment.Environment) ([]string, error) {
	before, err := was.PlaceValues()
	if err != nil {
		return nil, err
	}

	after, err := is.PlaceValues()
	if err != nil {
		return nil, err
	}
	return Values("", before, after), nil
}
