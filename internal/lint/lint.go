// Package lint finds what is wrong or doubtful in configurations of the filter:
// everything that the engine refuses, and what is valid but probably does not do
// what its author means.
package lint

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/route"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Severity says how bad a finding is.
type Severity string

// The severities, worst first.
const (
	SeverityError   Severity = "error"   // refused, or breaks requests
	SeverityWarning Severity = "warning" // most likely not what is meant
	SeverityInfo    Severity = "info"    // good to know
)

// Finding is one thing that lint has found.
type Finding struct {
	Input    string   `json:"input"`              // as the user named it
	File     string   `json:"file,omitempty"`     // where the key is written; nothing where that is not known
	Line     int      `json:"line,omitempty"`     // from 1
	Column   int      `json:"column,omitempty"`   // from 1
	Workload string   `json:"workload,omitempty"` // as in input.Workload
	Pattern  string   `json:"pattern,omitempty"`  // the name of the pattern that Path leads into, where it has one
	Path     string   `json:"path,omitempty"`     // patterns[2].match.path.regex
	Value    string   `json:"value,omitempty"`    // the value found, quoted
	Reason   string   `json:"reason"`
	Advice   string   `json:"advice,omitempty"` // what to do, where the reason does not say it
	Shown    string   `json:"-"`                // the line itself, where that helps
	Severity Severity `json:"severity"`
	Check    Check    `json:"check"`
}

// Place is where the finding is: its input where no more is known.
func (f Finding) Place() string {
	if f.Line == 0 && f.File == "" {
		return f.Input
	}
	return source.Place{File: f.File, Line: f.Line, Column: f.Column}.String()
}

// place puts a finding where its path is written.
func (f *Finding) place(places *source.Map) {
	found, _ := places.Find(f.Path)
	if place := found.Place(); !place.IsZero() {
		f.File, f.Line, f.Column = place.File, place.Line, place.Column
	}
}

// Named is the path with the pattern's name: patterns[2] (teapot).match.
func (f Finding) Named() string {
	head, rest, ok := strings.Cut(f.Path, "]")
	if f.Pattern == "" || !ok {
		return f.Path
	}
	return head + "] (" + f.Pattern + ")" + rest
}

// Faults are what keeps one input from being used: what engine and chart
// refuse, and tests that cannot be read.
func Faults(in *input.Input) []Finding { return gather(in, faults) }

// Lint looks through one input, and gives its faults too.
func Lint(in *input.Input) []Finding { return Routed(in, nil) }

// Routed does so with the routes that gateways choose from.
func Routed(in *input.Input, routes *route.Table) []Finding {
	return gather(in, func(w input.Workload) []Finding { return leaveOut(w.Ignored, workload(w, routes)) })
}

// Unreadable gives what is not YAML as findings. It tells apart what else is
// wrong with inputs: rest, or nil.
func Unreadable(err error) (findings []Finding, rest error) {
	var errs source.Errors
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		var others []error
		for _, one := range list.Unwrap() {
			some, other := Unreadable(one)
			findings, others = append(findings, some...), append(others, other)
		}
		return findings, errors.Join(others...)
	}
	if !errors.As(err, &errs) {
		return nil, err
	}

	for _, e := range errs {
		findings = append(findings, Finding{Input: e.File, File: e.File, Line: e.Line, Column: e.Column, Reason: e.Reason, Shown: e.Shown(),
			Severity: SeverityError, Check: YAML})
	}

	return findings, nil
}

