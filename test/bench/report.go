package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what a run has found; the JSON that it writes.
type report struct {
	Command    string           `json:"command"`
	Began      time.Time        `json:"began"`
	Machine    machine          `json:"machine"`
	Contenders []contenderAbout `json:"contenders"`
	Verdicts   []verdict        `json:"verdicts"`
	Scenarios  []scenarioResult `json:"scenarios"`
	Latency    []latencies      `json:"latency_us,omitempty"`
	Startups   []startup        `json:"startups,omitempty"`
	FirstUses  []firstUse       `json:"first_uses,omitempty"`
	Costs      []costs          `json:"costs,omitempty"`
}

type machine struct {
	CPU    string  `json:"cpu"`
	Cores  int     `json:"cores"`
	Kernel string  `json:"kernel"`
	Load   float64 `json:"load_average"` // of the minute before the run
	Envoy  string  `json:"envoy"`
}

type contenderAbout struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// scenarioResult: CPU time of Envoy a request, in µs.
type scenarioResult struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Connections int    `json:"connections"`
	Rounds      int    `json:"rounds"`
	Batch       int    `json:"requests_a_round"`
	// NoFilter is the CPU time without a filter, Noise the two measurements of it against each other.
	NoFilter spread `json:"no_filter"`
	Noise    spread `json:"noise"`
	Rows     []row  `json:"rows"`

	short string
}

type row struct {
	Name     string `json:"name"` // the contender's
	Label    string `json:"label"`
	Patterns int    `json:"patterns,omitempty"`
	Matches  bool   `json:"matches"`
	// Over is the CPU time over no filter, paired in each round.
	Over spread `json:"over"`
	// Ours is what wasm-rewrite takes in addition to it: a ratio below 1 is cheaper.
	Ours *comparison `json:"ours,omitempty"`

	rounds []float64
}

// conclude makes figures of samples. The first two targets are without a filter.
func conclude(s scenario, samples [][]float64, batch int) scenarioResult {
	base := make([]float64, len(samples[0]))
	for i := range base {
		base[i] = (samples[0][i] + samples[1][i]) / 2
	}

	r := scenarioResult{
		Name: s.name, short: s.short, Title: s.title, Connections: s.connections, Rounds: len(base), Batch: batch,
		NoFilter: sure(base), Noise: sure(over(samples[1], samples[0])),
	}
	for i, t := range s.targets[2:] {
		rounds := over(samples[i+2], base)
		r.Rows = append(r.Rows, row{
			Name: t.contender.name, Label: t.label, Patterns: t.patterns, Matches: t.matches, Over: sure(rounds), rounds: rounds,
		})
	}

	for i := range r.Rows {
		theirs := &r.Rows[i]
		if theirs.Name == ours {
			continue
		}
		if mine := r.row(ours, theirs.Patterns, theirs.Matches); mine != nil {
			beside := compare(mine.rounds, theirs.rounds)
			theirs.Ours = &beside
		}
	}

	return r
}

func (r *scenarioResult) row(name string, patterns int, matches bool) *row {
	for i := range r.Rows {
		if x := &r.Rows[i]; x.Name == name && x.Patterns == patterns && x.Matches == matches {
			return x
		}
	}
	return nil
}

// goals are the ratios that wasm-rewrite wants to stay below, by scenario and
// contender.
var goals = map[[2]string]float64{
	{"seed", lua}:  0.9,
	{"seed", seed}: 0.6,
	{"seed", rust}: 0.7,
	// The goal is the SDK's filter as its user builds it; next to the trimmed one it is shown what is lost.
	{"no-match", emptyDefault}: 0.8,
	{"no-match", lua}:          0.92,
}

// mostForMany is what the largest number of patterns may cost of what one costs.
const mostForMany = 1.5

// verdict is a comparison in words.
type verdict struct {
	// Result: lost (clearly dearer than another, or a goal clearly missed), even (within the noise), won.
	Result string `json:"result"`
	Text   string `json:"text"`
}

const (
	lost = "lost"
	even = "even"
	won  = "won"
)

