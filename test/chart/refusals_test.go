package chart_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
)

// Values that the requirements template refuses, with every line it writes.
var chartRefusals = []struct {
	name, values string
	want         []string
}{
	// Where the module comes from.
	{"no image", "workloads: {a: {}}",
		[]string{"image.digest: is missing: name the image by its digest (a released chart carries its own), or write url"}},
	{"a tag without permission", "image: {tag: latest}\nworkloads: {a: {}}",
		[]string{`image.tag: "latest": a tag can move to another module under a running proxy; write image.digest, or image.allowMutableTag: true`}},
	{"a tag beside a digest", "image: {tag: latest, allowMutableTag: true, digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}",
		[]string{`image.tag: "latest": is set together with image.digest; set one of them to ""`}},
	{"image parts that are none", "image: {registry: 'https://x', repository: 'Org/x:1', digest: 'sha256:1', pullSecret: A_b}",
		[]string{
			`image.registry: "https://x": want a host with an optional port`,
			`image.repository: "Org/x:1": want a repository in lower case, without registry, tag or digest`,
			`image.digest: "sha256:1": want sha256: and 64 hexadecimal digits in lower case`,
			`image.pullSecret: "A_b": cannot be the name of a Secret`,
		}},
	{"a tag that is none", "image: {tag: 'a b', allowMutableTag: true}", []string{`image.tag: "a b": cannot be the tag of an image`}},
	{"url over the network without a checksum", "url: https://example.com/plugin.wasm",
		[]string{"sha256: is missing: url is fetched over the network, so say what must arrive (sha256sum plugin.wasm)"}},
	{"an image as url", "url: oci://example.com/plugin",
		[]string{`url: "oci://example.com/plugin": want https://, http:// or file://; an OCI image belongs under image`}},
	{"a checksum that is none, without url", "sha256: sha256:1",
		[]string{
			`sha256: "sha256:1": want the 64 hexadecimal digits of the module's SHA-256, in lower case`,
			`sha256: "sha256:1": belongs to url; an image is pinned by image.digest`,
		}},
	{"EnvoyFilter and a fetched module", "delivery: EnvoyFilter\nurl: file:///x\nmodule: {configMap: A_, key: a/b, mountPath: wasm}",
		[]string{
			`url: "file:///x": delivery EnvoyFilter reads the module from a ConfigMap mounted at module.mountPath; remove it`,
			`module.configMap: "A_": cannot be the name of a ConfigMap`,
			`module.key: "a/b": cannot be a key of a ConfigMap: want A-Z, a-z, 0-9, -, _ and .`,
			`module.mountPath: "wasm": want an absolute path in the proxy's container, of A-Z, a-z, 0-9, -, _, . and /`,
		}},

	{"objects for metrics in a place and with labels that are none", chart.Module + "metrics: {dashboard: {namespace: \"x\\n---\", labels: {a: \"b\\u0080\"}}, prometheusRule: {labels: {'a b': c}}}\n",
		[]string{
			`metrics.prometheusRule.labels: "a b": cannot be the key of a label or annotation: want [prefix/]name`,
			`metrics.dashboard.labels.a: "b\u0080": cannot be the value of a label: at most 63 of A-Z, a-z, 0-9, -, _ and ., letters or digits at both ends`,
			`metrics.dashboard.namespace: "x\n---": cannot be the name of a namespace`,
		}},
	{"a name that a terminal would obey", chart.Module + "workloads: {\"a\\e[31m\\n\": {selector: {app: a}}}",
		[]string{`workload a\x1b[31m\n: name: "a\x1b[31m\n": is not a Kubernetes name: at most 63 of a-z, 0-9 and -, letters or digits at both ends`}},

	// Where the objects stand.
	{"names that are not Kubernetes names", chart.Module + "commonLabels: {'-a': b, c: 'd e'}\ncommonAnnotations: {'a/b/c': x}\nworkloads: {A_1: {namespace: My Shop, selector: {app: 'x y'}, labels: {'': x}, annotations: {'b c': x}}}",
		[]string{
			`commonLabels: "-a": cannot be the key of a label or annotation: want [prefix/]name`,
			`commonLabels.c: "d e": cannot be the value of a label: at most 63 of A-Z, a-z, 0-9, -, _ and ., letters or digits at both ends`,
			`commonAnnotations: "a/b/c": cannot be the key of a label or annotation: want [prefix/]name`,
			`workload A_1: name: "A_1": is not a Kubernetes name: at most 63 of a-z, 0-9 and -, letters or digits at both ends`,
			`workload A_1: namespace: "My Shop": is not a Kubernetes name: at most 63 of a-z, 0-9 and -, letters or digits at both ends`,
			`workload A_1: selector.app: "x y": cannot be the value of a label: at most 63 of A-Z, a-z, 0-9, -, _ and ., letters or digits at both ends`,
			`workload A_1: labels: "": cannot be the key of a label or annotation: want [prefix/]name`,
			`workload A_1: annotations: "b c": cannot be the key of a label or annotation: want [prefix/]name`,
		}},
	{"selector beside targetRefs", chart.Module + "workloads: {a: {selector: {app: x}, targetRefs: [{kind: Gateway, name: g}]}}",
		[]string{"workload a: targetRefs: is set together with selector; Istio takes one of them: selector for sidecars and gateways, targetRefs for waypoints and Gateway API gateways"}},
	{"every proxy of the mesh without saying so", chart.Module + "workloads: {a: {namespace: istio-system}}",
		[]string{"workload a: selector: is missing: in istio-system, the root namespace, that means every proxy of the mesh; name labels, or write meshWide: true"}},
	{"every proxy of a mesh with another root", chart.Module + "rootNamespace: mesh\nworkloads: {a: {namespace: mesh}, b: {namespace: istio-system}}",
		[]string{"workload a: selector: is missing: in mesh, the root namespace, that means every proxy of the mesh; name labels, or write meshWide: true"}},
	{"targetRefs that Istio does not take", chart.Module + "workloads: {a: {targetRefs: [{kind: Gateway, group: networking.istio.io, name: g}, {kind: GatewayClass, name: C_}]}}",
		[]string{
			`workload a: targetRefs[0].group: "networking.istio.io": the group of a Gateway is "gateway.networking.k8s.io"; it may be left out`,
			`workload a: targetRefs[1].name: "C_": is not a Kubernetes name`,
			`workload a: targetRefs[1].kind: "GatewayClass": Istio takes a GatewayClass only in istio-system, the root namespace`,
		}},
	{"traffic that a Service does not have", chart.Module + "workloads: {a: {targetRefs: [{kind: Service, name: s}], traffic: [{mode: CLIENT}, {mode: SERVER, ports: [80]}]}, b: {targetRefs: [{kind: ServiceEntry, name: s}], traffic: [{ports: [80]}]}}",
		[]string{
			`workload a: traffic[0].mode: "CLIENT": a waypoint has only server traffic for a Service; write SERVER or leave traffic out`,
			`workload a: traffic[1].ports: [80]: Istio takes no ports with targetRefs to a Service; remove them`,
			`workload b: traffic[0].ports: [80]: Istio takes no ports with targetRefs to a ServiceEntry; remove them`,
		}},
	{"a port twice", chart.Module + "workloads: {a: {traffic: [{ports: [80, 80]}]}}", []string{"workload a: traffic[0].ports: [80,80]: names a port twice"}},
	{"EnvoyFilter and the places of the other deliveries", "delivery: EnvoyFilter\nworkloads: {a: {targetRefs: [{kind: Gateway, name: g}], phase: AUTHN, priority: 5, traffic: [{mode: SERVER}]}}",
		[]string{
			"workload a: targetRefs: delivery EnvoyFilter has no such key (its place is envoyFilter.context and envoyFilter.position); write selector",
			`workload a: phase: "AUTHN": delivery EnvoyFilter has no such key (its place is envoyFilter.context and envoyFilter.position); remove it`,
			`workload a: priority: 5: delivery EnvoyFilter has no such key (its place is envoyFilter.context and envoyFilter.position); remove it`,
			"workload a: traffic: delivery EnvoyFilter has no such key (its place is envoyFilter.context and envoyFilter.position); remove it",
		}},

	// Envoy Gateway.
	{"EnvoyExtensionPolicy and what Envoy Gateway has no counterpart for", chart.Module + gateway + `
workloads:
  a: {selector: {app: x}, phase: AUTHN, priority: 5, traffic: [{mode: SERVER}], meshWide: true, failStrategy: FAIL_RELOAD}
  b: {}
  c: {targetRefs: [{kind: Service, name: s}, {kind: HTTPRoute, name: Bad, group: x}]}
  d: {targetRefs: [{kind: HTTPRoute, name: shop}, {kind: Gateway, name: public, sectionName: web}]}
  e: {targetRefs: [{kind: Gateway, name: public}, {kind: HTTPRoute, name: shop}]}
`, []string{
		`url: "file:///var/local/wasm/plugin.wasm": Envoy Gateway fetches the module itself and hands it to the proxies; write image, or https:// with sha256`,
		`workload a: selector: {"app":"x"}: Envoy Gateway chooses proxies by Gateway API objects; write targetRefs, such as {kind: HTTPRoute, name: shop}`,
		`workload a: phase: "AUTHN": Envoy Gateway has a fixed order: the filter runs after authentication by JWT, API key and external services; remove it`,
		`workload a: priority: 5: Envoy Gateway runs one policy a target, whose order is that of the list; remove it`,
		`workload a: traffic: a policy takes all traffic of its target; name a section of a Gateway by sectionName instead`,
		`workload a: meshWide: true: there is no mesh with this delivery; remove it`,
		`workload a: failStrategy: "FAIL_RELOAD": Envoy Gateway has no reload; write FAIL_CLOSE or FAIL_OPEN, or leave it out for FAIL_CLOSE`,
		`workload b: targetRefs: is missing: name a Gateway, ListenerSet, HTTPRoute or GRPCRoute of the same namespace, such as {kind: HTTPRoute, name: shop}`,
		`workload c: targetRefs[0].kind: "Service": Envoy Gateway takes Gateway, ListenerSet, HTTPRoute and GRPCRoute: it has no proxies of services`,
		`workload c: targetRefs[1].group: "x": the group of a HTTPRoute is "gateway.networking.k8s.io"; it may be left out`,
		`workload c: targetRefs[1].name: "Bad": is not a Kubernetes name`,
		`workload e: targetRefs[1]: workload d has this target too, and Envoy Gateway takes one policy a target: the second would be Conflicted; put the patterns into one workload`,
	}},
	{"Envoy Gateway's targets under Istio", chart.Module + "workloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}, {kind: Gateway, name: g, sectionName: web}]}}",
		[]string{
			`workload a: targetRefs[0].kind: "HTTPRoute": Istio takes Gateway, GatewayClass, Service and ServiceEntry; routes and listener sets are for delivery EnvoyExtensionPolicy`,
			`workload a: targetRefs[1].sectionName: "web": Istio takes whole objects; sections are for delivery EnvoyExtensionPolicy`,
		}},
	{"the gates of Envoy Gateway", "delivery: EnvoyExtensionPolicy\nimage: {digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}\nverify: {after: {enabled: true}}\nworkloads: {a: {targetRefs: [{kind: HTTPRoute, name: shop}]}}",
		[]string{
			`verify.image.digest: is missing: name the command line's image by its digest (make publish prints it, a released chart carries its own), or disable verify.before and verify.after`,
		}},

	// The gates.
	{"gates without the command line's image", chart.Module + "verify: {before: {enabled: true}}\nworkloads: {a: {}}",
		[]string{"verify.image.digest: is missing: name the command line's image by its digest (make publish prints it, a released chart carries its own), or disable verify.before and verify.after"}},
	{"images that were never published", "image: {digest: 'sha256:" + strings.Repeat("0", 64) + "'}\nverify: {image: {digest: 'sha256:" + strings.Repeat("0", 64) + "'}}",
		[]string{
			"image.digest: is all zeros: this image was never published; write the digest that make publish prints",
			"verify.image.digest: is all zeros: this image was never published; write the digest that make publish prints",
		}},
	{"image parts of the gates that are none", "verify: {image: {registry: 'https://x', repository: 'Org/x:1', digest: 'sha256:1', pullSecret: A_b}, after: {host: 'https://x', address: gateway}}",
		[]string{
			`verify.image.registry: "https://x": want a host with an optional port`,
			`verify.image.repository: "Org/x:1": want a repository in lower case, without registry, tag or digest`,
			`verify.image.pullSecret: "A_b": cannot be the name of a Secret`,
			`verify.image.digest: "sha256:1": want sha256: and 64 hexadecimal digits in lower case`,
			`verify.after.host: "https://x": want a host with an optional port`,
			`verify.after.address: "gateway": want host:port, as istio-ingressgateway.istio-ingress:80`,
		}},
	{"more rules than a ConfigMap holds", chart.Module + "verify: {image: {digest: 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}, after: {enabled: true}}\nworkloads: {a: {vars: {x: " + strings.Repeat("x", 500000) + "}}, b: {vars: {x: " + strings.Repeat("x", 500000) + "}}}",
		[]string{"verify: the rules and tests have 1000469 bytes, and the ConfigMap that the gates read holds 1000000; split the release, or disable verify.before and verify.after"}},

	// The rules.
	{"a pattern's name twice", chart.Module + "workloads: {a: {patterns: [{respond: {status: 200}}, {name: pattern-2, respond: {status: 200}}, {respond: {status: 200}}]}}",
		[]string{`workload a, pattern pattern-2: patterns[2].name: "pattern-2": is the name of patterns[1] too`}},
	{"regexes that do not compile, everywhere", chart.Module + `
workloads:
  a:
    patterns:
    - name: one
      match:
        path: {regex: "^/a("}
        host: {regex: "[a"}
        headers: [{name: x, regex: "a)"}]
        query: [{name: x, regex: "(?=a)"}]
      headers: {response: {replace: [{name: x, regex: '(a)\1', replacement: ""}]}}
    - match: {path: {regex: "*a"}}
      rewrite: {query: {replace: [{name: x, regex: "a**", replacement: ""}]}}
    - match: {path: {regex: 'a\j'}}
      respond: {status: 200}
    - match: {response: {headers: [{name: x, regex: 'a\'}]}}
      headers: {response: {remove: [x]}}
    headers:
      request: {replace: [{name: x, regex: "a|(b|(c", replacement: ""}]}
`, []string{
		`workload a, pattern one: patterns[0].match.path.regex: "^/a(": missing closing )`,
		`workload a, pattern one: patterns[0].match.host.regex: "[a": missing closing ]`,
		`workload a, pattern one: patterns[0].match.headers[0].regex: "a)": unexpected )`,
		`workload a, pattern one: patterns[0].match.query[0].regex: "(?=a)": RE2 has no lookahead and no lookbehind`,
		`workload a, pattern one: patterns[0].headers.response.replace[0].regex: "(a)\\1": RE2 has no backreferences`,
		`workload a, pattern pattern-1: patterns[1].match.path.regex: "*a": missing argument to repetition operator`,
		`workload a, pattern pattern-1: patterns[1].rewrite.query.replace[0].regex: "a**": invalid nested repetition operator`,
		"workload a, pattern pattern-2: patterns[2].match.path.regex: \"a\\\\j\": is not an RE2 regular expression; `wasm-rewrite lint` says where",
		`workload a, pattern pattern-3: patterns[3].match.response.headers[0].regex: "a\\": trailing backslash`,
		`workload a: headers.request.replace[0].regex: "a|(b|(c": missing closing )`,
	}},
	{"a regex that is too long", chart.Module + "workloads: {a: {patterns: [{match: {path: {regex: " + strings.Repeat("a", 1025) + "}}, respond: {status: 200}}]}}",
		[]string{`workload a, pattern pattern-0: patterns[0].match.path.regex: "` + strings.Repeat("a", 80) + `": has 1025 bytes, the limit is 1024`}},
	{"too many bytes", chart.Module + "workloads: {a: {vars: {x: " + strings.Repeat("x", 524288) + "}}}",
		[]string{
			"workload a: the rules: have 524327 bytes with their revision, the limit is 524288; split them over several workloads",
		}},
	{"groups that do not exist", chart.Module + `
workloads:
  a:
    patterns:
    - match: {path: {regex: '^/(a)\Q('}, host: {regex: "^(?P<tenant>x)"}}
      rewrite: {path: "/$1/$2/${3}", host: "${tennant}", query: {set: {a: '\4'}, add: {b: [$1, $2]}}}
      headers:
        request: {replace: [{name: x, regex: "(b)(c)(?P<own>d)", replacement: "$3$4${own}${007}"}]}
        response: {overwrite: {x: "${1000}"}, default: {x: $1}}
    - match: {path: {prefix: /a}}
      redirect: {path: /$1, host: "$0"}
    - respond: {status: 200, headers: {x: $1}}
    headers: {request: {set: {x: $1, z: "${host|title}"}}}
`, []string{
		`workload a, pattern pattern-0: patterns[0].rewrite.host: "${tennant}": ${tennant} is neither a reference nor a named group of this pattern (wasm-rewrite lint says what there is)`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1/$2/${3}": patterns[0].match.path.regex has no group 2`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1/$2/${3}": patterns[0].match.path.regex has no group 3`,
		`workload a, pattern pattern-0: patterns[0].headers.request.replace[0].replacement: "$3$4${own}${007}": patterns[0].headers.request.replace[0].regex has no group 4`,
		`workload a, pattern pattern-0: patterns[0].headers.request.replace[0].replacement: "$3$4${own}${007}": patterns[0].headers.request.replace[0].regex has no group 7`,
		`workload a, pattern pattern-0: patterns[0].headers.response.overwrite.x: "${1000}": patterns[0].match.path.regex has no group 1000`,
		`workload a, pattern pattern-0: patterns[0].rewrite.query.set.a: "\\4": patterns[0].match.path.regex has no group 4`,
		`workload a, pattern pattern-0: patterns[0].rewrite.query.add.b[1]: "$2": patterns[0].match.path.regex has no group 2`,
		`workload a, pattern pattern-1: patterns[1].redirect.host: "$0": group 0 needs match.path.regex`,
		`workload a, pattern pattern-1: patterns[1].redirect.path: "/$1": group 1 needs match.path.regex`,
		`workload a, pattern pattern-2: patterns[2].respond.headers.x: "$1": group 1 needs match.path.regex`,
		`workload a: headers.request.set.x: "$1": group 1 needs match.path.regex`,
		`workload a: headers.request.set.z: "${host|title}": there is no modifier |title; want |lower, |upper or |path`,
	}},
	{"references that are none", chart.Module + `
workloads:
  a:
    vars: {list: [1], map: {}, text: a, number: 1}
    patterns:
    - match: {path: {regex: '^/(${var.text})${var.gone}'}, host: {exact: "${var.away}"}, headers:
        [{name: x, contains: "${var.list}"}, {name: z, exact: "${var.text"}]}
      rewrite: {path: '/$1x/$/\/${var.map}/${var.nope}/${var.no:-yes}/${response.status}'}
      headers: {response: {set: {x: "${response.status} ${response.header.server} ${header.a} ${query.b:-c} ${method} $$ \\\\"}}}
`, []string{
		`workload a, pattern pattern-0: patterns[0].match.path.regex: "^/(${var.text})${var.gone}": there is no vars.gone`,
		`workload a, pattern pattern-0: patterns[0].match.host.exact: "${var.away}": there is no vars.away`,
		`workload a, pattern pattern-0: patterns[0].match.headers[0].contains: "${var.list}": vars.list is a list or a map; only a string, a number or a boolean can be referred to`,
		`workload a, pattern pattern-0: patterns[0].match.headers[1].exact: "${var.text": ${ without its }`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1x/$/\\/${var.map}/${var.nope}/${var.no:-yes}/${response.status}": $1x is ambiguous; write ${1}x`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1x/$/\\/${var.map}/${var.nope}/${var.no:-yes}/${response.status}": a $ that begins no reference; write $$ for a dollar (wasm-rewrite lint says what to write for a variable)`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1x/$/\\/${var.map}/${var.nope}/${var.no:-yes}/${response.status}": a \ that begins no reference; write \\ for a backslash`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1x/$/\\/${var.map}/${var.nope}/${var.no:-yes}/${response.status}": vars.map is a list or a map; only a string, a number or a boolean can be referred to`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1x/$/\\/${var.map}/${var.nope}/${var.no:-yes}/${response.status}": there is no vars.nope`,
		`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$1x/$/\\/${var.map}/${var.nope}/${var.no:-yes}/${response.status}": ${response.status} is known on the response only, in headers.response, and in redirect and respond with match.response`,
	}},
	{"numbers and vars beside a suffix", chart.Module + "workloads: {a: {patterns: [{match: {path: {suffix: '.${var.gone}'}}, rewrite: {path: $1}}]}}",
		[]string{
			`workload a, pattern pattern-0: patterns[0].match.path.suffix: ".${var.gone}": there is no vars.gone`,
			`workload a, pattern pattern-0: patterns[0].rewrite.path: "$1": group 1 needs match.path.regex`,
		}},
	{"a regex of unless", chart.Module + "workloads: {a: {patterns: [{match: {path: {regex: '^/(a)'}}, unless: [{path: {prefix: /x}}, {path: {regex: '^/a('}}], rewrite: {path: /$1}}]}}",
		[]string{`workload a, pattern pattern-0: patterns[0].unless[1].path.regex: "^/a(": missing closing )`}},
	{"a var is quoted inside a regex", chart.Module + "workloads: {a: {vars: {open: '(a'}, patterns: [{match: {path: {regex: '^/${var.open}(b)'}}, rewrite: {path: /$2}}]}}",
		[]string{`workload a, pattern pattern-0: patterns[0].rewrite.path: "/$2": patterns[0].match.path.regex has no group 2`}},
	{"several workloads at once, defaults too", chart.Module + "defaults: {headers: {request: {set: {x: $}}}}\nworkloads: {a: {}, b: {patterns: [{match: {path: {regex: '('}}, respond: {status: 200}}]}}",
		[]string{
			`workload a: headers.request.set.x: "$": a $ that begins no reference; write $$ for a dollar (wasm-rewrite lint says what to write for a variable)`,
			`workload b, pattern pattern-0: patterns[0].match.path.regex: "(": missing closing )`,
			`workload b: headers.request.set.x: "$": a $ that begins no reference; write $$ for a dollar (wasm-rewrite lint says what to write for a variable)`,
		}},
}

