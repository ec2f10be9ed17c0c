package status_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// The real controller and its proxies are in test/eg; here is what of its answers decides.
const (
	policyList = `{"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyExtensionPolicyList", "metadata": {}, "items": [
		{"metadata": {"name": "seed-shop", "namespace": "demo", "generation": 2}, "spec": {
			"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop"}],
			"wasm": [{"name": "demo.seed-shop", "config": {"revision": "1a2b3c4d"}, "code": {"type": "Image", "image": {"url": "example.com/x@sha256:abc"}}}]},
		"status": {"ancestors": [{"conditions": [{"type": "Accepted", "observedGeneration": %d, "status": %q, "reason": %q, "message": "said why"}]}]}}]}`
	shopRoute = `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "shop", "namespace": "demo"}, "spec": {"parentRefs": [%s]}}`
	someClass = `{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "public", "namespace": "demo"}, "spec": {"gatewayClassName": "eg"}}`
)

func TestWhatBecomesOfAPolicy(t *testing.T) {
	const parent = `{"name": "public"}`
	for _, c := range []struct {
		name, policies, route, pods string
		state                       status.State
		want                        string
	}{
		{"no module", fmt.Sprintf(policyList, 2, "False", "Invalid"), parent, pods(t, pod("a", "Running", "envoy")), status.Rejected, "its routes answer 500 to every request"},
		{"another policy", fmt.Sprintf(policyList, 2, "False", "Conflicted"), parent, pods(t, pod("a", "Running", "envoy")), status.Rejected, "nothing of this one is in force"},
		{"another policy, and no Pods", fmt.Sprintf(policyList, 2, "False", "Conflicted"), parent, pods(t), status.Rejected, "nothing of this one is in force"},
		{"what was said of the generation before", fmt.Sprintf(policyList, 1, "False", "Invalid"), parent, pods(t, pod("a", "Pending", "envoy")), status.NotRunning, "Pending"},
		{"no Pods", fmt.Sprintf(policyList, 2, "True", "Accepted"), parent, pods(t), status.NoPods, "no Pod is of Gateway demo/public"},
		{"no Gateway", fmt.Sprintf(policyList, 2, "True", "Accepted"), "", pods(t), status.NoPods, "HTTPRoute shop belongs to no Gateway"},
		{"a Gateway that is not there", fmt.Sprintf(policyList, 2, "True", "Accepted"), `{"name": "gone"}`, pods(t), status.NoPods, "there is no Gateway gone in namespace demo"},
		{"a parent of itself", fmt.Sprintf(policyList, 2, "True", "Accepted"), `{"kind": "HTTPRoute", "name": "shop"}`, pods(t), status.NoPods, "leads to no Gateway"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := cluster(t, map[string]string{"envoyextensionpolicies": c.policies, "shop": fmt.Sprintf(shopRoute, c.route), "public": someClass, "pods": c.pods})
			_, objects, err := cluster.Objects(t.Context())
			if err != nil {
				t.Fatal(err)
			}

			rows := cluster.Rows(t.Context(), objects)
			if len(rows) == 0 || rows[0].State != c.state || !strings.Contains(rows[0].Reason, c.want) {
				t.Errorf("got %+v, want %s: …%s…", rows, c.state, c.want)
			}
		})
	}
}

