package host

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
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
