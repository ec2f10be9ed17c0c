package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

func newPromote() *cobra.Command {
	var p promotion
	c := &cobra.Command{
		Use:   "promote FROM TO",
		Short: "Copy rules and release from one environment to the next, once its tests pass",
		Long: `Copy what may be promoted from one environment to the next: rules/<workload>.yaml and
release.yaml, or a part of them. place.yaml stays as it is; there, global.promotedFrom
names the environment before, and no step can be left out.

FROM has to run what is copied: Argo CD's Application is Synced and not Degraded, and its
last sync succeeded, gates and all, with these very files. --unverified does not ask.

The chart and the module that the target then pins are fetched from the registry; the
target's rules are rendered with the one, and their tests run in the other. What changes is
told for each pattern and for each test. Unless all pass, nothing is copied.

Credentials for the registry are those of $DOCKER_CONFIG/config.json.

Exit codes: 0 copied, or there was nothing to copy; 1 refused rules or failed tests; 2 a
wrong command line, a FROM that does not run what is copied, or a chart or module that
cannot be had.`,
		Example: `  wasm-rewrite promote dev staging
  wasm-rewrite promote staging production --workload checkout`,
		Args: arguments(2, 2, "FROM and TO"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if p.workload != "" && p.releaseOnly {
				return errors.New("--workload and --release exclude each other: rules and release are promoted one after the other")
			}
			if p.dir, err = os.MkdirTemp("", "wasm-rewrite-promote-"); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()
			p.out = c.OutOrStdout()
			return p.run(c.Context(), args[0], args[1])
		},
	}
	c.Flags().StringVarP(&p.workload, "workload", "w", "", "only the rules of this workload")
	c.Flags().BoolVar(&p.releaseOnly, "release", false, "only release.yaml")
	c.Flags().StringVar(&p.root, "environments", "environments", "the folder of the environments")
	p.argo.cluster.add(c.Flags(), "the API server")
	c.Flags().StringVar(&p.argo.namespace, "argocd-namespace", "argocd", "namespace of the Applications")
	c.Flags().StringVar(&p.argo.application, "application", "", "Application of FROM (default wasm-rewrite-FROM)")
	c.Flags().BoolVar(&p.argo.unverified, "unverified", false, "do not ask Argo CD whether FROM runs what is copied")
	c.Flags().StringVar(&p.pinned.chart, "chart", "", "folder or .tgz of a chart instead of those that release.yaml pins")
	c.Flags().StringVar(&p.pinned.module, "wasm", "", "the compiled filter instead of those that release.yaml pins: build/plugin.wasm")
	return c
}

type promotion struct {
	root, workload string
	releaseOnly    bool
	argo           argo
	pinned         pinned
	dir            string // for what is fetched and rendered
	out            io.Writer
}

func (p *promotion) run(ctx context.Context, fromName, toName string) error {
	from, err := readEnvironment(p.root, fromName)
	if err != nil {
		return err
	}
	to, err := readEnvironment(p.root, toName)
	if err != nil {
		return err
	}
	switch before := to.place.Global.PromotedFrom; {
	case before == "":
		return fmt.Errorf("%s: nothing is promoted to %s, changes begin there; write global.promotedFrom in %s where that is wrong", toName, toName, to.file("place.yaml"))
	case before != fromName:
		return fmt.Errorf("%s: takes from %s, not from %s: promote to %[2]s first, or correct global.promotedFrom in %[4]s", toName, before, fromName, to.file("place.yaml"))
	}
	next, err := p.copied(from, to)
	if err != nil {
		return err
	}
	if next.samePromoted(to) {
		fmt.Fprintf(p.out, "%s has it all already: there is nothing to promote\n", toName)
		return nil
	}
	if faults := next.faults(); faults != nil {
		return errors.Join(faults...)
	}
	if !p.argo.unverified {
		if err := p.argo.served(ctx, from.name, p.sources(from)); err != nil {
			return err
		}
	}
	passed, err := p.compare(ctx, to, next)
	if err != nil {
		return err
	}
	if !passed {
		fmt.Fprintf(p.out, "nothing was copied to %s\n", to.dir)
		return errFindings
	}
	if err := next.write(p.root); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "copied to %s; look at git diff, commit and push\n", to.dir)
	return nil
}

// compare says what an environment's change does, with the module and the chart that each of the two pins, and runs the
// tests that it has then. All of them passed, or there is something that the author has to mend.
func (p *promotion) compare(ctx context.Context, was, is *environment) (passed bool, err error) {
	after, err := p.fetch(ctx, is)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, after.module.Close(ctx)) }()
	before, err := p.before(ctx, was, is, after)
	if err != nil {
		return false, err
	}
	if before.module != after.module {
		defer func() { err = errors.Join(err, before.module.Close(ctx)) }()
	}
	p.tellRelease(was, is)
	if err := p.tell(ctx, before, after); err != nil {
		return false, err
	}
	t := tester{filter: regexp.MustCompile(""), module: after.module}
	report, err := t.run(ctx, []*input.Input{after.in})
	if err != nil {
		return false, err
	}
	report.text(p.out)
	return report.fine(), nil
}

