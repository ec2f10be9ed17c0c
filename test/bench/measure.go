package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// cpu is the time that a process's threads have spent on a processor, by the
// scheduler's own count.
func cpu(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	if len(files) == 0 {
		return 0, errors.New("there is no /proc/PID/task/TID/schedstat: the benchmark needs Linux with CONFIG_SCHED_INFO")
	}

	var sum time.Duration
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // a thread that has just ended
		}
		if err != nil {
			return 0, err
		}

		first, _, _ := bytes.Cut(data, []byte(" "))
		ns, err := strconv.ParseInt(string(first), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}

		sum += time.Duration(ns)
	}

	return sum, nil
}

// side by side: one Envoy with a listener for each target.
type stage struct {
	proxy   *envoy.Envoy
	clients []*client
	quiet   bool
}

func (b *bench) stage(ctx context.Context, s scenario) (*stage, error) {
	var listeners []envoy.Listener
	for i, t := range s.targets {
		w := t.work
		if t.contender.does != nil {
			w = t.contender.does(w)
		}

		routes, filters := t.contender.build(t.contender, b.modules, b.upstream, w)
		listeners = append(listeners, envoy.Listener{Name: "l" + strconv.Itoa(i), Upstream: b.upstream, Routes: routes, Filters: filters})
	}

	proxy, err := envoy.Start(ctx, envoy.Config{Binary: b.envoy, Listeners: listeners})
	if err != nil {
		return nil, err
	}

	st := &stage{proxy: proxy}
	for i, t := range s.targets {
		c := newClient(fmt.Sprintf("127.0.0.1:%d", proxy.Port("l"+strconv.Itoa(i))), t, s.connections)
		st.clients = append(st.clients, c)
	}

	for _, c := range st.clients {
		if err := errors.Join(c.check(), st.hush(ctx, c.target.contender.quiet), c.run(ctx, max(500, 2*s.connections))); err != nil {
			return nil, errors.Join(err, st.stop())
		}
	}

	return st, nil
}

func (st *stage) stop() error {
	for _, c := range st.clients {
		c.http.CloseIdleConnections()
	}
	return st.proxy.Stop()
}

// hush makes Envoy leave out what filters log, or write it again.
func (st *stage) hush(ctx context.Context, quiet bool) error {
	if quiet == st.quiet {
		return nil
	}

	level := "warning"
	if quiet {
		level = "error"
	}

	_, err := st.proxy.Admin(ctx, http.MethodPost, "/logging?wasm="+level)
	st.quiet = quiet

	return err
}

// run measures rounds, in each of which every target gets one batch of
// requests, in an order of its own, until the time is over. The result is the
// CPU time of Envoy a request, in µs, by target and round.
func (b *bench) run(ctx context.Context, s scenario) ([][]float64, int, error) {
	st, err := b.stage(ctx, s)
	if err != nil {
		return nil, 0, err
	}

	samples := make([][]float64, len(s.targets))
	batch := max(b.batch, s.connections)
	err = func() error {
		end := time.Now().Add(s.during)
		for round := 0; round < b.maxRounds && (round < b.minRounds || time.Now().Before(end)); round++ {
			for _, i := range rand.Perm(len(s.targets)) {
				c := st.clients[i]
				if err := st.hush(ctx, c.target.contender.quiet); err != nil {
					return err
				}

				before, err := cpu(st.proxy.Pid())
				if err != nil {
					return err
				}
				if err := c.run(ctx, batch); err != nil {
					return err
				}

				after, err := cpu(st.proxy.Pid())
				if err != nil {
					return err
				}

				samples[i] = append(samples[i], float64((after-before).Nanoseconds())/1000/float64(batch))
			}
		}

		return nil
	}()

	return samples, batch, errors.Join(err, st.stop())
}
