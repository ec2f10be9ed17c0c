package eg_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// What import makes of a route's own rewrite does the same, both with it and once it is taken out.
func TestImportedRulesDoAsTheRewriteOfTheRoute(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.run("patch", "httproute", "shop", "--type=json", "--patch", `[{"op": "add", "path": "/spec/rules/-", "value":
		{"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}], "backendRefs": [{"name": "httpbin", "port": 8000}],
		"filters": [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}]}}]`)
	s.becomes("shop", "/api/status/418", http.StatusTeapot)

	values := s.imported()

	r := s.install("moved", values, s.image())
	s.status(0, "2 of 2 in force")
	s.becomes("shop", "/api/status/418", http.StatusTeapot)

	// The filter is taken out, as the report says.
	s.run("patch", "httproute", "shop", "--type=json", "--patch", `[{"op": "remove", "path": "/spec/rules/1/filters"}]`)
	s.becomes("shop", "/api/status/418", http.StatusTeapot)
	r.uninstall()
	s.becomes("shop", "/api/status/418", http.StatusNotFound)
}

// imported are the values that import makes of the space's objects. The Gateway's class says that this is Envoy Gateway.
func (s *space) imported() string {
	s.Helper()
	made.File(s.T, "build/bin/wasm-rewrite")

	objects := s.run("get", "gatewayclass,gateway,httproute,httproutefilter,service", "--output=yaml")
	out, err := exec.CommandContext(s.Context(), filepath.Join(made.Root, "build/bin/wasm-rewrite"), "import", s.file(objects)).Output()
	if err != nil {
		s.Fatalf("import: %v\n%s", err, out)
	}

	return string(out)
}

const bothFilter = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: HTTPRouteFilter
metadata: {name: both}
spec:
  urlRewrite: {path: {type: ReplaceRegexMatch, replaceRegexMatch: {pattern: "^/both/([0-9]+)$", substitution: '/status/\1'}}}
  directResponse: {statusCode: 402, header: {set: [{name: x-of, value: both}]}}
`

// A filter that rewrites and answers answers all that its route takes, and the filters after it are not run; what import makes
// of it does the same once it is taken out.
func TestAnImportedDirectResponseTakesThePlaceOfARewrite(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.apply(bothFilter)
	s.run("patch", "httproute", "shop", "--type=json", "--patch", `[{"op": "add", "path": "/spec/rules/-", "value":
		{"matches": [{"path": {"type": "PathPrefix", "value": "/both"}}], "backendRefs": [{"name": "httpbin", "port": 8000}],
		"filters": [{"type": "ExtensionRef", "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "both"}},
			{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-after", "value": "1"}]}}]}}]`)

	answered := func() {
		t.Helper()
		s.becomes("shop", "/both/418", http.StatusPaymentRequired)
		s.becomes("shop", "/both/x", http.StatusPaymentRequired)
		s.within(func() error {
			a, err := s.get(fresh, "shop", "/both/418")
			if err == nil && (a.Header.Get("x-of") != "both" || a.Header.Get("x-after") != "") {
				err = fmt.Errorf("headers %v, want x-of and no x-after", a.Header)
			}
			return err
		})
	}

	answered()
	s.install("moved", s.imported(), s.image())
	s.status(0, "2 of 2 in force")
	s.run("patch", "httproute", "shop", "--type=json", "--patch", `[{"op": "remove", "path": "/spec/rules/1/filters"}]`)
	answered()
}
