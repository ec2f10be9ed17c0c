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
	UnsafePath   Check = "unsafe-path"
	RawPath      Check = "raw-path"
	Unanchored   Check = "unanchored"
	ByValue      Check = "by-whole-value"
	ByScheme     Check = "by-scheme"
	Grammar      Check = "client-text"
	LateHeader   Check = "written-late"
	OldName      Check = "old-name"
	Star         Check = "literal-star"
	YAMLValue    Check = "yaml-value"
	Dollar       Check = "dollar-text"
	Slow         Check = "slow-regex"
	RouteChosen  Check = "route-chosen-again"
	Dear         Check = "budget"
	Kept         Check = "kept-for-response"
	ConfigLong   Check = "config-long"
	NoRules      Check = "no-rules"
	Everywhere   Check = "everywhere"
	Placed       Check = "place"
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
	Good     string   // the same fixed, which it does not report
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

` + "`" + `wasm-rewrite lint` + "`" + ` reports everything that is wrong with rules, and rules that are valid but probably do not do what
their author means. Each finding has a severity, the place of its key, a reason and the line that fixes it. ` + "`" + `--fail-on` + "`" + `
sets the severity from which the exit code is 1. ` + "`" + `wasm-rewrite lint --explain CHECK` + "`" + ` shows one of the sections below.

| Severity | Means |
|----------|-------|
| error | the rules are refused, or they break requests |
| warning | the rule probably does something other than what was meant |
| info | good to know |

