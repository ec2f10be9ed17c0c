package host

import (
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// As many patterns as a configuration may have, read and compiled by the module.
func BenchmarkStart(b *testing.B) {
	config := []byte(rewritetest.ManyPatterns(rewrite.MaxPatterns))
	module := pluginModule(b)
	used := time.Duration(0)
	defer func() { b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/op") }()

	for b.Loop() {
		b.StopTimer()
		vm, err := module.New(b.Context(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()

		start := cpu()
		if _, err := vm.Start(b.Context(), "many", config); err != nil {
			b.Fatal(err)
		}

		used += cpu() - start
	}
}