func gather(in *input.Input, look func(input.Workload) []Finding) (findings []Finding) {
	said := map[string][]string{} // the places of what the engine refuses, by workload
	for _, w := range in.Workloads {
		names := patternNames(w.Config)
		for _, f := range look(w) {
			f.Input, f.Workload = in.Name, w.Name
			f.Pattern = names[patternOf(f.Path)]
			f.place(w.Places)
			if f.Check == Invalid || f.Check == InvalidTests {
				said[w.Name] = append(said[w.Name], f.Path)
			}

			findings = append(findings, f)
		}
	}

	refused := misread(in)
	for _, r := range in.Refusals {
		if !slices.ContainsFunc(said[r.Workload], func(path string) bool { return within(path, r.Path) || within(r.Path, path) }) {
			refused = append(refused, refusal(in, r))
		}
	}
	if in.Unpinned && len(in.Workloads) > 0 {
		f := Finding{
			Input: in.Name, Path: "image.digest", Severity: SeverityInfo, Check: Module,
			Reason: "neither these values nor this chart name the filter's module",
			Advice: "a released chart carries its own digest; with this one write image.digest, or url",
		}
		f.place(in.Places)
		refused = append(refused, f)
	}

	for _, path := range in.Unpublished {
		reason, advice, _ := strings.Cut(input.UnpublishedReason, "; ")
		f := Finding{Input: in.Name, Path: path, Severity: SeverityInfo, Check: Module, Reason: reason, Advice: advice}
		f.place(in.Places)
		refused = append(refused, f)
	}

	for _, g := range in.Gaps {
		refused = append(refused, gap(in, g))
	}

	return append(refused, findings...)
}

// gap gives a workload that an environment's files do not agree on as a finding.
func gap(in *input.Input, g input.Gap) Finding {
	f := Finding{
		Input: in.Name, Workload: g.Workload, Check: Placed, File: g.Place.File, Line: g.Place.Line, Column: g.Place.Column,
		Severity: SeverityError, Reason: "place.yaml has this workload, and no file has rules for it",
		Advice: "write rules/" + g.Workload + ".yaml, or remove the entry",
	}
	if g.Reason != "" {
		f.Path, f.Reason, f.Advice = g.Key, g.Reason, g.Advice
		return f
	}
	if g.Rules {
		f.Reason = "there are rules for this workload, and place.yaml does not say where they run"
		f.Advice = "write workloads: {" + g.Workload + ": {selector: {app: " + g.Workload + "}}} in place.yaml"
	}
	if g.File != "" {
		f.Reason = "Argo CD reads the rules of this workload from rules/" + g.Workload + ".yaml, and these are in rules/" + g.File
		f.Advice = "rename the file, or the workload in it"
	}
	if len(g.Others) > 0 {
		f.Advice += "; or one name is misspelt: the other side has " + strings.Join(g.Others, ", ")
	}

	return f
}

// leaveOut drops the findings that the values say are right, and reports what
// they say without need, or without a reason.
func leaveOut(ignored []input.Ignored, findings []Finding) (left []Finding) {
	needed := make([]bool, len(ignored))
	for _, f := range findings {
		out := false
		for i, ig := range ignored {
			if ig.Check == string(f.Check) && (ig.Pattern < 0 || ig.Pattern == patternOf(f.Path)) && !slices.Contains(Faulty, f.Check) {
				needed[i] = true
				out = out || ig.Reason != ""
			}
		}
		if !out {
			left = append(left, f)
		}
	}

	unusable := slices.ContainsFunc(findings, func(f Finding) bool { return slices.Contains(Faulty, f.Check) })
	for i, ig := range ignored {
		_, known := Check(ig.Check).Find()

		f := Finding{Path: ig.Path, Severity: SeverityWarning, Check: Ignore}
		switch {
		case !known:
			f.Reason = "there is no such check, so nothing is left out"
			f.Advice = "`wasm-rewrite lint --help` lists them"
		case slices.Contains(Faulty, Check(ig.Check)):
			f.Reason, f.Advice = "what keeps the rules from being used cannot be left out", "fix it, and remove this"
		case ig.Reason == "":
			f.Reason, f.Advice = "without a reason nothing is left out", "write why it is right here, for whoever reads it next"
		case !needed[i] && !unusable: // else only the faults were looked for
			f.Severity, f.Reason, f.Advice = SeverityInfo, "nothing is found any more that this would leave out", "remove it"
		default:
			continue
		}

		left = append(left, f)
	}

	return left
}

