package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/upstream"
)

// rounds is how often Envoy is started with and without the filter.
const rounds = 5

// measure prints the module's size, and the CPU to load it: the median of what an Envoy uses in its whole life with
// the filter, less the same without. The two take turns, so that a slow moment of the machine meets both.
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
	var with, without []time.Duration
	for range rounds {
		for _, kind := range []struct {
			listener envoy.Listener
			used     *[]time.Duration
		}{{all[0], &with}, {all[1], &without}} {
			used, err := life(ctx, o.envoy, kind.listener)
			if err != nil {
				return err
			}
			*kind.used = append(*kind.used, used)
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	fmt.Printf("loading it takes Envoy %d ms of CPU: %d ms with the filter, %d ms without, one worker, medians of %d starts\n",
		(with[rounds/2]-without[rounds/2])/time.Millisecond, with[rounds/2]/time.Millisecond, without[rounds/2]/time.Millisecond, rounds)
	return nil
}

// life is the CPU that an Envoy with one worker uses from its start to its end.
func life(ctx context.Context, binary string, listener envoy.Listener) (time.Duration, error) {
	proxy, err := envoy.Start(ctx, envoy.Config{Binary: binary, Listeners: []envoy.Listener{listener}})
	if err != nil {
		return 0, err
	}
	// V8 may still compile when Envoy is ready; what it has left to do is part of the figure.
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
	if err := proxy.Stop(); err != nil {
		return 0, err
	}
	return proxy.CPU(), ctx.Err()
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
