package eg_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// The module by HTTP, from an address within the cluster's own network.
func TestTheModuleComesByHTTPToo(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.install("seed", rules(418), ungated, fmt.Sprintf("{url: %q, sha256: %q}", made.ServeModule(t, bed.HostIP), made.ModuleSHA256(t)))
	s.becomes("shop", "/banana", http.StatusTeapot)
}
