package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/wasm"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/upstream"
)

// rounds is how often Envoy is started with and without the filter.
const rounds = 5

// measure prints what the module costs a proxy before its first request: its size, and the medians of the memory and the
// CPU that an Envoy takes with the filter, less the same without. The two take turns, so that a slow moment of the
// machine meets both. Then how much code a request touches, and the functions that V8 has most to do with.
func measure(ctx context.Context, o options) (err error) {
	plugins, err := render(ctx, o)
	if err != nil {
		return err
	}

	size, zipped, err := sizes(o.module)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %d compressed\n", o.module, size, zipped)

	httpbin, err := upstream.Start(ctx, o.httpbin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, httpbin.Stop()) }()

	all := listeners(0, plugins[:1], httpbin.Address)

	var with, without []cost
	for range rounds {
		for _, kind := range []struct {
			listener envoy.Listener
			costs    *[]cost
		}{{all[0], &with}, {all[1], &without}} {
			c, err := life(ctx, o.envoy, kind.listener)
			if err != nil {
				return err
			}

			*kind.costs = append(*kind.costs, c)
		}
	}
	compare(with, without)
	if err := touched(ctx, o, all[0]); err != nil {
		return err
	}

	return heaviest(o.module)
}

// compare prints how much more one kind of Envoy takes than the other.
func compare(with, without []cost) {
	fmt.Printf("over an Envoy without it, one worker, medians of %d starts (and the range):\n", rounds)

	for _, row := range []struct {
		name, unit string
		of         func(cost) float64
	}{
		{"private memory", "MiB", func(c cost) float64 { return c.private }},
		{"RSS", "MiB", func(c cost) float64 { return c.rss }},
		{"CPU to be ready", "s", func(c cost) float64 { return c.cpu.Seconds() }},
	} {
		more := make([]float64, rounds)
		for i := range more {
			more[i] = row.of(with[i]) - row.of(without[i])
		}
		slices.Sort(more)
		fmt.Printf("  %-16s %+6.2f %s (%.2f to %.2f)\n", row.name, more[rounds/2], row.unit, more[0], more[rounds-1])
	}
}

// heaviest prints the functions for which V8 takes most memory when it compiles them.
func heaviest(file string) error {
	module, err := os.ReadFile(file)
	if err != nil {
		return err
	}

	list, err := wasm.Functions(module)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Println("the ten functions that V8 takes most memory to compile (locals × blocks):")

	for _, f := range list[:min(len(list), 10)] {
		fmt.Printf("  %6d = %3d × %3d, %6d bytes, %s\n", f.Weight(), f.Locals, f.Blocks, f.Bytes, f.Name)
	}

	return nil
}

// cost is what an Envoy takes.
type cost struct {
	private, rss float64 // MiB, once it has come to rest
	cpu          time.Duration
}

// life is what an Envoy with one worker takes until it has come to rest.
func life(ctx context.Context, binary string, listener envoy.Listener) (c cost, err error) {
	proxy, err := envoy.Start(ctx, envoy.Config{Binary: binary, Listeners: []envoy.Listener{listener}})
	if err != nil {
		return c, err
	}

	err = rested(ctx, proxy.Pid())
	if err == nil {
		c.private, c.rss, err = memory(proxy.Pid())
	}
	if err := errors.Join(err, proxy.Stop()); err != nil {
		return c, err
	}

	c.cpu = proxy.CPU()

	return c, ctx.Err()
}

// rested waits until a process has used no CPU to speak of for half a second: V8 may still compile when Envoy is ready.
func rested(ctx context.Context, pid int) error {
	const quiet = 5 // looks in a row

	last, still := -1, 0
	for range 300 {
		used, err := ticks(pid)
		if err != nil {
			return err
		}
		if still++; used > last+1 {
			still, last = 0, used
		}
		if still == quiet {
			return nil
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}

	return errors.New("the process does not come to rest within 30 s")
}

// ticks is the CPU that a process has used, in the kernel's unit.
func ticks(pid int) (int, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}

	_, rest, _ := strings.Cut(string(stat), ") ") // after the program's name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("/proc has no times of the process")
	}

	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}

	system, err := strconv.Atoi(fields[12])

	return user + system, err
}

// memory gives the private memory and the RSS of a process in MiB. Private is what it has written; what it has only
// read is its program, which other proxies share.
func memory(pid int) (private, rss float64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}

	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}

		to := map[string]*float64{"Rss:": &rss, "Private_Dirty:": &private}[fields[0]]
		if to == nil {
			continue
		}

		kib, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return 0, 0, err
		}

		*to = kib / 1024
	}

	return private, rss, nil
}

func sizes(file string) (plain, zipped int64, err error) {
	in, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer in.Close()
	var count counter
	out := gzip.NewWriter(&count)
	if plain, err = io.Copy(out, in); err != nil {
		return 0, 0, err
	}

	err = out.Close()

	return plain, int64(count), err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
