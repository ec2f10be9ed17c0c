package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// picture is an SVG that follows the reader's light or dark theme.
type picture struct {
	strings.Builder
	width, height float64
}

func (p *picture) text(x, y float64, class, format string, args ...any) {
	fmt.Fprintf(p, `<text x="%.1f" y="%.1f" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(fmt.Sprintf(format, args...)))
}

func (p *picture) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(p, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

func (p *picture) svg(title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">
<title>%s</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-size: 15px; font-weight: 600 }
.small { font-size: 12px; fill: #59636e }
.right { text-anchor: end }
.middle { text-anchor: middle; font-size: 12px; fill: #59636e }
.grid { stroke: #d1d9e0 }
.whisker { stroke: #1f2328; stroke-width: 1.5 }
.bar { fill: #9aa7b4 }
.mine { fill: #0969da }
path { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small, .middle { fill: #9198a1 }
.grid { stroke: #3d444d }
.whisker { stroke: #f0f6fc }
.bar { fill: #656c76 }
.mine { fill: #4493f8 }
}
</style>
%s</svg>
`, p.width, p.height, p.width, p.height, html.EscapeString(title), p.String())
}

// step is a round distance between some five lines of a grid.
func step(most float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(most/5)))
	for _, n := range []float64{1, 2, 5} {
		if n*power*6 >= most {
			return n * power
		}
	}
	return 10 * power
}

// pictures are the files to draw, by name.
func (r *report) pictures() map[string]string {
	files := map[string]string{}
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		switch s.Name {
		case "seed":
			files["cost.svg"] = r.bars(s)
		case "many-mixed":
			files["patterns.svg"] = r.curves(s)
		}
	}

	return files
}

func (r *report) under() string {
	return fmt.Sprintf("%s, %s, %d cores, %s", r.Machine.Envoy, r.Machine.CPU, r.Machine.Cores, r.Began.Format("2006-01-02"))
}

// bars shows a scenario's contenders, the cheapest first.
func (r *report) bars(s *scenarioResult) string {
	rows := slices.Clone(s.Rows)
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.Over.Median, b.Over.Median) })

	most := 0.0
	for _, x := range rows {
		most = max(most, x.Over.High)
	}
	const left, top, height, right = 225.0, 64.0, 26.0, 70.0
	p := &picture{width: 760, height: top + height*float64(len(rows)) + 62}
	bottom := p.height - 58
	at := func(v float64) float64 { return left + max(v, 0)/most*(p.width-left-right) }
	p.text(16, 24, "head", "CPU time a request, over no filter")
	p.text(16, 44, "small", "%s; median of %d rounds, whiskers: 95 %% sure", s.Title, s.Rounds)

	for v := 0.0; v <= most; v += step(most) {
		p.line(at(v), top, at(v), bottom, "grid")
		p.text(at(v), bottom+16, "middle", "%g µs", v)
	}

	for i, x := range rows {
		y := top + height*float64(i)
		class := "bar"
		if x.Name == ours {
			class = "mine"
		}
		p.text(left-10, y+17, "right", "%s", x.Label)
		fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s"/>`+"\n", left, y+4, at(x.Over.Median)-left, height-8, class)
		p.line(at(x.Over.Low), y+height/2, at(x.Over.High), y+height/2, "whisker")
		p.text(at(max(x.Over.High, x.Over.Median))+8, y+17, "", "%.1f", x.Over.Median)
	}
	p.text(16, p.height-22, "small", "%s", r.under())
	p.text(16, p.height-6, "small", "no filter: %.1f µs; measured twice, the difference is %.1f µs", s.NoFilter.Median, s.Noise.Median)

	return p.svg("CPU time a request")
}

// curves shows cost against the number of patterns: solid where the last one
// matches, dashed where none does.
func (r *report) curves(s *scenarioResult) string {
	colors := []string{"#0969da", "#bc4c00", "#1a7f37", "#8250df", "#59636e"}
	var names []string

	least, most := math.Inf(1), 0.0 // the noise is some µs: nothing is drawn below 1
	for _, x := range s.Rows {
		if !slices.Contains(names, x.Name) {
			names = append(names, x.Name)
		}

		most, least = max(most, x.Over.High), min(least, max(x.Over.Low, 1))
	}
	const left, top, right = 70.0, 64.0, 40.0
	p := &picture{width: 760, height: 430}
	bottom := p.height - 96
	// Both axes are logarithmic: contenders lie decades apart.
	x := func(n int) float64 {
		return left + math.Log10(float64(n))/math.Log10(float64(counts[len(counts)-1]))*(p.width-left-right)
	}

	grid := gridOf(least, most)
	least, most = grid[0], grid[len(grid)-1]
	low, high := math.Log10(least), math.Log10(most)
	y := func(v float64) float64 {
		return bottom - (math.Log10(max(v, least))-low)/(high-low)*(bottom-top)
	}
	p.text(16, 24, "head", "CPU time a request, over no filter, by number of patterns")
	p.text(16, 44, "small", "a third each exact, prefix and regex; solid: the last one matches, dashed: none does; whiskers: 95 %% sure")

	for i, v := range grid {
		p.line(left, y(v), p.width-right, y(v), "grid")

		label := "%g µs"
		if i == 0 {
			label = "≤ %g µs"
		}
		p.text(left-8, y(v)+4, "small right", label, v)
	}

	for _, n := range counts {
		p.text(x(n), bottom+18, "middle", "%d", n)
	}

	for i, name := range names {
		color := colors[i%len(colors)]
		for _, matches := range []bool{true, false} {
			// So that whiskers do not hide each other.
			aside := float64(i)*3 - 6
			if !matches {
				aside += 1.5
			}
			p.curve(color, !matches, func(n int) *row { return s.row(name, n, matches) }, func(n int) float64 { return x(n) + aside }, y)
		}

		at := left + float64(i)*150
		fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="12" height="12" fill="%s"/>`+"\n", at, bottom+34, color)
		p.text(at+18, bottom+45, "", "%s", name)
	}
	p.text(16, p.height-22, "small", "%s", r.under())
	p.text(16, p.height-6, "small", "measured twice, no filter differs by %.1f µs", s.Noise.Median)

	return p.svg("CPU time a request, by number of patterns")
}

// gridOf are the lines of a logarithmic axis, from the one below least to the one above most.
func gridOf(least, most float64) (grid []float64) {
	for decade := math.Floor(math.Log10(least)); decade <= math.Ceil(math.Log10(most)); decade++ {
		for _, n := range []float64{1, 2, 5} {
			grid = append(grid, n*math.Pow(10, decade))
		}
	}

	first, exactly := slices.BinarySearch(grid, least)
	if !exactly {
		first--
	}

	last, _ := slices.BinarySearch(grid, most)

	return grid[first:min(last+1, len(grid))]
}

// curve draws one contender's costs at each number of patterns, with their whiskers.
func (p *picture) curve(color string, dashed bool, cost func(n int) *row, x func(n int) float64, y func(v float64) float64) {
	var path strings.Builder

	command := "M"
	for _, n := range counts {
		one := cost(n)
		if one == nil {
			continue
		}

		at := x(n)
		fmt.Fprintf(&path, "%s%.1f %.1f", command, at, y(one.Over.Median))
		command = "L"
		fmt.Fprintf(p, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`+"\n", at, y(one.Over.Median), color)
		fmt.Fprintf(p, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", at, y(one.Over.Low), at, y(one.Over.High), color)
	}

	dash := ""
	if dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	fmt.Fprintf(p, `<path d="%s" stroke="%s"%s/>`+"\n", path.String(), color, dash)
}