// copied is the target with what is promoted.
func (p *promotion) copied(from, to *environment) (*environment, error) {
	rules, release := maps.Clone(to.rules), to.release
	switch {
	case p.releaseOnly:
		release = from.release
	case p.workload != "":
		file, ok := from.rules[p.workload]
		if _, there := to.rules[p.workload]; !ok && !there {
			known := slices.Sorted(maps.Keys(from.rules))
			return nil, fmt.Errorf("--workload %s: neither %s nor %s has rules of it; %s has %s", p.workload, from.name, to.name, from.name, join(known))
		}
		if delete(rules, p.workload); ok {
			rules[p.workload] = file
		}
	default:
		rules, release = from.rules, from.release
	}
	return to.with(rules, release)
}

// sources are the files and folders that are copied.
func (p *promotion) sources(from *environment) []string {
	switch {
	case p.releaseOnly:
		return []string{from.file("release.yaml")}
	case p.workload != "":
		return []string{from.file("rules", p.workload+".yaml")}
	}
	return []string{from.file("release.yaml"), from.file("rules")}
}

// side is an environment rendered with its chart, and its module.
type side struct {
	in     *input.Input
	chart  string
	module *compiled.Module
}

func (p *promotion) fetch(ctx context.Context, e *environment) (*side, error) {
	chart, err := p.pinned.fetchChart(ctx, e, p.dir)
	if err != nil {
		return nil, err
	}
	in, err := e.render(chart, p.dir)
	if err != nil {
		return nil, err
	}
	module, err := p.pinned.fetchModule(ctx, e)
	if err != nil {
		return nil, err
	}
	return &side{in, chart, module}, nil
}

// before is the target as it is now. A release that cannot be had any more is
// no reason to keep it: then the new one stands in for it.
func (p *promotion) before(ctx context.Context, to, next *environment, after *side) (*side, error) {
	if !bytes.Equal(to.release, next.release) {
		before, err := p.fetch(ctx, to)
		if err == nil {
			return before, nil
		}
		fmt.Fprintf(p.out, "what %s runs now cannot be had, so its rules are tried with the new release: %v\n", to.name, err)
	}
	in, err := to.render(after.chart, p.dir)
	return &side{in, after.chart, after.module}, err
}

func (p *promotion) tellRelease(to, next *environment) {
	for _, c := range []struct{ what, was, is string }{
		{"chart", to.values.Global.Chart.Version, next.values.Global.Chart.Version},
		{"module", to.values.Image.Digest, next.values.Image.Digest},
	} {
		if c.was != c.is {
			fmt.Fprintf(p.out, "%s: %s %s → %s\n", to.name, c.what, shown(c.was), c.is)
		}
	}
}

// tell says of each workload what changes in its rules, and what that does to
// each of its tests.
func (p *promotion) tell(ctx context.Context, before, after *side) error {
	// What is refused is not compared; the report of the tests says why.
	if refusals(after.in) != nil {
		return nil
	}
	was, is := map[string]*input.Workload{}, map[string]*input.Workload{}
	for i := range before.in.Workloads {
		was[before.in.Workloads[i].Name] = &before.in.Workloads[i]
	}
	if refused := refusals(before.in); refused != nil {
		fmt.Fprintf(p.out, "%s: the rules until now are refused, so the new ones are compared with none\n", before.in.Name)
		was = nil
	}
	for i := range after.in.Workloads {
		is[after.in.Workloads[i].Name] = &after.in.Workloads[i]
	}
	for _, name := range slices.Sorted(maps.Keys(merged(was, is))) {
		if p.workload != "" && name != p.workload {
			continue
		}
		if err := p.tellWorkload(ctx, name, before.module, after.module, was[name], is[name]); err != nil {
			return fmt.Errorf("%s: %w", where(after.in.Name, name), err)
		}
	}
	return nil
}

func merged(a, b map[string]*input.Workload) map[string]*input.Workload {
	all := maps.Clone(b)
	if all == nil {
		all = map[string]*input.Workload{}
	}
	maps.Copy(all, a)
	return all
}

