package gate

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
)

// TestAHostThatNobodyKnows names the value that live tests are sent by: hosts of
// an ingress are often names that no resolver in the cluster has.
func TestAHostThatNobodyKnows(t *testing.T) {
	tests, faults := example.Parse([]any{map[string]any{"name": "shop", "live": true, "request": map[string]any{"host": "shop.invalid"},
		"expect": map[string]any{"status": 200}}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}

	a := &After{Timeout: 30 * time.Second}
	over := a.transport().(*http.Transport)
	over.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "shop.invalid", IsNotFound: true}}
	}
	said := strings.Join(a.try(t.Context(), over, &tests[0]), "\n")
	if !strings.Contains(said, "no answer") || !strings.Contains(said,
		"this cluster's DNS does not know shop.invalid: name where live tests are sent to with verify.after.address") {
		t.Errorf("got %s", said)
	}
}
