package status

import (
	"bytes"
	"testing"
)

// Counters of two proxies, one of which names the plugin as Istio 1.30 does and
// still has counters of a pattern that is gone.
func TestCountsAreAddedUpByPattern(t *testing.T) {
	const first = `wasm.shop.seed-cart.vm_reload: 2
wasmcustom.wasm_rewrite.shop_seed_cart.host_call_failed: 1
wasmcustom.wasm_rewrite.shop_seed_cart.revision: 439041101
wasmcustom.wasm_rewrite.shop_seed_cart.pattern-1.matched: 3
wasmcustom.wasm_rewrite.shop_seed_cart.tenant.matched: 40
wasmcustom.wasm_rewrite.shop_seed_cart.tenant.rewritten: 38
wasmcustom.wasm_rewrite.shop_seed_cart.tenant.unsafe: 2
wasmcustom.wasm_rewrite.shop_seed_cart.top_level.over_budget: 0
wasmcustom.wasm_rewrite.shop_seed_cart_2.tenant.matched: 1000
`
	const second = `wasm.shop.seed-cart~istio-translated-wasmplugin.vm_reload: 0
wasmcustom.wasm_rewrite.shop_seed_cart.old.shadowed: 7
wasmcustom.wasm_rewrite.shop_seed_cart.tenant.matched: 60
`
	o := &Object{Kind: "WasmPlugin", Namespace: "shop", Name: "seed-cart", Workload: "cart", Plugin: "shop.seed-cart",
		Patterns: patternNames(map[string]any{"patterns": []any{map[string]any{"name": "tenant"}, map[string]any{}}})}
	silent := &Object{Kind: "WasmPlugin", Namespace: "shop", Name: "seed-none", Plugin: "shop.seed-none",
		Patterns: patternNames(`{"patterns": [{"name": "never"}]}`)}

	var rows []Row
	for _, stats := range []string{first, second} {
		p := &Proxy{Stats: []byte(stats)}
		row := o.row()
		row.tallies = p.tallies(o)
		rows = append(rows, row)
	}

	rows = append(rows, silent.row())

	var got bytes.Buffer
	r := &Report{Counts: counts(rows, []*Object{o, silent})}
	r.countsText(&got)

	const want = `
WasmPlugin shop/seed-cart, added up over 2 proxies, each since its start:
  PATTERN        MATCHED  REWRITTEN  REDIRECTED  RESPONDED  SHADOWED  UNSAFE  OVER_BUDGET  SAMPLED_OUT
  tenant         100      38         -           -          -         2       -            -
  pattern-1      3        -          -           -          -         -       -            -
  (top level)    -        -          -           -          -         -       0            -
  old (removed)  -        -          -           -          7         -       -            -
  1 call of the filter failed; a proxy's log names the first
  the filter crashed and was loaded again 2 times; please report it with the proxy's log

WasmPlugin shop/seed-none, added up over 0 proxies, each since its start:
  PATTERN      MATCHED  REWRITTEN  REDIRECTED  RESPONDED  SHADOWED  UNSAFE  OVER_BUDGET  SAMPLED_OUT
  never        -        -          -           -          -         -       -            -
  (top level)  -        -          -           -          -         -       -            -
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}