func (p *promotion) tellWorkload(ctx context.Context, name string, beforeModule, afterModule *compiled.Module, was, is *input.Workload) error {
	title := "workload " + name
	switch {
	case was == nil:
		title += ", new"
	case is == nil:
		title += ", gone"
	}
	fmt.Fprintln(p.out, title)
	lines, err := ruleChanges(was, is)
	if err != nil {
		return err
	}
	if lines == nil {
		lines = []string{"the same rules"}
	}
	for _, line := range lines {
		fmt.Fprintf(p.out, "  %s\n", line)
	}
	// The tests of before tell what becomes of what is tested no more.
	var tests []example.Test
	known := map[string]bool{}
	for _, w := range []*input.Workload{is, was} {
		if w == nil {
			continue
		}
		for _, t := range w.Tests {
			if !known[t.Name] {
				tests = append(tests, t)
			}
			known[t.Name] = true
		}
	}
	then, err := seen(ctx, beforeModule, was, tests)
	refused := (*compiled.RefusedError)(nil)
	if errors.As(err, &refused) {
		fmt.Fprintf(p.out, "  no example is compared, for the module refuses the rules until now: %s\n", strings.Join(refused.Reasons, "; "))
		return nil
	}
	if err != nil {
		return err
	}
	now, err := seen(ctx, afterModule, is, tests)
	if errors.As(err, &refused) {
		return nil // the report of the tests says why
	}
	if err != nil {
		return err
	}
	for i, t := range tests {
		changes := differences(then[i], now[i])
		if len(changes) == 0 {
			fmt.Fprintf(p.out, "  example %q: as before\n", t.Name)
			continue
		}
		fmt.Fprintf(p.out, "  example %q, %s\n", t.Name, t.Request)
		for _, c := range changes {
			fmt.Fprintf(p.out, "    - %s: %s\n    + %s: %s\n", c.What, shown(c.Old), c.What, shown(c.New))
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
	config, rules, err := load(text)
	if err != nil {
		return nil, err
	}
	if text, err = compiled.WithoutRandom(text, config); err != nil {
		return nil, err
	}
	subject, err := module.Start(ctx, text, config, rules)
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

// ruleChanges are lines that say which patterns are new, changed and gone, and
// what else is otherwise.
func ruleChanges(was, is *input.Workload) (lines []string, err error) {
	before, order, err := parts(was)
	if err != nil {
		return nil, err
	}
	after, newOrder, err := parts(is)
	if err != nil {
		return nil, err
	}
	add := func(word, what string) { lines = append(lines, fmt.Sprintf("%-8s %s", word, what)) }
	for _, name := range newOrder {
		old, ok := before.patterns[name]
		switch {
		case !ok:
			add("new", name)
		case !reflect.DeepEqual(old, after.patterns[name]):
			add("changed", name+": "+strings.Join(valueChanges("", old, after.patterns[name]), ", "))
		}
	}
	for _, name := range order {
		if _, ok := after.patterns[name]; !ok {
			add("gone", name)
		}
	}
	kept := func(order []string, in map[string]any) []string {
		return slices.DeleteFunc(slices.Clone(order), func(name string) bool { _, ok := in[name]; return !ok })
	}
	if now := kept(newOrder, before.patterns); !slices.Equal(kept(order, after.patterns), now) {
		add("order", strings.Join(now, ", "))
	}
	for _, change := range valueChanges("", before.rest, after.rest) {
		add("changed", change)
	}
	return lines, nil
}

// ruleParts is a configuration, as JSON gives it.
type ruleParts struct {
	patterns map[string]any
	rest     any // without patterns and revision
}

func parts(w *input.Workload) (r ruleParts, order []string, err error) {
	r = ruleParts{patterns: map[string]any{}, rest: map[string]any{}}
	if w == nil || len(w.Config) == 0 {
		return r, nil, nil
	}
	var whole map[string]any
	if err := json.Unmarshal(w.Config, &whole); err != nil {
		return r, nil, fmt.Errorf("its configuration is no JSON object: %w", err)
	}
	list, _ := whole["patterns"].([]any)
	for i, pattern := range list {
		name := fmt.Sprintf("pattern-%d", i)
		if p, ok := pattern.(map[string]any); ok {
			if written, ok := p["name"].(string); ok && written != "" {
				name = written
			}
		}
		r.patterns[name] = pattern
		order = append(order, name)
	}
	delete(whole, "patterns")
	delete(whole, "revision")
	r.rest = whole
	return r, order, nil
}

// valueChanges are the paths below which two values differ, with both where
// they are short.
func valueChanges(path string, was, is any) (changes []string) {
	before, ok := was.(map[string]any)
	after, ok2 := is.(map[string]any)
	if ok && ok2 {
		all := maps.Clone(before)
		maps.Copy(all, after)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			changes = append(changes, valueChanges(strings.TrimPrefix(path+"."+key, "."), before[key], after[key])...)
		}
		return changes
	}
	if reflect.DeepEqual(was, is) {
		return nil
	}
	return []string{fmt.Sprintf("%s %s → %s", path, valueText(was), valueText(is))}
}

func valueText(v any) string {
	if v == nil {
		return "none"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return cut(string(text))
}
