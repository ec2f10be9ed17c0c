package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
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

// A thousand patterns of all kinds are taken in less than a second of CPU; the
// best of three, as the collector of the test itself counts too.
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
		start := cpu()
		if _, err := vm.Start(context.Background(), "large", config); err != nil {
			t.Fatal(err)
		}

		best = min(best, cpu()-start)
	}
	if best > time.Second {
		t.Errorf("took %v", best)
	}
}

// cpu is the time that this process has computed for so far.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// The worst configurations are refused or taken by the module as by the engine,
// in two seconds of CPU on a quiet machine, less than 200 MiB, and none traps.
func TestWorstConfigs(t *testing.T) {
	for _, w := range rewritetest.WorstConfigs() {
		t.Run(w.Name, func(t *testing.T) {
			vm := pluginVM(t)
			start := cpu()
			_, err := vm.Start(context.Background(), "worst", []byte(w.Config))
			took, size := cpu()-start, memorySize(vm)>>20
			t.Logf("%v of CPU, %d MiB", took, size)
			if took > 5*time.Second || size > 200 { // CPU is dearer on a busy machine
				t.Errorf("took %v of CPU and %d MiB", took, size)
			}

			var refused *RefusedError
			switch {
			case err == nil && w.Error != "":
				t.Errorf("it is taken, want an error that holds %q", w.Error)
			case err != nil && !errors.As(err, &refused):
				t.Errorf("%.500v", err)
			case err != nil && (w.Error == "" || !strings.Contains(err.Error(), w.Error)):
				t.Errorf("%.500v, want %q", err, w.Error)
			}
		})
	}
}

func memorySize(vm *VM) uint32 { return vm.running.(*machine).module.Memory().Size() }