// gateway is the delivery for Envoy Gateway, its gate switched off.
const gateway = "delivery: EnvoyExtensionPolicy\nverify: {before: {enabled: false}}\n"

func TestChartRefusesEverythingAtOnce(t *testing.T) {
	for _, test := range chartRefusals {
		t.Run(test.name, func(t *testing.T) {
			manifest, err := chart.Render(t, test.values)
			if err == nil {
				t.Fatalf("rendered\n%s", manifest)
			}

			_, list, found := strings.Cut(err.Error(), "these values would break proxies, so nothing was rendered:\n")
			if !found {
				t.Fatal(err)
			}

			list, _, _ = strings.Cut(list, "\n\n")

			var got []string
			for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
				got = append(got, strings.TrimPrefix(line, "- "))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// Every reason that is in the templates is in a refusal above.
func TestChartRefusalsCoverEveryReason(t *testing.T) {
	var asserted strings.Builder
	for _, test := range chartRefusals {
		asserted.WriteString(strings.Join(test.want, "\n") + "\n")
	}

	sentence := regexp.MustCompile("\"((?:[^\"\\\\]|\\\\.)*)\"|`([^`]*)`")
	comment := regexp.MustCompile(`(?s){{-? ?/\*.*?\*/ ?-?}}`)
	verb := regexp.MustCompile(`%[sdq]`)
	reasons := 0
	files, err := filepath.Glob(filepath.Join(chart.Dir, "templates", "_*.tpl"))
	if err != nil {
		t.Fatal(err)
	}

	for _, file := range files {
		template := comment.ReplaceAllString(chart.ReadFile(t, file), "")
		if !strings.Contains(template, `include "wasm-rewrite.refuse"`) && !strings.Contains(template, `define "wasm-rewrite.regexReason"`) {
			continue // it refuses nothing
		}

		// An action that goes on in the next line is one.
		template = regexp.MustCompile(`\n +(["(])`).ReplaceAllString(template, " $1")
		for _, line := range strings.Split(template, "\n") {
			line = strings.TrimSpace(line)

			var texts []string
			switch {
			case strings.Contains(line, `"wasm-rewrite.refuse"`) || strings.Contains(line, "$reason =") || strings.Contains(line, "$why :="):
				for _, found := range sentence.FindAllStringSubmatch(line, -1) {
					texts = append(texts, strings.ReplaceAll(found[1], `\"`, `"`)+found[2])
				}
			case strings.HasPrefix(line, "{") || strings.HasPrefix(line, "^") || strings.HasPrefix(line, "["):
			default:
				texts = append(texts, regexp.MustCompile(`{{[^}]*}}`).ReplaceAllString(line, "%s"))
			}

			for _, text := range texts {
				for _, part := range verb.Split(text, -1) {
					if !strings.Contains(strings.TrimSpace(part), " ") {
						continue
					}
					reasons++
					if !strings.Contains(asserted.String(), part) {
						t.Errorf("%s: no test asserts %q", file, part)
					}
				}
			}
		}
	}
	if reasons < 30 {
		t.Errorf("found %d reasons in the templates: this test reads them wrongly", reasons)
	}
}

// What the schema refuses, before any template runs.
func TestChartSchemaRefuses(t *testing.T) {
	tests := []struct{ name, values, want string }{
		{"an unknown key", "digest: x", "at '': additional properties 'digest' not allowed"},
		{"an unknown key of a workload", "workloads: {a: {patern: []}}", "at '/workloads/a': additional properties 'patern' not allowed"},
		{"an unknown key of a pattern", "workloads: {a: {patterns: [{match: {pth: {}}}]}}", "at '/workloads/a/patterns/0/match': additional properties 'pth' not allowed"},
		{"the revision, which is the chart's", "workloads: {a: {revision: '12345678'}}", "at '/workloads/a': additional properties 'revision' not allowed"},
		{"patterns for everybody", "defaults: {patterns: []}", "at '/defaults': additional properties 'patterns' not allowed"},
		{"a place for everybody", "defaults: {selector: {app: x}}", "at '/defaults': additional properties 'selector' not allowed"},
		{"a number for a string", "workloads: {a: {headers: {response: {set: {x: 5}}}}}", "at '/workloads/a/headers/response/set/x': got number, want"},
		{"a word that is none", "workloads: {a: {patterns: [{then: end}]}}", "at '/workloads/a/patterns/0/then': value must be one of 'stop', 'next', <nil>"},
		{"a port out of range", "workloads: {a: {patterns: [{redirect: {port: 70000}}]}}", "at '/workloads/a/patterns/0/redirect/port': maximum: got 70,000, want 65,535"},
		{"workloads misspelt", "workload: {a: {}}", "at '/workload': value must be '(the key is workloads: a map of names to workloads)'"},
		{"rules without a workload", "patterns: [{respond: {status: 200}}]", "at '/patterns': value must be '(a key of a workload: write workloads.<name>.patterns)'"},
		{"the selector of Istio's objects", "workloads: {a: {selector: {matchLabels: {app: x}}}}", "at '/workloads/a/selector/matchLabels': value must be '(selector holds the labels themselves, without matchLabels: selector: {app: httpbin})'"},
		{"a path that is none", "workloads: {a: {patterns: [{match: {path: {prefix: a}}, respond: {status: 200}}]}}", "at '/workloads/a/patterns/0/match/path/prefix': value must be 'a path, which begins with / (anything else never matches)'"},
		{"a method in lower case", "workloads: {a: {patterns: [{match: {methods: [get]}, respond: {status: 200}}]}}", "at '/workloads/a/patterns/0/match/methods/0': value must be 'a method in upper case, such as GET'"},
		{"a header that is never changed", "workloads: {a: {headers: {request: {set: {Host: x}}}}}", "at '/workloads/a/headers/request/set/Host': value must be '(a host is changed by rewrite.host)'"},
		{"a host that is none", "workloads: {a: {patterns: [{rewrite: {host: 'http://x'}}]}}", "at '/workloads/a/patterns/0/rewrite/host': value must be 'a name, an IPv4 address or an [IPv6] address, with an optional :port'"},
		{"two ways to match", "workloads: {a: {patterns: [{match: {path: {exact: /a, prefix: /b}}, respond: {status: 200}}]}}", "at '/workloads/a/patterns/0/match/path': value must be 'an object with one of exact, prefix, suffix, regex'"},
		{"two things to do", "workloads: {a: {patterns: [{rewrite: {path: /a}, respond: {status: 200}}]}}", "at '/workloads/a/patterns/0': value must be 'an object with one of rewrite, redirect and respond'"},
		{"nothing to do", "workloads: {a: {patterns: [{match: {path: {exact: /a}}}]}}", "at '/workloads/a/patterns/0': value must be 'a pattern that does something: rewrite, redirect, respond or headers'"},
		{"too many patterns", "workloads: {a: {patterns: [" + strings.Repeat("{respond: {status: 200}},", 4097) + "]}}", "at '/workloads/a/patterns': maxItems: got 4,097, want 4,096"},
		{"a pattern's name", "workloads: {a: {patterns: [{name: Tea Pot, respond: {status: 200}}]}}", "at '/workloads/a/patterns/0/name': value must be '1 to 63 of a-z, 0-9 and -'"},
		{"a null in a list", "workloads: {a: {patterns: [null]}}", "at '/workloads/a/patterns/0': got null, want object"},
		{"another delivery", "delivery: Wasm", "at '/delivery': value must be one of 'WasmPlugin', 'TrafficExtension', 'EnvoyFilter', 'EnvoyExtensionPolicy'"},
		{"an unknown kind", "workloads: {a: {targetRefs: [{kind: Pod, name: x}]}}", "at '/workloads/a/targetRefs/0/kind': value must be one of"},
		{"a target without a name", "workloads: {a: {targetRefs: [{kind: Gateway}]}}", "at '/workloads/a/targetRefs/0': missing property 'name'"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			manifest, err := chart.Render(t, chart.Module+test.values)
			if err == nil {
				t.Fatalf("rendered\n%s", manifest)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q is not in\n%v", test.want, err)
			}
		})
	}
}
