package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// rate is the load of the latency figures, in requests a second: an open loop,
// which does not wait for answers, and far from what the worker can do.
const rate = 1000

// latencyRounds is in how many pieces a contender's time is cut.
const latencyRounds = 4

// latencies are one contender's, in µs: the median of the rounds with the
// lowest and the highest.
type latencies struct {
	Name string `json:"name"`
	P50  spread `json:"p50"`
	P99  spread `json:"p99"`
	P999 spread `json:"p999"`
}

func (b *bench) latency(ctx context.Context, s scenario, each time.Duration) ([]latencies, error) {
	st, err := b.stage(ctx, s)
	if err != nil {
		return nil, err
	}

	rounds := make([][3][]float64, len(s.targets))
	err = func() error {
		for range latencyRounds {
			for _, i := range rand.Perm(len(s.targets)) {
				c := st.clients[i]
				if err := st.hush(ctx, c.target.contender.quiet); err != nil {
					return err
				}

				sorted, err := c.attack(ctx, each/latencyRounds)
				if err != nil {
					return err
				}

				for j, q := range []float64{0.5, 0.99, 0.999} {
					rounds[i][j] = append(rounds[i][j], quantile(sorted, q))
				}
			}
		}

		return nil
	}()
	if err := errors.Join(err, st.stop()); err != nil {
		return nil, err
	}

	var list []latencies
	for i, t := range s.targets {
		var l [3]spread
		for j, values := range rounds[i] {
			l[j] = extremes(values)
		}

		list = append(list, latencies{t.label, l[0], l[1], l[2]})
	}

	return list, nil
}

// attack gives the latencies of one attack in µs, sorted.
func (c *client) attack(ctx context.Context, during time.Duration) ([]float64, error) {
	header := http.Header{}
	for _, h := range c.target.request.headers {
		header.Add(h[0], h[1])
	}

	attacker := vegeta.NewAttacker(vegeta.KeepAlive(true), vegeta.Workers(16), vegeta.MaxWorkers(1000), vegeta.Connections(1000), vegeta.Timeout(10*time.Second))
	targeter := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: "http://" + c.address + c.target.request.path, Header: header})
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()
	var list []float64

	var failed string
	for result := range attacker.Attack(targeter, vegeta.Rate{Freq: rate, Per: time.Second}, during, "") {
		if result.Error != "" || result.Code != http.StatusOK {
			failed = fmt.Sprintf("%d %s", result.Code, result.Error)
		}

		list = append(list, float64(result.Latency.Nanoseconds())/1000)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if failed != "" {
		return nil, fmt.Errorf("%s at %d requests a second: %s", c.target.label, rate, failed)
	}
	// Connections are made in the first moments.
	list = list[len(list)/10:]
	slices.Sort(list)

	return list, nil
}
