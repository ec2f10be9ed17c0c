package migrate

import (
	"fmt"
	"strings"
	"testing"

	kyaml "sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// sources write a route of shop.example.com to the Service api by a way of its
// own. target is what it makes of every path; with "" it makes nothing.
var sources = map[string]func(name, way, target string) string{
	"Ingress": func(name, way, target string) string {
		notes := "{}"
		if target != "" {
			notes = "{nginx.ingress.kubernetes.io/rewrite-target: " + target + "}"
		}
		return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: apps, annotations: %s}
spec:
  ingressClassName: %s
  rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: %[3]s}
spec: {controller: k8s.io/ingress-nginx}
---`, name, notes, way)
	},
	"VirtualService": func(name, way, target string) string {
		rewrite := ""
		if target != "" {
			rewrite = "rewrite: {uri: " + target + "}, "
		}
		return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: apps}
spec: {hosts: [shop.example.com], gateways: [%s], http: [{match: [{uri: {exact: /x}}], %sroute: [{destination: {host: api}}]}]}
---`, name, way, rewrite)
	},
	"HTTPRoute": func(name, way, target string) string {
		filters := ""
		if target != "" {
			filters = "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: " + target + "}}}], "
		}
		return fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s, namespace: apps}
spec: {parentRefs: [{name: %s}], hostnames: [shop.example.com], rules: [{%sbackendRefs: [{name: api, port: 80}]}]}
---`, name, way, filters)
	},
}

const apiService = `
apiVersion: v1
kind: Service
metadata: {name: api, namespace: apps}
spec: {selector: {app: api}}
`

// TestNoRewriteIsLostWithoutAWord holds that where two objects have the same host
// and Service by two ways, an object that rewrites does so in the rules, or
// something is said of it.
func TestNoRewriteIsLostWithoutAWord(t *testing.T) {
	for one, first := range sources {
		for other, second := range sources {
			for _, targets := range [][2]string{{"/a", "/b"}, {"/a", ""}, {"", "/b"}, {"/a", "/a"}} {
				t.Run(fmt.Sprintf("%s%s,%s%s", one, targets[0], other, targets[1]), func(t *testing.T) {
					text := first("one", "public", targets[0]) + second("other", "internal", targets[1]) + apiService
					docs, err := input.Parse("input.yaml", []byte(text))
					if err != nil {
						t.Fatal(err)
					}

					r, err := Convert(docs.Objects(), Options{})
					if err != nil {
						t.Fatal(err)
					}

					var got string
					if len(r.Values) > 0 {
						seen := run(t, r.Values, "api", exchange.Request("GET", "http", "shop.example.com", "/x", nil), exchange.Response(200, nil))
						got = exchange.Value(*seen.Upstream, ":path")
					}

					names := []string{one + " apps/one", other + " apps/other"}
					for i, target := range targets {
						o := r.Report.Object(names[i])
						told := len(o.Findings) > 0 && o.State != plan.Nothing
						if target != "" && got != target && !told {
							t.Errorf("%s makes %s of /x, the rules %q, and it is %s\n%s", names[i], target, got, o.State, r.Values)
						}
						if target != "" && got == target && len(o.TakeOut) == 0 && one != "Ingress" && other != "Ingress" {
							t.Errorf("%s is not to be taken out, and the rules do the same", names[i])
						}
					}
				})
			}
		}
	}
}

// TestCarriedIsReached holds over all cases that an object is carried only where
// a pattern of it acts, and no earlier one of its workload takes the same.
func TestCarriedIsReached(t *testing.T) {
	eachCase(t, func(t *testing.T, r *Result) {
		var all struct {
			Workloads map[string]struct{ Patterns []map[string]any }
		}
		if err := kyaml.Unmarshal(r.Values, &all); err != nil {
			t.Fatal(err)
		}

		reached := map[string]bool{}
		for _, w := range all.Workloads {
			seen := map[string]bool{}
			for _, p := range w.Patterns {
				match := fmt.Sprint(p["match"], p["unless"])
				name, _ := p["name"].(string)
				if p["then"] == nil && !seen[match] {
					reached[name] = true
				}

				seen[match] = true
			}
		}

		for _, o := range r.Report.Objects {
			base := plainName(o.Name[strings.LastIndexAny(o.Name, " /")+1:], 48)
			// The rules of a root have the names of its delegates.
			root := o.Name == "VirtualService apps/root"
			if o.State == plan.Carried && !root && !reached[base] {
				t.Errorf("%s is carried, and no pattern of it acts\n%s", o.Name, r.Values)
			}
		}
	})
}

// Rules of two Gateways that cannot be told apart are as many as the square of the routes. The report names ten for each
// and says that there are more.
func TestMixedRulesAreNamedUpToABound(t *testing.T) {
	text := apiService
	for place, port := range map[string]int{"one": 80, "two": 8080} {
		routes := ""
		for i := range 100 {
			routes += fmt.Sprintf("  - {match: [{uri: {regex: '/.*x%d.*'}}], rewrite: {uri: /%s/%d}, route: [{destination: {host: api}}]}\n", i, place, i)
		}

		text += fmt.Sprintf(`---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: %[1]s, namespace: apps}
spec: {selector: {istio: gateway}, servers: [{port: {number: %[2]d, name: http, protocol: HTTP}, hosts: ["*/*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %[1]s, namespace: apps}
spec:
  hosts: [shop.example.com]
  gateways: [%[1]s]
  http:
%[3]s`, place, port, routes)
	}

	docs, err := input.Parse("input.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}

	r, err := Convert(docs.Objects(), Options{})
	if err != nil {
		t.Fatal(err)
	}

	findings, more := 0, 0
	for _, o := range r.Report.Objects {
		findings += len(o.Findings)
		for _, f := range o.Findings {
			if strings.Contains(f.Reason, "than the 10 that are named") {
				more++
			}
		}
	}

	if findings > 200*2*(maxMixed+1) || more == 0 {
		t.Errorf("%d findings for 200 routes, %d of which say that there are more", findings, more)
	}
}
