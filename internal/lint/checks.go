package lint

import (
	"fmt"
	"strings"
)

// Check is what a finding is about; --ignore takes it.
type Check string

// The checks.
const (
	YAML         Check = "yaml"
	Invalid      Check = "invalid"
	Refused      Check = "refused"
	InvalidTests Check = "invalid-tests"
	NeverMatches Check = "never-matches"
	Unreachable  Check = "unreachable"
	Switched     Check = "switched-off"
	UnusedGroup  Check = "unused-group"
	RedirectLoop Check = "redirect-loop"
	ChainUndone  Check = "chain-undone"
	FirstSegment Check = "client-chooses-segment"
	ClientHost   Check = "client-chooses-host"
	ConfigShown  Check = "config-shown"
	Phase        Check = "phase"
	Module       Check = "module"
	Unknown      Check = "unknown"
	Ignore       Check = "ignore"
)

// Faulty are the checks of what keeps rules from being used at all.
var Faulty = []Check{YAML, Invalid, Refused, InvalidTests}

// About is what there is to know of a check. Help, docs/lint.md and SARIF are
// made of it, and its two examples are the check's own tests.
type About struct {
	Check    Check
	Severity Severity // of most of its findings
	Short    string   // one line
	Why      string   // a paragraph
	Bad      string   // rules that it reports, or nothing where rules alone cannot show it
	Good     string   // the same mended, which it does not report
}

// Help is the check's page.
func (a About) Help() string {
	var b strings.Builder
	b.WriteString(a.Why + "\n")
	for _, example := range []struct{ title, text string }{{"Reported", a.Bad}, {"Not reported", a.Good}} {
		if example.text == "" {
			continue
		}
		b.WriteString("\n" + example.title + ":\n\n")
		for _, line := range strings.Split(strings.Trim(example.text, "\n"), "\n") {
			b.WriteString("    " + line + "\n")
		}
	}
	return b.String()
}

// Page is docs/lint.md: all checks, for reading.
func Page() string {
	var b strings.Builder
	b.WriteString(`# What lint checks

<!-- Made by ` + "`" + `make generate` + "`" + ` of internal/lint/checks.go. -->

` + "`" + `wasm-rewrite lint` + "`" + ` reports all that is wrong with rules, and what the filter takes although it hardly does what its
author means. Each finding has a severity, the place of its key, a reason and the line that mends it. ` + "`" + `--fail-on` + "`" + ` says from
which severity on the exit code is 1; ` + "`" + `wasm-rewrite lint --explain CHECK` + "`" + ` shows one of these paragraphs.

| Severity | Means |
|----------|-------|
| error | it is refused, or it breaks requests |
| warning | most likely it is not what is meant |
| info | good to know |

What is right although it looks wrong is said in the values, for a workload or under one pattern, with its reason:

` + "`" + `` + "`" + `` + "`" + `yaml
patterns:
- name: legacy
  match: {path: {regex: "^/(old|older)/x$"}}
  rewrite: {path: /x}
  lint: {ignore: {unused-group: "the next release refers to it"}}
` + "`" + `` + "`" + `` + "`" + `

No proxy gets these lines.
`)
	for _, a := range Checks {
		fmt.Fprintf(&b, "\n## %s\n\n*%s:* %s.\n\n%s", a.Check, a.Severity, a.Short, a.Help())
	}
	return b.String()
}

// Find gives what there is to know of a check.
func (c Check) Find() (About, bool) {
	for _, a := range Checks {
		if a.Check == c {
			return a, true
		}
	}
	return About{}, false
}

