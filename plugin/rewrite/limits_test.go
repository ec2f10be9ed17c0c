package rewrite_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// What is written costs what the limits say: it is refused by a limit that the
// error names, or taken, in little time and memory either way.
func TestWorstConfigs(t *testing.T) {
	for _, w := range rewritetest.WorstConfigs() {
		t.Run(w.Name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)

			start := time.Now()
			_, err := rewrite.Load([]byte(w.Config))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if size := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 2*time.Second || size > 200 {
				t.Errorf("took %v and %d MiB", took, size)
			}

			switch {
			case err == nil && w.Error != "":
				t.Errorf("it is taken, want an error that holds %q", w.Error)
			case err != nil && (w.Error == "" || !strings.Contains(err.Error(), w.Error)):
				t.Errorf("%.500v, want %q", err, w.Error)
			case err != nil && strings.Count(err.Error(), "\n") > rewrite.MaxErrors:
				t.Errorf("%d lines", strings.Count(err.Error(), "\n"))
			}
		})
	}
}