// refusal gives what the chart refuses as a finding.
func refusal(in *input.Input, r input.Refusal) Finding {
	f := Finding{Input: in.Name, Workload: r.Workload, Path: r.Path, Reason: r.Reason, Severity: SeverityError, Check: Refused}
	if strings.HasPrefix(r.Reason, `"`) {
		if value, err := strconv.QuotedPrefix(r.Reason); err == nil && strings.HasPrefix(r.Reason[len(value):], ": ") {
			f.Value, f.Reason = value, r.Reason[len(value)+2:]
		}
	}

	f.Advice = advice(f.Path, f.Value, f.Reason)

	// What is not in the workload's own values may be in the defaults.
	places := in.Places
	if r.Workload != "" {
		places = places.At("defaults").Over(places.At("workloads", r.Workload))
	}
	f.place(places)

	return f
}

// patternOf is the index of the pattern that a path leads into, or -1.
func patternOf(path string) int {
	rest, ok := strings.CutPrefix(path, "patterns[")
	if !ok {
		return -1
	}

	digits, _, _ := strings.Cut(rest, "]")
	if i, err := strconv.Atoi(digits); err == nil {
		return i
	}
	return -1
}

// patternNames are the names that are written, by the index of the pattern,
// also in a configuration that the engine refuses.
func patternNames(text []byte) map[int]string {
	var config struct{ Patterns []json.RawMessage }
	names := map[int]string{}
	if json.Unmarshal(text, &config) != nil {
		return names
	}

	for i, p := range config.Patterns {
		var pattern struct{ Name string }
		if json.Unmarshal(p, &pattern) == nil && pattern.Name != "" {
			names[i] = pattern.Name
		}
	}

	return names
}

