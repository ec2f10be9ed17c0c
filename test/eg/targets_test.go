package eg_test

import (
	"fmt"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoygateway"
)

// moreTargets are a route of each further kind, a rule with a name, and listeners of a ListenerSet.
const moreTargets = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: parts}
spec:
  parentRefs: [{name: public}]
  hostnames: [parts.example]
  rules:
  - {name: named, matches: [{path: {type: PathPrefix, value: /named}}], backendRefs: [{name: httpbin, port: 8000}]}
  - {name: rest, backendRefs: [{name: httpbin, port: 8000}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls}
spec:
  parentRefs: [{name: public}]
  hostnames: [calls.example]
  rules: [{backendRefs: [{name: httpbin, port: 8000}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more}
spec:
  parentRef: {group: gateway.networking.k8s.io, kind: Gateway, name: public}
  listeners: [{name: more, protocol: HTTP, port: 81}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: more}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: ListenerSet, name: more}]
  hostnames: [more.example]
  rules: [{backendRefs: [{name: httpbin, port: 8000}]}]
`

// answering are rules on one target, whose answer needs no backend.
func answering(target string) string {
	return "{delivery: EnvoyExtensionPolicy, workloads: {rules: {targetRefs: [" + target + "], " +
		"patterns: [{match: {path: {regex: /teapot$}}, respond: {status: 418}}]}}}"
}

// Rules on a target of each kind, or on a section of one, act there and nowhere else, and status finds their proxies.
func TestEachKindOfTargetRunsTheRulesAndNoOther(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.run("patch", "gateway", "public", "--type=merge", "--patch", `{"spec": {"allowedListeners": {"namespaces": {"from": "Same"}}}}`)
	s.apply(moreTargets)

	// The listeners of the ListenerSet have a port of their own.
	more := *s
	s.within(func() error {
		services, err := bed.Client.CoreV1().Services(envoygateway.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: s.owned()})
		if err != nil {
			return err
		}

		for _, port := range services.Items[0].Spec.Ports {
			if port.Port == 81 {
				more.address = fmt.Sprintf("http://%s:%d", bed.IP, port.NodePort)
				return more.answers("more", "/status/200", http.StatusOK)
			}
		}

		return fmt.Errorf("no port 81 of the ListenerSet: %+v", services.Items[0].Spec.Ports)
	})

	image := s.image()
	for _, c := range []struct {
		name, target, route, path string
		of                        *space
		elsewhere                 string // a path of the same route that the rules do not reach
	}{
		{"grpcroute", "{kind: GRPCRoute, name: calls}", "calls", "/teapot", s, ""},
		{"rule", "{kind: HTTPRoute, name: parts, sectionName: named}", "parts", "/named/teapot", s, "/teapot"},
		{"listenerset", "{kind: ListenerSet, name: more}", "more", "/teapot", &more, ""},
		{"listener", "{kind: Gateway, name: public, sectionName: http}", "other", "/teapot", s, ""},
	} {
		r := s.install(c.name, answering(c.target), image, ungated)
		c.of.becomes(c.route, c.path, http.StatusTeapot)
		s.becomes("shop", "/teapot", map[bool]int{true: http.StatusTeapot, false: http.StatusNotFound}[c.name == "listener"])
		if c.elsewhere != "" {
			c.of.becomes(c.route, c.elsewhere, http.StatusNotFound)
		}
		s.status(0, "2 of 2 in force")
		r.uninstall()
	}
}
