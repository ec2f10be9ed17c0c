package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
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

// Whatever proxies say, no sum is shown that is less than what there was.
func TestCountsOverflow(t *testing.T) {
	o := &Object{Kind: "EnvoyFilter", Namespace: "shop", Name: "cart", Plugin: "cart", Patterns: []string{"a", "b", "c"}}

	var got bytes.Buffer
	r := reportOf(o, `wasm.cart.vm_reload: 18446744073709551615
wasmcustom.wasm_rewrite.cart.host_call_failed: 18446744073709551614
wasmcustom.wasm_rewrite.cart.a.matched: 18446744073709551615
wasmcustom.wasm_rewrite.cart.b.matched: 99999999999999999999
wasmcustom.wasm_rewrite.cart.c.matched: 9223372036854775807
`, `wasm.cart.vm_reload: 1
wasmcustom.wasm_rewrite.cart.host_call_failed: 0
wasmcustom.wasm_rewrite.cart.a.matched: 2
wasmcustom.wasm_rewrite.cart.c.matched: 9223372036854775807
`)
	r.countsText(&got)

	const want = `
EnvoyFilter shop/cart, added up over 2 proxies, each since its start:
  PATTERN      MATCHED                REWRITTEN  REDIRECTED  RESPONDED  SHADOWED  UNSAFE  OVER_BUDGET  SAMPLED_OUT
  a            18446744073709551615+  -          -           -          -         -       -            -
  b            18446744073709551615+  -          -           -          -         -       -            -
  c            18446744073709551614   -          -           -          -         -       -            -
  (top level)  -                      -          -           -          -         -       -            -
  18446744073709551614 calls of the filter failed; a proxy's log names the first
  the filter crashed and was loaded again 18446744073709551615+ times; please report it with the proxy's log
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}

	data, err := json.Marshal(r.Counts[0])
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{`"a","results":{"matched":"18446744073709551615+"}`, `"c","results":{"matched":18446744073709551614}`,
		`"hostCallsFailed":18446744073709551614,"crashes":"18446744073709551615+"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s has no %s", data, want)
		}
	}
}

// A name moves no column and does nothing to a terminal.
func TestCountsOfStrangeNames(t *testing.T) {
	o := &Object{Kind: "EnvoyFilter", Namespace: "shop", Name: "cart", Plugin: "cart", Patterns: []string{"a\tb\x1b[31m", "::error::x"}}

	var got bytes.Buffer
	reportOf(o, "wasmcustom.wasm_rewrite.cart.o\tl\f\vd\x1b]0;x\a\u202e\xff.matched: 7\n").countsText(&got)

	const want = `
EnvoyFilter shop/cart, added up over 1 proxy, each since its start:
  PATTERN                                                MATCHED  REWRITTEN  REDIRECTED  RESPONDED  SHADOWED  UNSAFE  OVER_BUDGET  SAMPLED_OUT
  a\tb\u001b[31m                                         -        -          -           -          -         -       -            -
  ::error::x                                             -        -          -           -          -         -       -            -
  (top level)                                            -        -          -           -          -         -       -            -
  o\tl\u000c\u000bd\u001b]0;x\u0007\u202e\xff (removed)  7        -          -           -          -         -       -            -
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}

// A proxy with many counters that nobody knows costs little time, and what is shown stays short.
func TestCountsOfManyUnknownNames(t *testing.T) {
	o := &Object{Kind: "EnvoyFilter", Namespace: "shop", Name: "cart", Plugin: "cart", Patterns: []string{"tenant"}}
	stats := func(names int) string {
		var b strings.Builder
		for i := range names {
			fmt.Fprintf(&b, "wasmcustom.wasm_rewrite.cart.old-%d.matched: 1\n", i)
		}
		return b.String() + "wasmcustom.wasm_rewrite.cart.tenant.matched: 40\n"
	}

	for _, c := range []struct {
		name    string
		proxies []string
		rows    int
		leftOut bool
	}{
		{"as many as are kept", []string{stats(maxOthers), stats(maxOthers)}, 2 + maxOthers, false},
		{"one proxy has one more", []string{stats(10), stats(maxOthers + 1), stats(10)}, 2, true},
		{"together they have more", []string{stats(maxOthers), strings.ReplaceAll(stats(1), "old-", "older-")}, 2, true},
		{"a million", []string{stats(1_000_000)}, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			r := reportOf(o, c.proxies...)
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}

			counts := r.Counts[0]
			if len(counts.Patterns) != c.rows || counts.LeftOut != c.leftOut {
				t.Errorf("%d rows, left out %v", len(counts.Patterns), counts.LeftOut)
			}
			if got, want := counts.Patterns[0].Results["matched"], tally(40*len(c.proxies)); got != want {
				t.Errorf("tenant matched %s times, want %s", got, want)
			}

			var text bytes.Buffer
			r.countsText(&text)
			if said := strings.Contains(text.String(), "left out: the proxies have more than 10000 counters"); said != c.leftOut {
				t.Errorf("it is said that counters are left out: %v", said)
			}
		})
	}
}

// reportOf is a report of one object, whose proxies said these counters.
func reportOf(o *Object, stats ...string) *Report {
	var rows []Row
	for _, text := range stats {
		row := o.row()
		row.tallies = (&Proxy{Stats: []byte(text)}).tallies(o)
		rows = append(rows, row)
	}
	return &Report{Counts: counts(rows, []*Object{o})}
}
