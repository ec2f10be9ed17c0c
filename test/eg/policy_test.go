package eg_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Which filters a request meets is decided by the path that it came with, and which backend by the new path.
//
// The routes plain and keyed share a host; keyed wants an API key.
const securedRoutes = `
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {client: "secret"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: plain}
spec:
  parentRefs: [{name: public}]
  hostnames: [auth.example]
  rules:
  - matches: [{path: {type: PathPrefix, value: /banana}}]
    backendRefs: [{name: httpbin, port: 8000}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: keyed}
spec:
  parentRefs: [{name: public}]
  hostnames: [auth.example]
  rules:
  - matches: [{path: {type: PathPrefix, value: /status}}]
    backendRefs: [{name: httpbin, port: 8000}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: keyed}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: keyed}]
  apiKeyAuth: {credentialRefs: [{name: keys}], extractFrom: [{headers: [x-key]}]}
`

func onRoute(values string, kind, name string) string {
	return strings.ReplaceAll(values, "kind: HTTPRoute, name: shop", "kind: "+kind+", name: "+name)
}

func TestTheSecurityPolicyIsThatOfTheRouteTheRequestCameBy(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(securedRoutes)
	s.becomes("auth", "/status/418", http.StatusUnauthorized)
	s.becomes("auth", "/status/418", http.StatusTeapot, "x-key", "secret")

	// The policy of the route that the request came by is what counts, and it has none.
	s.install("seed", onRoute(rules(418), "HTTPRoute", "plain"), s.image())
	s.becomes("auth", "/banana", http.StatusTeapot)
	s.becomes("auth", "/status/418", http.StatusUnauthorized)

	s.apply(`{apiVersion: gateway.envoyproxy.io/v1alpha1, kind: SecurityPolicy, metadata: {name: plain}, spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: plain}], apiKeyAuth: {credentialRefs: [{name: keys}], extractFrom: [{headers: [x-key]}]}}}`)
	s.becomes("auth", "/banana", http.StatusUnauthorized)
	s.becomes("auth", "/banana", http.StatusTeapot, "x-key", "secret")
}

// A policy of a route replaces that of its Gateway whole, and the status of the Gateway's says so.
func TestAPolicyOfARouteReplacesThatOfItsGateway(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	image := s.image()
	all := s.install("all", onRoute(rules(402), "Gateway", "public"), image)
	s.becomes("shop", "/banana", http.StatusPaymentRequired)
	s.becomes("other", "/banana", http.StatusPaymentRequired)

	one := s.install("one", rules(418), image)
	s.becomes("shop", "/banana", http.StatusTeapot)
	s.becomes("other", "/banana", http.StatusPaymentRequired)
	s.within(func() error {
		_, message, err := s.condition(all.policy(), "Overridden", "True")
		if err == nil {
			t.Log(message)
		}
		return err
	})
	s.status(0, "4 of 4 in force")
	one.uninstall()
	s.becomes("shop", "/banana", http.StatusPaymentRequired)
}

// Of two policies of one target the second is none.
func TestASecondPolicyOfATargetIsConflicted(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	image := s.image()
	s.install("first", rules(418), image)
	s.becomes("shop", "/banana", http.StatusTeapot)
	second := s.install("second", rules(402), image)
	s.within(func() error {
		reason, _, err := s.condition(second.policy(), "Accepted", "False")
		if err == nil && reason != "Conflicted" {
			return fmt.Errorf("reason %s, want Conflicted", reason)
		}
		return err
	})
	s.becomes("shop", "/banana", http.StatusTeapot)
}

// The backend is that of the new path: here one that answers by itself.
func TestARewriteChoosesTheRuleAgainByTheNewPath(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(`{apiVersion: gateway.envoyproxy.io/v1alpha1, kind: HTTPRouteFilter, metadata: {name: direct}, spec: {directResponse: {statusCode: 402}}}`)
	s.run("patch", "httproute", "shop", "--type=json", "--patch", `[{"op": "add", "path": "/spec/rules/-", "value":
		{"matches": [{"path": {"type": "PathPrefix", "value": "/status"}}], "filters": [{"type": "ExtensionRef", "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "direct"}}]}}]`)
	s.becomes("shop", "/banana", http.StatusNotFound)
	s.becomes("shop", "/status/418", http.StatusPaymentRequired)

	s.install("seed", rules(418), s.image())
	s.becomes("shop", "/banana", http.StatusPaymentRequired)
}
