package status

import (
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// Envoy 1.39 shows a listener that it refused twice: under its name, and once more without a name and without a time. When
// that was is needed, since the proxy's log is read from there on.
func TestARefusalThatStandsTwiceKeepsItsTime(t *testing.T) {
	const filter = `{"filters": [{"typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": {"name": "demo.seed-shop"}}}]}`
	const said = `"details": "Unable to create Wasm plugin demo.seed-shop"`
	p := &Proxy{Listeners: []byte(`{"configs": [
		{"name": "l", "active_state": {"listener": ` + filter + `, "last_updated": "2026-11-28T03:13:16.233Z"}, "error_state": {"failed_configuration": ` + filter + `, "last_update_attempt": "2026-11-28T03:13:19.029Z", ` + said + `}},
		{"error_state": {"failed_configuration": ` + filter + `, ` + said + `}}]}`)}
	want := time.Date(2026, 11, 28, 3, 13, 19, 29_000_000, time.UTC)
	if got := p.updated([]*Object{{Kind: input.Policies.Kind, Plugin: "demo.seed-shop"}}); !got.Equal(want) {
		t.Errorf("last told at %s, want %s", got, want)
	}
}
