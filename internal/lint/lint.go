// Package lint finds what is wrong or doubtful in configurations of the filter:
// all that the engine refuses, and what it takes although it hardly does what
// its author means.
package lint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
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

// Check is what a finding is about; --ignore takes it.
type Check string

// The checks.
const (
	Invalid      Check = "invalid"       // the engine refuses it
	Refused      Check = "refused"       // the chart refuses it
	InvalidTests Check = "invalid-tests" // tests that cannot be read
	NeverMatches Check = "never-matches"
	Unreachable  Check = "unreachable"
	Switched     Check = "switched-off" // disabled, in shadow, or a sample of nothing
	UnusedGroup  Check = "unused-group"
	RedirectLoop Check = "redirect-loop"
	ChainUndone  Check = "chain-undone"
	FirstSegment Check = "client-chooses-segment"
	ClientHost   Check = "client-chooses-host"
	ConfigShown  Check = "config-shown"
	Phase        Check = "phase"
	Module       Check = "module"
	Unknown      Check = "unknown"
)

// Checks are all checks with what they report, for help.
var Checks = []struct {
	Check    Check
	Severity Severity
	About    string
}{
	{Invalid, SeverityError, "what the filter itself refuses"},
	{Refused, SeverityError, "what the chart refuses"},
	{InvalidTests, SeverityError, "tests that cannot be read"},
	{RedirectLoop, SeverityError, "a redirect whose target is redirected again, without end"},
	{NeverMatches, SeverityWarning, "a condition that no request can meet"},
	{Unreachable, SeverityWarning, "a pattern whose requests an earlier one takes all"},
	{ChainUndone, SeverityWarning, "a chain of patterns that ends where it began"},
	{ClientHost, SeverityWarning, "a host that a client chooses freely; info under a fixed domain"},
	{ConfigShown, SeverityWarning, "${config} in what clients see"},
	{UnusedGroup, SeverityInfo, "a group that nothing refers to"},
	{FirstSegment, SeverityInfo, "a first path segment that a client chooses"},
	{Switched, SeverityInfo, "a pattern that is disabled, or in shadow, or samples nothing"},
	{Phase, SeverityInfo, "which path an AuthorizationPolicy sees"},
	{Module, SeverityInfo, "values that name no module"},
	{Unknown, SeverityInfo, "regexes that were too much to compare"},
}

// Finding is one thing that lint has found.
type Finding struct {
	Input    string   `json:"input"`              // as the user named it
	Workload string   `json:"workload,omitempty"` // as in input.Workload
	Path     string   `json:"path,omitempty"`     // patterns[2].match.path.regex
	Value    string   `json:"value,omitempty"`    // what stands there, quoted
	Reason   string   `json:"reason"`
	Advice   string   `json:"advice,omitempty"` // what to do, where the reason does not say it
	Severity Severity `json:"severity"`
	Check    Check    `json:"check"`
}

// Faults are what keeps one input from being used: what engine and chart
// refuse, and tests that cannot be read.
func Faults(in *input.Input) []Finding { return gather(in, faults) }

// Lint looks through one input, and gives its faults too.
func Lint(in *input.Input) []Finding { return gather(in, workload) }

func gather(in *input.Input, look func(input.Workload) []Finding) (findings []Finding) {
	said := map[[2]string]bool{}
	for _, w := range in.Workloads {
		for _, f := range look(w) {
			f.Input, f.Workload = in.Name, w.Name
			if f.Check == Invalid || f.Check == InvalidTests {
				said[[2]string{w.Name, f.Path}] = true
			}
			findings = append(findings, f)
		}
	}
	var refused []Finding
	for _, r := range in.Refusals {
		if said[[2]string{r.Workload, r.Path}] {
			continue
		}
		f := Finding{Input: in.Name, Workload: r.Workload, Path: r.Path, Reason: r.Reason, Severity: SeverityError, Check: Refused}
		if strings.HasPrefix(r.Reason, `"`) {
			if value, err := strconv.QuotedPrefix(r.Reason); err == nil && strings.HasPrefix(r.Reason[len(value):], ": ") {
				f.Value, f.Reason = value, r.Reason[len(value)+2:]
			}
		}
		refused = append(refused, f)
	}
	if in.Unpinned && len(in.Workloads) > 0 {
		refused = append(refused, Finding{
			Input: in.Name, Path: "image.digest", Severity: SeverityInfo, Check: Module,
			Reason: "neither these values nor this chart name the filter's module",
			Advice: "a released chart carries its own digest; with this one write image.digest, or url",
		})
	}
	return append(refused, findings...)
}