// judge compares; what is lost comes first.
func (r *report) judge() {
	add := func(result, format string, args ...any) {
		r.Verdicts = append(r.Verdicts, verdict{result, fmt.Sprintf(format, args...)})
	}
	for _, s := range r.Scenarios {
		for _, matches := range []bool{true, false} {
			one, most := s.row(ours, 1, matches), s.row(ours, counts[len(counts)-1], matches)
			if one != nil && most != nil {
				c := compare(most.rounds, one.rounds)
				add(c.weigh(mostForMany), "%s: %d cost %s 1, %s; the goal is %.1f", s.short, most.Patterns, c, which(matches), mostForMany)
			}
		}

		for _, x := range s.Rows {
			where := s.short
			if x.Patterns > 0 {
				where = fmt.Sprintf("%s, %d, %s", s.short, x.Patterns, which(x.Matches))
			}
			if most, ok := goals[[2]string{s.Name, x.Name}]; ok {
				add(x.Ours.weigh(most), "%s: %s %s; the goal is %.1f", where, x.Ours, x.Name, most)
			} else if x.Ours != nil && x.Name != sdkStreams && (x.Name != empty || s.Name == "no-match") && x.Name != emptyDefault {
				// None of those is another way to do the work.
				add(x.Ours.weigh(1), "%s: %s %s", where, x.Ours, x.Name)
			}
		}
	}

	order := []string{lost, even, won}
	slices.SortStableFunc(r.Verdicts, func(a, b verdict) int { return slices.Index(order, a.Result) - slices.Index(order, b.Result) })
}

func which(matches bool) string {
	if matches {
		return "the last matches"
	}
	return "none matches"
}

func (s spread) String() string { return fmt.Sprintf("%.1f (%.1f to %.1f)", s.Median, s.Low, s.High) }

// markdown is the report for people.
func (r *report) markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# What a request costs\n\n")
	p("`%s`, begun %s on %s, %d cores, Linux %s, load average %.1f before; %s, one worker.\n\n",
		r.Command, r.Began.Format("2006-01-02 15:04 MST"), r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Load, r.Machine.Envoy)
	p("CPU time of all of Envoy's threads a request, in µs over a listener without a filter, measured side by side in shuffled rounds: " +
		"the median of the rounds. In brackets is between what 95 of 100 medians (or ratios of them) lie when the rounds are drawn again; to count as " +
		"lost or won, it takes 998 of 1,000.\n")
	b.WriteString(r.verdicts())

	for _, s := range r.Scenarios {
		p("\n## %s\n\n", s.Title)
		p("%d rounds of %d requests, %d connections. No filter: %s µs; measured twice, the difference is %s.\n\n", s.Rounds, s.Batch, s.Connections,
			s.NoFilter, s.Noise)

		t := table{{"", "µs over no filter", "wasm-rewrite is"}}
		for _, x := range s.Rows {
			of := ""
			if x.Ours != nil {
				of = x.Ours.String() + " it"
			}

			t = append(t, []string{x.Label, x.Over.String(), of})
		}
		b.WriteString(t.markdown())
	}
	if r.Latency != nil {
		b.WriteString(r.latency())
	}
	b.WriteString(r.beforeRequests())

	if r.Costs != nil {
		b.WriteString(r.costs())
	}
	p("\n## Who is who\n\n")

	for _, c := range r.Contenders {
		p("- %s: %s\n", c.Name, c.About)
	}

	return b.String()
}

func (r *report) latency() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Latency\n\nThe seed's scenario at %d requests a second (open loop), in µs: the median of %d rounds, with the "+
		"lowest and the highest.\n\n",
		rate, latencyRounds)

	t := table{{"", "p50", "p99", "p99.9"}}
	for _, l := range r.Latency {
		us := func(s spread) string { return fmt.Sprintf("%.0f (%.0f to %.0f)", s.Median, s.Low, s.High) }
		t = append(t, []string{l.Name, us(l.P50), us(l.P99), us(l.P999)})
	}

	return b.String() + t.markdown()
}

func (r *report) costs() string {
	var b strings.Builder
	b.WriteString("\n## Beside requests\n\nOver an Envoy without a filter; taking a configuration: CPU with one worker, over the same for the empty filter. " +
		"Medians, with the lowest and the highest.\n\n")

	t := table{{"", "module, KB (gzip)", "CPU to load, ms", "memory, MiB", "each further worker, MiB", "1 pattern taken, ms", "1,000 taken, ms"}}
	for _, k := range r.Costs {
		size, one, many := "", "", ""
		if k.Size > 0 {
			size = fmt.Sprintf("%d (%d)", k.Size/1000, k.Compressed/1000)
		}
		if k.Configure != nil {
			one, many = k.Configure.String(), k.ConfigureMany.String()
		}

		t = append(t, []string{k.Name, size, k.Load.String(), k.Memory.String(), k.WorkerMemory.String(), one, many})
	}

	return b.String() + t.markdown()
}

