package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// startup is what a contender costs before its first request, over an Envoy without it.
type startup struct {
	Name    string `json:"name"`
	Workers int    `json:"workers"`
	// Plugins is how many listeners have it, each with a configuration of its own. Where there are several, the costs are
	// those of one more, from the second on.
	Plugins int    `json:"plugins"`
	Private spread `json:"private_mib"`
	RSS     spread `json:"rss_mib"`
	CPU     spread `json:"cpu_ms"`
}

// firstUse is how long it takes from the push of a contender to a running Envoy until a request meets it, in ms.
type firstUse struct {
	Name string `json:"name"`
	Took spread `json:"took_ms"`
}

// manyPlugins is how many there are where the cost of one more is measured.
const manyPlugins = 20

var startingContenders = []string{baseline, ours, empty, lua, rust, seed}

// taken is what an Envoy has used when it has come to rest.
type taken struct{ private, rss, cpu float64 }

func (b *bench) startups(ctx context.Context, rounds int) (list []startup, err error) {
	for _, shape := range []struct{ workers, plugins int }{{1, 1}, {2, 1}, {8, 1}, {1, manyPlugins}} {
		samples := map[string][]taken{}

		// In turns, so that a slow moment of the machine meets all.
		for range rounds {
			for _, name := range startingContenders {
				t, err := b.start(ctx, find(name), shape.workers, shape.plugins)
				if err != nil {
					return nil, err
				}

				samples[name] = append(samples[name], t)
			}
		}

		for _, name := range startingContenders[1:] {
			s := startup{Name: name, Workers: shape.workers, Plugins: shape.plugins}
			of := func(figure func(taken) float64) spread {
				var more []float64
				for i := range samples[name] {
					more = append(more, figure(samples[name][i])-figure(samples[baseline][i]))
				}

				return extremes(more)
			}

			s.Private = of(func(t taken) float64 { return t.private })
			s.RSS = of(func(t taken) float64 { return t.rss })
			s.CPU = of(func(t taken) float64 { return t.cpu })

			if shape.plugins > 1 {
				s.less(list[indexOfFirst(list, name)])
			}

			list = append(list, s)
		}
	}

	return list, nil
}

// indexOfFirst finds the row of one worker and one plugin.
func indexOfFirst(list []startup, name string) int {
	for i := range list {
		if list[i].Name == name {
			return i
		}
	}

	panic("no row of " + name)
}

// less leaves what each plugin after the first one costs.
func (s *startup) less(first startup) {
	for _, pair := range []struct {
		of  *spread
		one spread
	}{{&s.Private, first.Private}, {&s.RSS, first.RSS}, {&s.CPU, first.CPU}} {
		more := float64(s.Plugins - 1)
		pair.of.Median = (pair.of.Median - pair.one.Median) / more
		pair.of.Low = (pair.of.Low - pair.one.High) / more
		pair.of.High = (pair.of.High - pair.one.Low) / more
	}
}

// start starts an Envoy with a contender on some listeners and says what that took.
func (b *bench) start(ctx context.Context, c contender, workers, plugins int) (t taken, err error) {
	w := seedWork
	if c.does != nil {
		w = c.does(w)
	}

	var listeners []envoy.Listener
	for i := range plugins {
		one := c
		one.name += strconv.Itoa(i)

		if len(w.patterns) > 0 {
			w.patterns = []pattern{{"regex", "banana" + strconv.Itoa(i) + "/([0-9]*)", "status/$1"}}
		}

		routes, filters := c.build(one, b.modules, b.upstream, w)
		listeners = append(listeners, envoy.Listener{Name: "l" + strconv.Itoa(i), Upstream: b.upstream, Routes: routes, Filters: filters})
	}

	proxy, err := envoy.Start(ctx, envoy.Config{Binary: b.envoy, Workers: workers, Listeners: listeners})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()

	if err := pauseToSettle(ctx); err != nil {
		return t, err
	}

	used, err := cpu(proxy.Pid())
	if err != nil {
		return t, err
	}

	t.cpu = float64(used.Microseconds()) / 1000
	if t.rss, err = resident(proxy.Pid()); err != nil {
		return t, err
	}

	t.private, err = private(proxy.Pid())

	return t, err
}

// private is what a process has written of its memory, in MiB: the rest it shares with other proxies.
func private(pid int) (float64, error) {
	file := fmt.Sprintf("/proc/%d/smaps_rollup", pid)

	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}

	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Private_Dirty:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}

	return 0, errors.New(file + " has no Private_Dirty")
}

func (b *bench) firstUses(ctx context.Context, rounds int) (list []firstUse, err error) {
	for _, name := range []string{ours, lua, rust} {
		var took []float64

		for range rounds {
			ms, err := b.push(ctx, find(name))
			if err != nil {
				return nil, err
			}

			took = append(took, ms)
		}

		list = append(list, firstUse{name, extremes(took)})
	}

	return list, nil
}

// push hands a contender to an Envoy that runs with one that does nothing, and asks until an answer shows it at work.
func (b *bench) push(ctx context.Context, c contender) (ms float64, err error) {
	idle := c
	if c.module != "" {
		idle = find(empty)
		idle.name = c.name
	}

	_, before := idle.build(idle, b.modules, b.upstream, work{})
	_, after := c.build(c, b.modules, b.upstream, seedWork)
	before[0].Static, after[0].Static = false, false

	proxy, err := envoy.Start(ctx, envoy.Config{Binary: b.envoy, Listeners: []envoy.Listener{{Name: "l", Upstream: b.upstream, Filters: before}}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()

	if err := pauseToSettle(ctx); err != nil {
		return 0, err
	}

	began := time.Now()
	pushed := make(chan error, 1)

	go func() { pushed <- proxy.Configure(ctx, after[0]) }()

	client := &fasthttp.HostClient{Addr: fmt.Sprintf("127.0.0.1:%d", proxy.Port("l"))}
	for ctx.Err() == nil && time.Since(began) < time.Minute {
		var request fasthttp.Request
		var response fasthttp.Response

		request.SetRequestURI("http://" + client.Addr + "/banana/418")

		if err := client.Do(&request, &response); err != nil {
			return 0, err
		}

		if len(response.Header.Peek("who-am-i")) > 0 {
			return float64(time.Since(began).Microseconds()) / 1000, <-pushed
		}
	}

	return 0, errors.Join(ctx.Err(), <-pushed, errors.New(c.name+": no answer shows that it is at work"))
}