// Checks are all checks, worst first.
var Checks = []About{
	{
		YAML, SeverityError, "a text that is no YAML, or has a key twice",
		"Nothing can be read from a text that is not YAML, and of a key that is there twice Helm silently takes the last one.",
		"patterns:\n- {match: {path: {exact: /a}}, rewrite: {path: /b}, rewrite: {path: /c}}",
		"patterns:\n- {match: {path: {exact: /a}}, rewrite: {path: /b}}",
	},
	{
		Invalid, SeverityError, "what the filter itself refuses",
		"The filter refuses such a configuration whole. A running proxy keeps the last good one; a proxy that starts with it answers 500 to everything.",
		"patterns:\n- match: {path: {regex: \"^/a(\"}}\n  rewrite: {path: /b}",
		"patterns:\n- match: {path: {regex: \"^/a\"}}\n  rewrite: {path: /b}",
	},
	{
		Refused, SeverityError, "what the chart refuses",
		"The chart's schema or its templates refuse these values: helm and Argo CD stop with the same words, and nothing is applied.",
		"", "",
	},
	{
		InvalidTests, SeverityError, "tests that cannot be read",
		"A test that cannot be read is not run, so it proves nothing.",
		"patterns:\n- {match: {path: {exact: /a}}, rewrite: {path: /b}}\ntests:\n- name: a\n  request: {path: a}\n  expect: {path: /b}",
		"patterns:\n- {match: {path: {exact: /a}}, rewrite: {path: /b}}\ntests:\n- name: a\n  request: {path: /a}\n  expect: {path: /b}",
	},
	{
		RedirectLoop, SeverityError, "a redirect whose target is redirected again, without end",
		"A browser follows some ten redirects and then shows an error. Requests that the pattern matches were put through the rules, and each redirect's target again; the way is shown. It is a warning where the loop needs another host to come through this filter too, or where the client changes the method on its way (303).",
		"patterns:\n- match: {path: {prefix: /old}}\n  redirect: {path: /old/new}",
		"patterns:\n- match: {path: {exact: /old}}\n  redirect: {path: /old/new}",
	},
	{
		NeverMatches, SeverityWarning, "a condition that no request can meet",
		"The path is matched without its query and begins with a slash; the host is matched in lower case and without its port; Istio's proxies resolve dot segments before the filter sees a path. A condition against one of these never holds, so the pattern never acts.",
		"patterns:\n- match: {path: {regex: \"^api/(.*)\"}}\n  rewrite: {path: /v2/$1}",
		"patterns:\n- match: {path: {regex: \"^/api/(.*)\"}}\n  rewrite: {path: /v2/$1}",
	},
	{
		Unreachable, SeverityWarning, "a pattern whose requests an earlier one takes all",
		"Patterns are tried in order, and the first that matches ends the search unless it says then: next. An earlier pattern matches every request that this one would, so this one never acts.",
		"patterns:\n- match: {path: {prefix: /shop}}\n  rewrite: {path: /store}\n- match: {path: {exact: /shop/sale}}\n  rewrite: {path: /sale}",
		"patterns:\n- match: {path: {exact: /shop/sale}}\n  rewrite: {path: /sale}\n- match: {path: {prefix: /shop}}\n  rewrite: {path: /store}",
	},
	{
		ChainUndone, SeverityWarning, "a chain of patterns that ends where it began",
		"A pattern with then: next rewrites a request, and a later one rewrites it back. The request was put through the rules and came out as it went in.",
		"patterns:\n- match: {path: {prefix: /a}}\n  rewrite: {path: /b}\n  then: next\n- match: {path: {prefix: /b}}\n  rewrite: {path: /a}",
		"patterns:\n- match: {path: {prefix: /a}}\n  rewrite: {path: /b}\n- match: {path: {prefix: /b}}\n  rewrite: {path: /a}",
	},
	{
		ClientHost, SeverityWarning, "a host that a client chooses freely; info under a fixed domain",
		"A host made of what the client sends leads wherever the client wants: a rewrite to any service that the proxy has a route for, a redirect to any site (an open redirect, which phishing lives on). Under a fixed domain it is worth a look only.",
		"patterns:\n- match: {path: {exact: /leave}}\n  redirect: {host: \"${query.to}\"}",
		"patterns:\n- match: {path: {exact: /leave}, query: [{name: to, regex: \"^(?P<to>shop|blog)$\"}]}\n  redirect: {host: \"${to}.example.com\"}",
	},
	{
		ConfigShown, SeverityWarning, "${config} in what clients see",
		"${config} is the whole configuration: all rules and all vars, with every internal name in them. In a response every client reads it.",
		"headers: {response: {set: {x-config: \"${config}\"}}}",
		"headers: {request: {set: {x-config: \"${config}\"}}}",
	},
	{
		UnusedGroup, SeverityInfo, "a group that nothing refers to",
		"A group that nothing refers to is either a reference that was forgotten or parentheses that only group. (?:…) says the latter, and makes the regex cheaper.",
		"patterns:\n- match: {path: {regex: \"^/(a|b)/x$\"}}\n  rewrite: {path: /x}",
		"patterns:\n- match: {path: {regex: \"^/(?:a|b)/x$\"}}\n  rewrite: {path: /x}",
	},
	{
		FirstSegment, SeverityInfo, "a first path segment that a client chooses",
		"Where the client chooses the first segment of the new path, every path of the upstream can be reached through this pattern: its admin pages and metrics too.",
		"patterns:\n- match: {path: {regex: \"^/public/(.*)$\"}}\n  rewrite: {path: /$1}",
		"patterns:\n- match: {path: {regex: \"^/public/(.*)$\"}}\n  rewrite: {path: /assets/$1}",
	},
	{
		Switched, SeverityInfo, "a pattern that is disabled, or in shadow, or samples nothing",
		"Such a pattern changes nothing. That is right while it is tried out, and easily forgotten.",
		"patterns:\n- match: {path: {exact: /a}}\n  rewrite: {path: /b}\n  mode: shadow",
		"patterns:\n- match: {path: {exact: /a}}\n  rewrite: {path: /b}",
	},
	{
		Phase, SeverityInfo, "which path an AuthorizationPolicy sees",
		"The filter runs before or after Istio's authorization, by its phase, and an AuthorizationPolicy sees the path and host as they are then. A policy that was written for the other one allows too much or denies too much.",
		"", "",
	},
	{
		Module, SeverityInfo, "values that name no module",
		"A released chart carries the digest of its own module. The chart at hand does not, so these values can be checked but not installed with it.",
		"", "",
	},
	{
		Unknown, SeverityInfo, "regexes that were too much to compare",
		"Comparing all regexes with each other has a bound. Beyond it, patterns that can never match or be reached may have been missed; nothing wrong is reported.",
		"", "",
	},
	{
		Ignore, SeverityWarning, "a check that is left out without a reason, or without need",
		"lint: {ignore: {CHECK: reason}} leaves a check out for a workload, or under a pattern for that one. It has to say why, name a check that there is, and still be needed: what is found no more would hide what comes next.",
		"lint: {ignore: {unused-group: \"\"}}\npatterns:\n- match: {path: {regex: \"^/(a|b)/x$\"}}\n  rewrite: {path: /x}",
		"patterns:\n- match: {path: {regex: \"^/(a|b)/x$\"}}\n  rewrite: {path: /x}\n  lint: {ignore: {unused-group: \"the next release refers to it\"}}",
	},
}
