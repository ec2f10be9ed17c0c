package host_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/host"
)

// The deepest regexes that the engine takes fit the stack that the module has.
func TestDeepestRegexes(t *testing.T) {
	vm := pluginVM(t)
	for _, regex := range []string{
		strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100),
		strings.Repeat("(?:a", 100) + strings.Repeat(")*", 100),
		strings.Repeat("(?:a|", 100) + strings.Repeat(")*", 100),
		"([ab]?){0,390}x",
		strings.Repeat("a|", 511),
		strings.Repeat("a*", 511),
	} {
		config := fmt.Sprintf(`{"patterns": [{"match": {"path": {"regex": %q}}, "rewrite": {"path": "/b"}}]}`, regex)
		if _, err := vm.Start(context.Background(), "deep", []byte(config)); err != nil {
			t.Errorf("%s: %v", regex, err)
		}
	}
}

// A thousand patterns of all kinds are taken in less than a second; the best of
// three, as other programs may want the processor too.
func TestThousandPatterns(t *testing.T) {
	kinds := []string{`"exact": "/shop/%d"`, `"prefix": "/shop/%d/"`, `"regex": "^/v%d/(.*)$"`, `"regex": "item%d/([a-z]+|[0-9]+)/(x|y)"`}
	var patterns []string
	for i := range 1000 {
		patterns = append(patterns, fmt.Sprintf(`{"match": {"path": {`+kinds[i%len(kinds)]+`}}, "rewrite": {"path": "/b"}}`, i))
	}
	config := []byte(`{"patterns": [` + strings.Join(patterns, ",") + `]}`)
	best := time.Hour
	for range 3 {
		vm := pluginVM(t)
		start := time.Now()
		if _, err := vm.Start(context.Background(), "large", config); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	if best > time.Second {
		t.Errorf("took %v", best)
	}
}

func pluginVM(t *testing.T) *host.VM {
	t.Helper()
	ctx := context.Background()
	wasm, err := os.ReadFile("../../build/plugin.wasm")
	if err != nil {
		t.Fatalf("%v: run make build", err)
	}
	module, err := host.Compile(ctx, wasm, nil)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := module.New(ctx, host.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close(ctx) })
	return vm
}
