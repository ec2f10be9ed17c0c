package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// costs are what a contender takes in addition to requests, over an Envoy without it.
type costs struct {
	Name string `json:"name"`
	// Size and Compressed (gzip) are the module's, in bytes; 0 where there is none.
	Size       int `json:"size"`
	Compressed int `json:"compressed"`
	// Load is the CPU until it serves, in ms; V8 compiles all of a module at once.
	Load spread `json:"load_ms"`
	// Memory is resident with one worker, WorkerMemory what each further one adds, in MiB.
	Memory       spread `json:"memory_mib"`
	WorkerMemory spread `json:"worker_memory_mib"`
	// Configure is the CPU of taking another configuration, of one pattern and of 1,000, in ms, one worker, over
	// what it costs to hand one to the empty filter. Modules only.
	Configure     *spread `json:"configure_ms,omitempty"`
	ConfigureMany *spread `json:"configure_1000_ms,omitempty"`
}

// workers is how many there are where memory a worker is measured.
const workers = 4

// settle is left to Envoy to do what it does after it is ready.
const settle = 500 * time.Millisecond

// figures are what was measured of one contender, a number a round.
type figures struct {
	load, memory, worker []float64
	one, thousand        []float64 // nil where its configuration is not one of rules
}

func (b *bench) costs(ctx context.Context, rounds int) ([]costs, error) {
	var contenders []contender
	for _, name := range []string{baseline, empty, ours, sdkStreams, lua, rust, seed, seedDefault} {
		contenders = append(contenders, find(name))
	}

	measured := make([]figures, len(contenders))
	for range rounds {
		for i, c := range contenders {
			if err := b.round(ctx, c, &measured[i]); err != nil {
				return nil, err
			}
		}
	}

	const noFilter, emptyFilter = 0, 1

	var list []costs
	for i, c := range contenders[1:] {
		k, err := b.cost(c, measured[i+1], measured[noFilter], measured[emptyFilter])
		if err != nil {
			return nil, err
		}

		list = append(list, k)
	}

	return list, nil
}

// round measures a contender once.
func (b *bench) round(ctx context.Context, c contender, f *figures) error {
	used, small, err := b.life(ctx, c, 1)
	if err != nil {
		return err
	}

	_, large, err := b.life(ctx, c, workers)
	if err != nil {
		return err
	}

	f.load = append(f.load, used)
	f.memory = append(f.memory, small)
	f.worker = append(f.worker, (large-small)/(workers-1))
	if c.module == "" || c.name == seed || c.name == seedDefault {
		return nil
	}

	one, thousand, err := b.configure(ctx, c)
	if err != nil {
		return err
	}

	f.one = append(f.one, one)
	f.thousand = append(f.thousand, thousand)

	return nil
}

// cost is what a contender costs over an Envoy without a filter, and its configuration over a module that does nothing.
func (b *bench) cost(c contender, f, noFilter, emptyFilter figures) (costs, error) {
	k := costs{
		Name:         c.name,
		Load:         extremes(over(f.load, noFilter.load)),
		Memory:       extremes(over(f.memory, noFilter.memory)),
		WorkerMemory: extremes(over(f.worker, noFilter.worker)),
	}
	if c.module != "" {
		var err error
		if k.Size, k.Compressed, err = sizes(c.file(b.modules)); err != nil {
			return k, err
		}
	}
	if f.one != nil && c.name != empty {
		x, y := extremes(over(f.one, emptyFilter.one)), extremes(over(f.thousand, emptyFilter.thousand))
		k.Configure, k.ConfigureMany = &x, &y
	}

	return k, nil
}

// life starts an Envoy with a contender and gives the CPU it has used when it
// serves, in ms, and what it holds in memory, in MiB.
func (b *bench) life(ctx context.Context, c contender, workers int) (used, memory float64, err error) {
	w := seedWork
	if c.does != nil {
		w = c.does(w)
	}

	routes, filters := c.build(c, b.modules, b.upstream, w)
	proxy, err := envoy.Start(ctx, envoy.Config{Binary: b.envoy, Workers: workers, Listeners: []envoy.Listener{{
		Name: "l", Upstream: b.upstream, Routes: routes, Filters: filters,
	}}})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()
	if err := pauseToSettle(ctx); err != nil {
		return 0, 0, err
	}

	taken, err := cpu(proxy.Pid())
	if err != nil {
		return 0, 0, err
	}

	memory, err = resident(proxy.Pid())

	return float64(taken.Microseconds()) / 1000, memory, err
}

// configure hands new configurations to a running Envoy and gives the CPU that
// takes, in ms, for one pattern and for 1,000.
func (b *bench) configure(ctx context.Context, c contender) (one, thousand float64, err error) {
	filter := func(patterns []pattern) envoy.Filter {
		_, filters := c.build(c, b.modules, b.upstream, work{patterns: patterns})
		filters[0].Static = false
		return filters[0]
	}
	proxy, err := envoy.Start(ctx, envoy.Config{Binary: b.envoy, Listeners: []envoy.Listener{{
		Name: "l", Upstream: b.upstream, Filters: []envoy.Filter{filter(seedWork.patterns)},
	}}})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()

	take := func(patterns []pattern) (float64, error) {
		if err := pauseToSettle(ctx); err != nil {
			return 0, err
		}

		before, err := cpu(proxy.Pid())
		if err != nil {
			return 0, err
		}
		if err := proxy.Configure(ctx, filter(patterns)); err != nil {
			return 0, err
		}
		// The workers follow.
		if err := pauseToSettle(ctx); err != nil {
			return 0, err
		}

		after, err := cpu(proxy.Pid())

		return float64((after - before).Microseconds()) / 1000, err
	}
	if one, err = take(many("mixed", 1)); err != nil {
		return 0, 0, err
	}

	thousand, err = take(many("mixed", 1000))

	return one, thousand, err
}

// pauseToSettle waits until an Envoy has done what it does after a change.
func pauseToSettle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settle):
		return nil
	}
}

// resident is what a process holds in memory, in MiB.
func resident(pid int) (float64, error) {
	file := fmt.Sprintf("/proc/%d/status", pid)
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}

	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kib, err := strconv.Atoi(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))))
			return float64(kib) / 1024, err
		}
	}

	return 0, errors.New(file + " has no VmRSS")
}

func sizes(file string) (plain, compressed int, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		return 0, 0, err
	}

	err = w.Close()

	return len(data), b.Len(), err
}