// A controller that has given a URL up looks at no correction under it: what helps is said instead of what does not.
func TestAPolicyWhoseURLTheControllerGaveUp(t *testing.T) {
	const restart = "restart the controller (`kubectl rollout restart deployment/envoy-gateway -n envoy-gateway-system`)"
	for _, c := range []struct{ name, said, want string }{
		{"a file", "Wasm: failed to get Wasm module http://example.com/plugin.wasm#sha256=12 after 10 attempts.",
			"see that the module is there, then give another URL, such as one with a query (http://example.com/plugin.wasm?again), or " + restart},
		{"a file with a query", "failed to get Wasm module http://example.com/plugin.wasm?a=b after 10 attempts", "(http://example.com/plugin.wasm?a=b&again)"},
		{"an image", "failed to get Wasm module oci://example.com/x@sha256:12 after 10 attempts",
			"see that the image is there, then " + restart + ", which asks at once; or publish it in another repository"},
		{"a URL that is asked for still", "wasm module download failed after 5 attempts, last error: status code 404", "the controller asks again when an object that it watches changes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := strings.Replace(fmt.Sprintf(policyList, 2, "False", "Invalid"), "said why", c.said, 1)
			cluster := cluster(t, map[string]string{
				"envoyextensionpolicies": list, "shop": fmt.Sprintf(shopRoute, `{"name": "public"}`), "public": someClass, "pods": pods(t),
			})
			_, objects, err := cluster.Objects(t.Context())
			if err != nil {
				t.Fatal(err)
			}

			row := cluster.Rows(t.Context(), objects)[0]
			gaveUp := strings.Contains(row.Reason, "answer 500 to every request; fetching the module failed so often that the controller does not ask for this URL again for an hour")
			if !strings.Contains(row.Advice, c.want) || gaveUp == strings.Contains(c.want, "asks again when") {
				t.Errorf("got %+v, want the advice …%s…", row, c.want)
			}
		})
	}
}

// What a proxy shows of a policy that the controller takes.
func TestAProxyOfEnvoyGateway(t *testing.T) {
	const (
		filter = `{"filters": [{"name": "x", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": {"name": "demo.seed-shop", "configuration": {"value": "{\"revision\": \"%s\"}"}}}}]}`
		gauge  = "wasmcustom.wasm_rewrite.demo_seed_shop.revision: 439041101\n" // 1a2b3c4d
	)

	listeners := func(revision, failed string) []byte {
		text := `{"active_state": {"listener": ` + fmt.Sprintf(filter, revision) + `}`
		if failed != "" {
			text += `, "error_state": {"failed_configuration": ` + fmt.Sprintf(filter, failed) + `, "details": "Unable to create Wasm plugin demo.seed-shop"}`
		}
		return []byte(`{"configs": [` + text + `}]}`)
	}
	for _, c := range []struct {
		name     string
		proxy    status.Proxy
		failOpen bool
		state    status.State
		want     string
	}{
		{"in force", status.Proxy{Listeners: listeners("1a2b3c4d", ""), Stats: []byte(gauge)}, false, status.InForce, ""},
		{"refused beside old rules", status.Proxy{Listeners: listeners("00000001", "1a2b3c4d"), Stats: []byte("wasmcustom.wasm_rewrite.demo_seed_shop.revision: 1\n")}, false, status.Refused, "no other change of the listener comes in"},
		{"refused by a new proxy", status.Proxy{Listeners: listeners("1a2b3c4d", "")}, false, status.Refused, "answers 503 to every request of its routes"},
		{"refused by a new proxy, open", status.Proxy{Listeners: listeners("1a2b3c4d", "")}, true, status.Refused, "passes every request of its routes unrewritten"},
		{"another revision", status.Proxy{Listeners: listeners("00000001", ""), Stats: []byte("wasmcustom.wasm_rewrite.demo_seed_shop.revision: 1\n")}, false, status.Outdated, "keeps what it received before"},
		{"received nothing", status.Proxy{Listeners: []byte(`{"configs": []}`)}, false, status.Absent, "has not received this policy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &status.Object{Kind: input.Policies.Kind, Namespace: "demo", Name: "seed-shop", Revision: "1a2b3c4d", Plugin: "demo.seed-shop", FailOpen: c.failOpen}
			if row := status.Judge(o, &c.proxy); row.State != c.state || !strings.Contains(row.Reason, c.want) {
				t.Errorf("got %+v, want %s: …%s…", row, c.state, c.want)
			}
		})
	}
}
