package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// spread is a median and how sure it is: of rounds, between what 95 of 100
// medians lie when the rounds are drawn again; of a few repetitions, the lowest
// and the highest.
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

// extremes are for a few repetitions.
func extremes(values []float64) spread {
	return spread{median(values), slices.Min(values), slices.Max(values)}
}

// drawings is how often rounds are drawn again.
const drawings = 1000

// sure is for many rounds.
func sure(values []float64) spread {
	m := draw(values)[0]
	return middle(m, m, median(values), 0.95, func(a, _ float64) float64 { return a })
}

// draw gives the medians of lists that are paired, a round being drawn for all
// of them at once, for each drawing.
func draw(lists ...[]float64) [][]float64 {
	random := rand.New(rand.NewPCG(1, 2))
	medians := make([][]float64, len(lists))

	picked := make([][]float64, len(lists))
	for i := range lists {
		medians[i] = make([]float64, drawings)
		picked[i] = make([]float64, len(lists[0]))
	}

	for d := range drawings {
		for j := range lists[0] {
			k := random.IntN(len(lists[0]))
			for i, list := range lists {
				picked[i][j] = list[k]
			}
		}

		for i := range lists {
			medians[i][d] = median(picked[i])
		}
	}

	return medians
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
	// Ratio of the medians, and Difference in µs. Where the other takes nearly nothing, a ratio says nothing: nil.
	Ratio      *spread `json:"ratio,omitempty"`
	Difference spread  `json:"difference_us"`

	medians [][]float64
}

// compare a with b, which are paired.
func compare(a, b []float64) comparison {
	medians := draw(a, b)
	x, y := medians[0], medians[1]
	result := comparison{medians: medians, Difference: middle(x, y, median(a)-median(b), 0.95, func(a, b float64) float64 { return a - b })}
	if quantile(slices.Sorted(slices.Values(y)), 0.025) > 1 {
		r := middle(x, y, median(a)/median(b), 0.95, func(a, b float64) float64 { return a / b })
		result.Ratio = &r
	}
	return result
}

// middle is a value with what a share of the draws gives for it, the extremes
// left out.
func middle(x, y []float64, value, share float64, of func(a, b float64) float64) spread {
	draws := make([]float64, len(x))
	for i := range x {
		draws[i] = of(x[i], y[i])
	}
	slices.Sort(draws)
	return spread{value, quantile(draws, (1-share)/2), quantile(draws, (1+share)/2)}
}

// weigh reports whether a is above most times b, below it, or too close to tell.
// A run makes some 40 comparisons, so it asks for more than 95 of 100 draws.
func (c comparison) weigh(most float64) string {
	excess := middle(c.medians[0], c.medians[1], 0, 0.998, func(a, b float64) float64 { return a - most*b })
	switch {
	case excess.Low > 0:
		return lost
	case excess.High <= 0:
		return won
	}
	return even
}

// String says how a compares with b.
func (c comparison) String() string {
	if c.Ratio != nil {
		return fmt.Sprintf("%.2f (%.2f to %.2f) of", c.Ratio.Median, c.Ratio.Low, c.Ratio.High)
	}
	return fmt.Sprintf("%+.1f µs (%+.1f to %+.1f) beside", c.Difference.Median, c.Difference.Low, c.Difference.High)
}