Where a rule looks wrong but is right, say so in the values, for a workload or under one pattern, with the reason:

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
		YAML, SeverityError, "a text that is not YAML, or has a key twice",
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
		Unreachable, SeverityWarning, "a pattern whose requests all go to an earlier one",
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
		FirstSegment, SeverityInfo, "a first path segment made of a header or parameter",
		"Where a header or parameter that the client sends becomes the first segment of the new path, every path of the upstream can be reached through this pattern: its admin pages and metrics too.",
		"patterns:\n- match: {path: {exact: /page}}\n  rewrite: {path: \"/${query.name}\"}",
		"patterns:\n- match: {path: {exact: /page}}\n  rewrite: {path: \"/pages/${query.name}\"}",
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
	{
		UnsafePath, SeverityError, "a rewrite or redirect that ends in 400; a warning where it does for some requests",
		"A path that leaves the filter begins with exactly one slash. The rules were asked with samples of what the match lets through, such as a browser sends, and the request that is shown is answered 400 (or left as it is, with onUnsafe: keep). It is an error where every sample is.",
		"patterns:\n- match: {path: {regex: \"^/common\"}}\n  rewrite: {path: /}",
		"patterns:\n- match: {path: {prefix: /common}}\n  rewrite: {path: /}",
	},
	{
		RawPath, SeverityWarning, "a path refused or let pass by its raw text",
		"The path is matched as the proxy holds it: never decoded, in the case that the client wrote. An upstream that decodes %2f, drops ;a=b, merges slashes or ignores case sees the refused path in another spelling. How much of that the proxy undoes is set by Istio's meshConfig.pathNormalization (Envoy: normalize_path, merge_slashes, path_with_escaped_slashes_action); by default it resolves dot segments and backslashes alone.",
		"patterns:\n- match: {path: {prefix: /admin}}\n  respond: {status: 403}",
		"patterns:\n- match: {path: {regex: admin, ignoreCase: true}}\n  respond: {status: 403}",
	},
	{
		Unanchored, SeverityWarning, "a regex on a host or header that takes more than is meant; info on a header that refuses nothing",
		"A regex of the rule language is found anywhere in its subject, unlike those of Istio's and Envoy's match fields, and a bare dot is any character. A host that ends in another domain, or a value with something before it, is taken too.",
		"patterns:\n- match: {host: {regex: shop.example.com}}\n  rewrite: {path: /shop, replace: whole}",
		"patterns:\n- match: {host: {regex: '^shop\\.example\\.com$'}}\n  rewrite: {path: /shop, replace: whole}",
	},
	{
		ByValue, SeverityWarning, "a refusal by the whole of a value that a client can repeat or join",
		"A header may come several times, or with its values joined by commas; a host may end in a dot. An exact matcher holds the whole value, so the refusal is passed by another spelling that the upstream reads alike. Some upstreams take x_role for x-role, too.",
		"patterns:\n- match: {headers: [{name: x-role, exact: admin}]}\n  respond: {status: 403}",
		"patterns:\n- match: {headers: [{name: x-role, regex: '(?:^|,)\\s*admin\\s*(?:,|$)'}]}\n  respond: {status: 403}",
	},
	{
		ByScheme, SeverityWarning, "a refusal by the scheme",
		"The scheme is what the proxy received. Where Envoy trusts the hop before it (use_remote_address: false), a client says x-forwarded-proto: https over plaintext, and the refusal is passed.",
		"patterns:\n- match: {scheme: http}\n  respond: {status: 403}",
		"patterns:\n- match: {scheme: http}\n  redirect: {scheme: https}",
	},
	{
		Grammar, SeverityWarning, "text of a client in a header that has a grammar",
		"Set-Cookie, Cookie, Location, Content-Security-Policy, Refresh, Forwarded and Link have more than one thing in a value, separated by ; or a comma. Text that the client sends is put in as it is, so it can add an attribute, a cookie, a directive or another place.",
		"patterns:\n- match: {path: {prefix: /l}}\n  headers: {response: {set: {set-cookie: \"lang=${query.lang}; Path=/\"}}}",
		"patterns:\n- match: {path: {prefix: /l}, query: [{name: lang, regex: '^(?P<lang>de|en)$'}]}\n  headers: {response: {set: {set-cookie: \"lang=${lang}; Path=/\"}}}",
	},
	{
		LateHeader, SeverityWarning, "a response header that Envoy writes after the filters",
		"When the response has left all filters, Envoy writes server over what was set or removed, and date where there is none. It does the same in a test of the rules.",
		"headers: {response: {remove: [server]}}",
		"headers: {response: {remove: [x-powered-by]}}",
	},
	{
		OldName, SeverityWarning, "copy or rename onto a name that backends trust",
		"Where the old name is absent, copy and rename do nothing, so that two names can live side by side. A client that leaves the old one out and sends the new one itself is then believed.",
		"headers: {request: {rename: {x-gateway-user: x-verified-user}}}",
		"headers: {request: {set: {x-verified-user: \"${header.x-gateway-user}\"}}}",
	},
	{
		Star, SeverityWarning, "a * that is not a wildcard",
		"exact, prefix and suffix hold text as it is written, and a * in it is a star. A prefix takes all that is under it without one.",
		"patterns:\n- match: {path: {prefix: \"/a*\"}}\n  rewrite: {path: /b}",
		"patterns:\n- match: {path: {prefix: /a}}\n  rewrite: {path: /b}",
	},
	{
		YAMLValue, SeverityWarning, "a var, or a key, that YAML reads as something else",
		"Without quotes YAML reads no as false, 1.10 as 1.1 and 0123 as 83, and that is what ${var.NAME} puts in. Keys are read alike: a header y or on is called true.",
		"vars: {version: 1.10}",
		"vars: {version: \"1.10\"}",
	},
	{
		Dollar, SeverityWarning, "a variable of nginx that is sent as text",
		"$$ is a dollar, so $$remote_addr sends the text $remote_addr. The error for $remote_addr itself says what to write instead.",
		"headers: {request: {set: {x-host: \"$$host\"}}}",
		"headers: {request: {set: {x-host: \"${host}\", x-price: \"5 $$\"}}}",
	},
	{
		Slow, SeverityInfo, "a regex that the index cannot skip, among many others",
		"Patterns are found by a text that all their paths have, so a thousand of them cost a request little. A regex that says nothing of that kind is tried on every request.",
		"patterns:\n- {match: {path: {exact: /p0}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p1}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p2}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p3}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p4}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p5}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p6}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p7}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p8}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p9}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p10}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p11}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p12}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p13}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p14}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p15}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p16}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p17}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p18}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p19}}, rewrite: {path: /x}}\n- {match: {path: {regex: \"[0-9]+$\"}}, rewrite: {path: /x, replace: whole}}",
		"patterns:\n- {match: {path: {exact: /p0}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p1}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p2}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p3}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p4}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p5}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p6}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p7}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p8}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p9}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p10}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p11}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p12}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p13}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p14}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p15}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p16}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p17}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p18}}, rewrite: {path: /x}}\n- {match: {path: {exact: /p19}}, rewrite: {path: /x}}\n- {match: {path: {regex: \"^/shop/[0-9]+$\"}}, rewrite: {path: /x, replace: whole}}",
	},
	{
		Dear, SeverityWarning, "a pattern that takes much of what one request may; info from a quarter of it on",
		"A request may take a fixed number of steps over all patterns; beyond it, it is answered 400, so that no client can hold a worker. Each pattern was asked with paths and header values of 8 KiB that its regexes like least. A pattern that takes a quarter of the steps alone is told, and is a warning where an honest request may already be refused.",
		"patterns:\n- match: {path: {regex: \"a.*z|a\"}}\n  rewrite: {path: b}",
		"patterns:\n- match: {path: {regex: \"^/a[^/]*z\"}}\n  rewrite: {path: /b}",
	},
	{
		Kept, SeverityInfo, "more of a request to remember until its response than one stream can keep; a warning or error where requests are refused for it",
		"Response headers that refer to the request, and patterns on the response, need what the request had. A stream always keeps 256 bytes of that, and 16 KiB at most while there is room. A value that does not fit is lost, and the header that needs it is removed; a request that cannot even be noted is answered 400.",
		"headers: {response: {set: {x0: \"${header.a0}\", x1: \"${header.a1}\", x2: \"${header.a2}\", x3: \"${header.a3}\", x4: \"${header.a4}\", x5: \"${header.a5}\", x6: \"${header.a6}\", x7: \"${header.a7}\", x8: \"${header.a8}\", x9: \"${header.a9}\", x10: \"${header.a10}\", x11: \"${header.a11}\", x12: \"${header.a12}\", x13: \"${header.a13}\", x14: \"${header.a14}\", x15: \"${header.a15}\", x16: \"${header.a16}\", x17: \"${header.a17}\", x18: \"${header.a18}\", x19: \"${header.a19}\"}}}",
		"headers: {response: {set: {x0: \"${header.a0}\"}}}",
	},
	{
		ConfigLong, SeverityWarning, "${config} in a request header that hardly anything carries; an error where the filter itself does not",
		"${config} is the whole configuration. Many servers take 8 KiB of headers and answer 431 or 400 beyond it, and the filter writes at most 64 KiB of it: with a longer one in a request header every request is answered 400.",
		"", "",
	},
	{
		NoRules, SeverityWarning, "rules that change nothing",
		"There is no pattern and no header operation: requests and responses pass as they are. An empty file is valid, and so is a file whose rules were moved away.",
		"vars: {domain: example.com}",
		"vars: {domain: example.com}\nheaders: {request: {set: {x-domain: \"${var.domain}\"}}}",
	},
	{
		Everywhere, SeverityInfo, "rules for every proxy of a namespace",
		"A workload without selector and targetRefs is in every sidecar and gateway of its namespace; in Istio's root namespace it is in all of the mesh. That is right for some rules and a surprise for most.",
		"", "",
	},
	{
		Placed, SeverityError, "files of an environment that do not agree, or say what is not theirs to say",
		"Rules are promoted, places are not: rules for a workload that place.yaml does not name run nowhere that anybody chose. One name is easily misspelt in one of the two files. A file of rules holds its own workload and nothing else, so that no team switches off a gate or names another module; it ends in .yaml, or nothing reads it; and no two environments run in one namespace of one cluster.",
		"", "",
	},
	{
		RouteChosen, SeverityWarning, "a rewrite where the route is chosen by what it writes; info where the routes are not known",
		"At a gateway, a waypoint or a client's sidecar Envoy chooses the route again after a filter has changed a request header, so a request whose prefix was stripped is sent to the route of the new path. With --routes lint puts samples through the routes, before and after: VirtualServices and HTTPRoutes from a file, or a cluster's (--routes cluster:NAMESPACE, and 'cluster:*' for those of all namespaces). Under Envoy Gateway the filters stay those of the route that a request came by: where the new route has a SecurityPolicy that the first one has not, it is passed by, and SecurityPolicies among the routes let lint say so.",
		"", "",
	},
}
