package status_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// TestWhatIsSaid shows what the recordings have no occasion to say.
func TestWhatIsSaid(t *testing.T) {
	var said bytes.Buffer
	say := func(name string, row status.Row) {
		fmt.Fprintf(&said, "%s: %s: %s\n", name, row.State, row.Reason)
		if row.Advice != "" {
			fmt.Fprintf(&said, "  %s\n", row.Advice)
		}
	}

	object, proxy := parts(t, "in-force")
	object.Revision = "0badcafe"
	say("another revision", status.Judge(object, proxy))
	object, proxy = parts(t, "in-force")
	object.Name = "other"
	say("another object", status.Judge(object, proxy))
	object, proxy = parts(t, "envoyfilter")
	object.Plugin = "other"
	say("another EnvoyFilter", status.Judge(object, proxy))
	proxy.Listeners = []byte("<html>")
	say("no admin port", status.Judge(object, proxy))
	object, proxy = parts(t, "in-force")
	proxy.Extensions = []byte("<html>")
	say("no admin port", status.Judge(object, proxy))
	object, proxy = parts(t, "module-cut-off-at-start")
	proxy.Log = nil
	say("a log that says nothing", status.Judge(object, proxy))
	object, proxy = parts(t, "envoyfilter-refused")
	proxy.Log = nil
	say("a log that says nothing", status.Judge(object, proxy))
	object, _ = parts(t, "in-force")
	say("no metrics", status.JudgeMetrics(object, &status.Proxy{}))
	say("metrics of another revision", status.JudgeMetrics(object, &status.Proxy{Metrics: []byte("wasm_rewrite_demo_seed_httpbin_revision{} 1\n")}))

	target := func(kind, name string) string {
		return strings.Replace(plugins, `"selector": {"matchLabels": {"app": "httpbin"}}`, fmt.Sprintf(`"targetRefs": [{"kind": %q, "name": %q}]`, kind, name), 1)
	}
	for _, c := range []struct{ name, plugins, pods, forward string }{
		{"no Pods", plugins, pods(t), ""},
		{"no sidecar", plugins, pods(t, pod("a", "Running", "httpbin")), ""},
		{"a Pod that starts", plugins, pods(t, pod("b", "Pending", "istio-proxy")), ""},
		{"a silent proxy", plugins, pods(t, pod("a", "Running", "istio-proxy")), "hang"},
		{"a proxy that one may not ask", plugins, pods(t, pod("a", "Running", "istio-proxy")), "forbidden"},
		{"a Service without a waypoint", target("Service", "httpbin"), pods(t), ""},
		{"a Service that wants no waypoint", target("Service", "alone"), pods(t), ""},
		{"a Service whose waypoint does not run", target("Service", "served"), pods(t), ""},
		{"a Service that is not there", target("Service", "other"), pods(t), ""},
		{"a ServiceEntry that is not there", target("ServiceEntry", "other"), pods(t), ""},
		{"a Gateway", target("Gateway", "public"), pods(t), ""},
		{"a GatewayClass outside of the root namespace", target("GatewayClass", "istio-waypoint"), pods(t), ""},
		{"another kind", target("Deployment", "httpbin"), pods(t), ""},
	} {
		cluster := cluster(t, map[string]string{"wasmplugins": c.plugins, "envoyfilters": envoyFilters, "pods": c.pods, "portforward": c.forward,
			"httpbin": `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "httpbin"}}`,
			"alone":   `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alone", "labels": {"istio.io/use-waypoint": "none"}}}`,
			"served":  `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "served", "labels": {"istio.io/use-waypoint": "waypoint", "istio.io/use-waypoint-namespace": "infra"}}}`,
			"demo":    `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}`,
		})
		_, objects, err := cluster.Objects(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		for _, row := range cluster.Rows(t.Context(), objects) {
			say(c.name, row)
		}
	}

	for _, c := range []struct {
		name    string
		answers map[string]string
	}{{"no Istio", nil}, {"forbidden", map[string]string{"wasmplugins": "forbidden"}}, {"no answer", map[string]string{"wasmplugins": "hang"}}} {
		_, err := cluster(t, c.answers).List(t.Context())
		before, _, _ := strings.Cut(err.Error(), `: Get "http`)
		fmt.Fprintf(&said, "%s: %s\n", c.name, regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(before, "API"))
	}

	const golden = "testdata/said.golden"
	if *update {
		if err := os.WriteFile(golden, said.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || said.String() != string(want) {
		t.Errorf("%v, got\n%swant\n%s(-update writes it)", err, said.String(), want)
	}
}