// verdicts are the comparisons in words, those that are lost first.
func (r *report) verdicts() string {
	if r.Scenarios == nil {
		return ""
	}

	var b strings.Builder

	title := map[string]string{lost: "Where wasm-rewrite loses", even: "Too close to tell in this run", won: "Where it wins"}
	for _, result := range []string{lost, even, won} {
		fmt.Fprintf(&b, "\n## %s\n\n", title[result])

		none := true
		for _, v := range r.Verdicts {
			if v.Result == result {
				fmt.Fprintf(&b, "- %s\n", v.Text)

				none = false
			}
		}

		if none {
			b.WriteString("Nowhere.\n")
		}
	}

	return b.String()
}

// beforeRequests is what the contenders cost before the first request, the dearest first.
func (r *report) beforeRequests() string {
	if r.Startups == nil {
		return ""
	}

	var b strings.Builder
	fmt.Fprintf(&b, "\n## Before the first request\n\nOver an Envoy without a filter; of %d plugins, what each after the first one adds. "+
		"Medians, with the lowest and the highest.\n\n", manyPlugins)

	rows := slices.Clone(r.Startups)
	slices.SortStableFunc(rows, func(x, y startup) int {
		return cmp.Or(cmp.Compare(x.Plugins, y.Plugins), cmp.Compare(x.Workers, y.Workers), cmp.Compare(y.Private.Median, x.Private.Median))
	})

	t := table{{"", "workers", "plugins", "private memory, MiB", "RSS, MiB", "CPU to be ready, ms"}}
	for _, s := range rows {
		t = append(t, []string{s.Name, fmt.Sprint(s.Workers), fmt.Sprint(s.Plugins), s.Private.String(), s.RSS.String(), s.CPU.String()})
	}

	b.WriteString(t.markdown())
	b.WriteString("\nFrom the push to a running Envoy until a request meets it:\n\n")

	t = table{{"", "ms"}}
	for _, u := range r.FirstUses {
		t = append(t, []string{u.Name, u.Took.String()})
	}

	b.WriteString(t.markdown())

	return b.String()
}

// table is rows of cells, the first one the head.
type table [][]string

func (t table) markdown() string {
	width := make([]int, len(t[0]))
	for _, cells := range t {
		for i, cell := range cells {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		for i, cell := range cells {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", width[i]-len([]rune(cell))))
		}
		b.WriteString("|\n")
	}
	line(t[0])

	for _, w := range width {
		b.WriteString("|" + strings.Repeat("-", w+2))
	}
	b.WriteString("|\n")

	for _, cells := range t[1:] {
		line(cells)
	}

	return b.String()
}

// write prints the tables and leaves them, the JSON and the pictures in a folder.
func (r *report) write(folder string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}

	files := map[string]string{"bench.md": r.markdown(), "bench.json": string(data) + "\n"}
	for name, picture := range r.pictures() {
		files[name] = picture
	}

	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}

	_, err = fmt.Print(files["bench.md"])

	return err
}

func (b *bench) contenders() []contenderAbout {
	var list []contenderAbout
	for _, c := range contenders {
		about := c.about
		if built, err := os.ReadFile(filepath.Join(b.modules, strings.TrimSuffix(c.module, ".wasm")+".txt")); err == nil {
			about += "; " + strings.TrimSpace(string(built))
		}
		if about != "" {
			list = append(list, contenderAbout{c.name, about})
		}
	}

	return list
}

// machine says what the figures are measured on; what cannot be found out stays
// empty.
func (b *bench) machine() machine {
	m := machine{Cores: runtime.NumCPU()}
	if out, err := exec.Command(b.envoy, "--version").Output(); err == nil {
		// "envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL"
		_, version, _ := strings.Cut(string(out), "version: ")
		if parts := strings.Split(version, "/"); len(parts) > 1 {
			m.Envoy = "Envoy " + parts[1]
		}
	}
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(data) {
			if key, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(data))
	}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(data), &m.Load)
	}

	return m
}
