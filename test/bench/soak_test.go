package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// soaked is a soak of three windows of 1,000 requests, each of which took one
// second, with a log that reports a forced collection of 0.25 ms, and of
// others at some ms after the beginning, and of how many µs each took.
func soaked(t *testing.T, found ...[2]int64) *soak {
	t.Helper()

	s := &soak{Command: "make soak", Began: time.Unix(1700000000, 0), Requests: 3000, Connections: 8, Idle: 100}
	for i := range 3 {
		s.Windows = append(s.Windows, window{
			Requests: 1000, PerSecond: 1000, Memory: 100, P50: 1, P999: 2, Longest: 3, Pauses: []float64{}, ended: s.Began.Add(time.Duration(i+1) * time.Second),
		})
	}
	const prefix = "[2023-11-14 22:13:20.000][9][warning][wasm] [context.cc:1154] wasm log soak soak: "

	log := "[2023-11-14 22:13:20.000][7][warning][main] no limit is configured\n" +
		prefix + "forced collection until 1699999999000000000 ns, 250000 ns long\n"
	for _, c := range found {
		log += fmt.Sprintf("%snatural collection until %d ns, %d ns long\n", prefix, s.Began.Add(time.Duration(c[0])*time.Millisecond).UnixNano(), c[1]*1000)
	}
	if err := s.collections(log); err != nil {
		t.Fatal(err)
	}

	return s
}

func TestCollectionsCountWhereTheyEnd(t *testing.T) {
	s := soaked(t, [2]int64{100, 400}, [2]int64{900, 700}, [2]int64{950, 500}, [2]int64{2500, 600}, [2]int64{3100, 9000})
	for i, want := range [][]float64{{0.4, 0.7, 0.5}, {}, {0.6, 9}} {
		if got := s.Windows[i].Pauses; !slices.EqualFunc(got, want, func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }) {
			t.Errorf("window %d: %v, want %v", i, got, want)
		}
	}
	if want := "| 5, one in 600 requests: 0.60 ms, the longest 9.00 ms, together 0.373 % of the time; forced to before the first request, it took 0.25 ms |"; !strings.Contains(s.markdown(), want) {
		t.Errorf("no %q in\n%s", want, s.markdown())
	}
}

func TestNoCollectionIsAResult(t *testing.T) {
	s := soaked(t)
	if want := "| 0: the collector never ran; forced to before the first request, it took 0.25 ms"; !strings.Contains(s.markdown(), want) {
		t.Errorf("no %q in\n%s", want, s.markdown())
	}
	if data, err := json.Marshal(s); err != nil || strings.Count(string(data), `"gc_pauses_ms":[]`) != 3 {
		t.Errorf("%s: %v", data, err)
	}
}

func TestALogWithoutTheForcedCollectionIsNoResult(t *testing.T) {
	if err := new(soak).collections("[2023-11-14 22:13:20.000][7][warning][main] no limit is configured\n"); err == nil {
		t.Error("no error")
	}
}

func TestSoaksAreWhole(t *testing.T) {
	for name, s := range map[string]*soak{"none": soaked(t), "some": soaked(t, [2]int64{100, 400}, [2]int64{2500, 600})} {
		svg := s.picture()
		if n := elements(t, name, svg); n < 30 || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Contains(svg, "%!") {
			t.Errorf("%s: %d elements:\n%s", name, n, svg)
		}

		for _, panel := range []string{"memory", "p99.9", "longest request", "longest GC pause", "GC pauses in each"} {
			if !strings.Contains(svg, panel) {
				t.Errorf("%s: no panel of %s", name, panel)
			}
		}
	}
}

func TestASoakKeepsToItsMemory(t *testing.T) {
	s := soaked(t)
	if err := s.within(); err != nil {
		t.Error(err)
	}

	s.Windows[1].Memory += soakMemory + 1
	if err := s.within(); err == nil {
		t.Error("no error")
	}
}
