package rewrite_test

import (
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
)

// The case table, on the engine itself.
func TestCases(t *testing.T) {
	rewritetest.Run(t, "testdata", rewritetest.Native)
}
