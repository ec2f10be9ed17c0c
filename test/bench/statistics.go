package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// spread is a median with the quartiles around it.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return quantile(sorted, 0.5)
}

func quartiles(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	return spread{quantile(sorted, 0.5), quantile(sorted, 0.25), quantile(sorted, 0.75)}
}

// over is by how much values lie above base, round by round.
func over(values, base []float64) []float64 {
	list := make([]float64, len(values))
	for i := range values {
		list[i] = values[i] - base[i]
	}
	return list
}

// comparison of what two contenders take over no filter.
type comparison struct {
	// Ratio of the medians, and Difference in µs; low and high are between what 95 of 100 of them lie when the
	// rounds are drawn anew. Where the other takes nearly nothing, a ratio says nothing: it is nil.
	Ratio      *spread `json:"ratio,omitempty"`
	Difference spread  `json:"difference_us"`

	medians [2][]float64 // of each draw
}

const drawings = 1000

// compare a with b, which are paired: a round is drawn for both.
func compare(a, b []float64) comparison {
	random := rand.New(rand.NewPCG(1, 2))
	x, y := make([]float64, drawings), make([]float64, drawings)
	c, d := make([]float64, len(a)), make([]float64, len(a))
	for i := range x {
		for j := range a {
			k := random.IntN(len(a))
			c[j], d[j] = a[k], b[k]
		}
		x[i], y[i] = median(c), median(d)
	}
	result := comparison{medians: [2][]float64{x, y}, Difference: middle(x, y, median(a)-median(b), func(a, b float64) float64 { return a - b })}
	if quantile(slices.Sorted(slices.Values(y)), 0.025) > 1 {
		r := middle(x, y, median(a)/median(b), func(a, b float64) float64 { return a / b })
		result.Ratio = &r
	}
	return result
}

// middle is a value with what 95 of 100 draws give for it.
func middle(x, y []float64, value float64, of func(a, b float64) float64) spread {
	draws := make([]float64, len(x))
	for i := range x {
		draws[i] = of(x[i], y[i])
	}
	slices.Sort(draws)
	return spread{value, quantile(draws, 0.025), quantile(draws, 0.975)}
}

// weigh tells whether a is above most times b, below it, or too close to tell.
func (c comparison) weigh(most float64) string {
	excess := middle(c.medians[0], c.medians[1], 0, func(a, b float64) float64 { return a - most*b })
	switch {
	case excess.Low > 0:
		return lost
	case excess.High <= 0:
		return won
	}
	return even
}

// String says what a is beside b.
func (c comparison) String() string {
	if c.Ratio != nil {
		return fmt.Sprintf("%.2f (%.2f to %.2f) of", c.Ratio.Median, c.Ratio.Low, c.Ratio.High)
	}
	return fmt.Sprintf("%+.1f µs (%+.1f to %+.1f) beside", c.Difference.Median, c.Difference.Low, c.Difference.High)
}