// within reports whether a place is another one, or in it.
func within(path, of string) bool {
	rest, ok := strings.CutPrefix(path, of)
	return ok && of != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// linter looks through one configuration.
type linter struct {
	workload input.Workload
	routes   *route.Table
	config   *rewrite.Config
	rules    *rewrite.Rules
	patterns []pattern
	work     budget
	findings []Finding
	tried    int     // steps that trials have taken
	dearest  []trial // the worst one of each pattern
}

// faults are what keeps a workload from being used.
func faults(w input.Workload) []Finding {
	_, err := rewrite.Load(w.Config)
	return refused(w, err)
}

// refused gives what the engine refuses, and what is wrong with the tests.
func refused(w input.Workload, err error) (findings []Finding) {
	if err != nil {
		findings = refusals(err)
	}

	for _, e := range w.TestFault {
		findings = append(findings, Finding{Path: e.Path, Value: e.Value, Reason: e.Reason, Severity: SeverityError, Check: InvalidTests})
	}
	return findings
}

func workload(w input.Workload, routes *route.Table) []Finding {
	config, rules, err := rewrite.Read(w.Config)
	findings := refused(w, err)
	if err != nil {
		return append(findings, partly(w, findings)...)
	}

	l := &linter{workload: w, routes: routes, config: config, rules: rules, findings: findings, work: budget{left: allOfIt}}
	l.prepare()

	for i := range l.patterns {
		l.pattern(i)
	}
	l.top()
	l.scope()
	l.together()
	l.kept()
	l.phase()
	if l.work.cut {
		l.find(Unknown, SeverityInfo, "patterns", "", "these regexes are too much to compare all of them with each other and to try them on long "+
			"requests: patterns that can never match or be reached, or cost much, may have been missed",
			"use prefix or exact where they do, and smaller repeat counts")
	}

	return l.findings
}

// refusals gives the engine's errors as findings.
func refusals(err error) (findings []Finding) {
	var list rewrite.Errors
	if !errors.As(err, &list) {
		return []Finding{{Reason: err.Error(), Severity: SeverityError, Check: Invalid}}
	}

	for _, e := range list {
		findings = append(findings, Finding{Path: e.Path, Value: e.Value, Reason: e.Reason, Advice: advice(e.Path, e.Value, e.Reason),
			Severity: SeverityError, Check: Invalid})
	}
	return findings
}

func (l *linter) find(check Check, severity Severity, path, value, reason, advice string) {
	if value != "" {
		if r := []rune(value); len(r) > 80 {
			value = string(r[:80]) + "…"
		}

		value = strconv.Quote(value)
	}

	l.findings = append(l.findings, Finding{Path: path, Value: value, Reason: reason, Advice: advice, Severity: severity, Check: check})
}

// pattern looks at one pattern and at its place among the others.
func (l *linter) pattern(i int) {
	p := &l.patterns[i]
	if p.Mode == "disabled" {
		l.find(Switched, SeverityInfo, p.at+".mode", p.Mode, "the pattern is passed over", "remove it, or enforce it")
		return
	}

	switch {
	case p.Sample != nil && p.Sample.Percent == 0:
		l.find(Switched, SeverityWarning, p.at+".sample.percent", "", "0 percent: the pattern never acts", "write mode: disabled, or a share")
	case p.Mode == "shadow":
		l.find(Switched, SeverityInfo, p.at+".mode", p.Mode, "the pattern counts, and changes nothing",
			"enforce it once its counter and the pattern header show what you want")
	}
	if !l.reachable(i) {
		return
	}
	l.groups(p)
	l.clientChoice(p)
	p.VisitTexts(func(site rewrite.Site) {
		if strings.HasPrefix(site.Path, "headers.response.") || strings.HasPrefix(site.Path, "respond.") {
			l.shown(p.at+"."+site.Path, site.Text)
		}
		if strings.HasPrefix(site.Path, "headers.request.") {
			l.carried(p.at+"."+site.Path, site.Text)
		}
	})
	l.loops(i)
	l.unsafePaths(p)
	l.looksRight(p)
	l.skipped(p)
	l.costs(p)
	l.chosenAgain(p)
}

// top looks at what stands outside the patterns.
func (l *linter) top() {
	outside := rewrite.Config{Headers: l.config.Headers}
	outside.VisitTexts(func(site rewrite.Site) {
		if strings.HasPrefix(site.Path, "headers.response.") {
			l.shown(site.Path, site.Text)
		}
		if strings.HasPrefix(site.Path, "headers.request.") {
			l.carried(site.Path, site.Text)
		}
	})
	l.grammar("", nil, func(visit func(rewrite.Site)) {
		l.config.VisitTexts(func(site rewrite.Site) {
			if strings.HasPrefix(site.Path, "headers.") {
				visit(site)
			}
		})
	})
	l.edits("headers.", l.config.Headers)
	l.dollars()
	l.traps()
}

// scope looks at whether there is anything to do, and for whom.
func (l *linter) scope() {
	if len(l.patterns) == 0 && isZero(l.config.Headers.Request) && isZero(l.config.Headers.Response) && l.config.PatternHeader == "" &&
		l.config.OriginalPathHeader == "" {
		l.find(NoRules, SeverityWarning, "", "", "there are no rules: no pattern and no header operation, so nothing is changed",
			"write patterns or headers, or remove it")
		return
	}
	if l.workload.Namespace != "" {
		l.find(Everywhere, SeverityInfo, "", "", "it names no selector and no targetRefs, so it is in every proxy of namespace "+l.workload.Namespace,
			"write selector: {app: NAME}, the labels of the Pods that are meant")
	}
}

func (l *linter) shown(path, value string) {
	for _, ref := range references(value) {
		if ref.name == "config" {
			l.find(ConfigShown, SeverityWarning, path, value,
				"every client reads the whole configuration: all rules and all vars",
				"remove it, or set it on the request, where only the upstream sees it")
			return
		}
	}
}

// phase says which path an AuthorizationPolicy sees.
func (l *linter) phase() {
	moves := false
	for i := range l.patterns {
		p := &l.patterns[i]
		moves = moves || p.Mode == "" && p.Rewrite != nil || p.Mode == "enforce" && p.Rewrite != nil
	}
	if !moves {
		return
	}

	switch l.workload.Phase {
	case "AUTHN", "AUTHZ":
		l.find(Phase, SeverityInfo, "phase", l.workload.Phase,
			"the filter runs before authorization: an AuthorizationPolicy sees the rewritten path and host",
			"write AuthorizationPolicies on the new paths, or choose STATS or UNSPECIFIED_PHASE")
	}
}
