package eg_test

import (
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

	// The Gateway's class says that this is Envoy Gateway.
	made.File(t, "build/bin/wasm-rewrite")

	objects := s.run("get", "gatewayclass,gateway,httproute,service", "--output=yaml")
	out, err := exec.CommandContext(t.Context(), filepath.Join(made.Root, "build/bin/wasm-rewrite"), "import", s.file(objects)).Output()
	if err != nil {
		t.Fatalf("import: %v\n%s", err, out)
	}

	r := s.install("moved", string(out), s.image())
	s.status(0, "2 of 2 in force")
	s.becomes("shop", "/api/status/418", http.StatusTeapot)

	// The filter is taken out, as the report says.
	s.run("patch", "httproute", "shop", "--type=json", "--patch", `[{"op": "remove", "path": "/spec/rules/1/filters"}]`)
	s.becomes("shop", "/api/status/418", http.StatusTeapot)
	r.uninstall()
	s.becomes("shop", "/api/status/418", http.StatusNotFound)
}