// linter looks through one configuration.
type linter struct {
	workload input.Workload
	config   *rewrite.Config
	rules    *rewrite.Rules
	patterns []pattern
	work     budget
	findings []Finding
}

// faults are what keeps a workload from being used.
func faults(w input.Workload) (findings []Finding) {
	if _, err := rewrite.Load(w.Config); err != nil {
		findings = refusals(err)
	}
	for _, e := range w.TestFault {
		findings = append(findings, Finding{Path: e.Path, Value: e.Value, Reason: e.Reason, Severity: SeverityError, Check: InvalidTests})
	}
	return findings
}

func workload(w input.Workload) []Finding {
	l := &linter{workload: w, findings: faults(w), work: budget{left: allOfIt}}
	var err error
	if l.rules, err = rewrite.Load(w.Config); err != nil {
		return l.findings
	}
	if l.config, err = rewrite.Parse(w.Config); err != nil {
		return l.findings
	}
	l.prepare()
	for i := range l.patterns {
		l.pattern(i)
	}
	l.top()
	l.phase()
	if l.work.cut {
		l.find(Unknown, SeverityInfo, "patterns", "", "these regexes are too much to compare all of them with each other: patterns that can never match or be reached may have been missed",
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
		findings = append(findings, Finding{Path: e.Path, Value: e.Value, Reason: e.Reason, Severity: SeverityError, Check: Invalid})
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
		l.find(Switched, SeverityInfo, p.at+".mode", p.Mode, "the pattern counts, and changes nothing", "enforce it once its counter and the pattern header show what you want")
	}
	if !l.reachable(i) {
		return
	}
	l.groups(p)
	l.clientChoice(p)
	l.configShown(p.at+".", p.Headers.Response)
	if p.Respond != nil {
		for _, name := range sortedKeys(p.Respond.Headers) {
			for _, value := range p.Respond.Headers[name] {
				l.shown(p.at+".respond.headers."+name, value)
			}
		}
	}
	l.loops(i)
}

// top looks at what stands outside the patterns.
func (l *linter) top() {
	l.configShown("", l.config.Headers.Response)
}

func (l *linter) configShown(at string, e rewrite.HeaderEdits) {
	at += "headers.response."
	for _, lists := range []struct {
		name string
		of   map[string]rewrite.Strings
	}{{"set", e.Set}, {"add", e.Add}} {
		for _, name := range sortedKeys(lists.of) {
			for _, value := range lists.of[name] {
				l.shown(at+lists.name+"."+name, value)
			}
		}
	}
	for _, texts := range []struct {
		name string
		of   map[string]string
	}{{"overwrite", e.Overwrite}, {"default", e.Default}} {
		for _, name := range sortedKeys(texts.of) {
			l.shown(at+texts.name+"."+name, texts.of[name])
		}
	}
	for i, r := range e.Replace {
		l.shown(fmt.Sprintf("%sreplace[%d].replacement", at, i), r.Replacement)
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
	case "STATS", "UNSPECIFIED_PHASE":
		l.find(Phase, SeverityInfo, "phase", l.workload.Phase,
			"the filter runs after authorization: an AuthorizationPolicy sees the received path and host",
			"write AuthorizationPolicies on the received paths, or choose AUTHN or AUTHZ")
	}
}
