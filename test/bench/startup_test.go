package main

import (
	"strings"
	"testing"
)

// What costs most stands first, and one plugin more is told without the first one.
func TestStartupsComeDearestFirst(t *testing.T) {
	one := func(name string, mib float64) startup {
		s := spread{Median: mib, Low: mib - 1, High: mib + 1}
		return startup{Name: name, Workers: 1, Plugins: 1, Private: s, RSS: s, CPU: s}
	}

	many := one(ours, 35)
	many.Plugins = 20
	many.less(one(ours, 16))

	if got := many.Private; got.Median != 1 || got.Low >= 1 || got.High <= 1 {
		t.Errorf("one plugin more takes %v, want 1.0", got)
	}

	r := report{Startups: []startup{one(lua, 1), one(ours, 16), many, one(rust, 65)}, FirstUses: []firstUse{{ours, spread{Median: 250}}}}
	page := r.markdown()

	at := 0
	for _, want := range []string{"## Before the first request", "| " + rust, "| " + ours, "| " + lua, "| 20", "From the push", "| " + ours + " | 250.0"} {
		next := strings.Index(page[at:], want)
		if next < 0 {
			t.Fatalf("no %q behind the first %d bytes of\n%s", want, at, page)
		}

		at += next
	}

	if strings.Contains(page, "Where it wins") {
		t.Errorf("verdicts without a scenario:\n%s", page)
	}
}
