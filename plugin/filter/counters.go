//go:build wasm

package filter

import "github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"

// metric is the host's number of a metric; 0 where it could not be defined.
type metric uint32

// counters are the metrics of one configuration, all defined when it takes
// effect. Their names are wasm_rewrite.PLUGIN.PATTERN.RESULT. What requests
// count waits here for the next tick: to tell the host at once costs as much as
// most rules do.
type counters struct {
	patterns       [][rewrite.Results]tally
	topLevel       [rewrite.Results]tally // outside the patterns: unsafe header operations, and requests over budget
	due            []*tally
	ticking        bool
	hostCallFailed metric // told at once
}

// tally is a counter and what the host was not told of it yet.
type tally struct {
	metric  metric
	pending uint32
}

// tickPeriod is how late a counter may be, in milliseconds.
const tickPeriod = 100

func (c *counters) define(plugin string, rules *rewrite.Rules) {
	prefix := "wasm_rewrite." + metricName(plugin) + "."
	c.hostCallFailed = define(counter, prefix+"host_call_failed")
	for _, r := range []rewrite.Result{rewrite.Unsafe, rewrite.OverBudget} {
		c.topLevel[r].metric = define(counter, prefix+"top_level."+r.String())
	}
	if n, ok := revisionNumber(rules.Revision()); ok {
		record(define(gauge, prefix+"revision"), n)
	}
	c.patterns = make([][rewrite.Results]tally, rules.Patterns())
	for i := range c.patterns {
		for r := range rewrite.Results {
			if rules.Possible(i, r) {
				c.patterns[i][r].metric = define(counter, prefix+rules.PatternName(i)+"."+r.String())
			}
		}
	}
}

// count keeps counts until the next tick. The host ticks while there is
// something to count.
func (p *plugin) count(counts []rewrite.Count) {
	if len(counts) == 0 {
		return
	}
	c := &p.counters
	for _, n := range counts {
		t := &c.topLevel[n.Result]
		if n.Pattern != rewrite.TopLevel {
			t = &c.patterns[n.Pattern][n.Result]
		}
		if t.pending == 0 {
			c.due = append(c.due, t)
		}
		t.pending++
	}
	if !c.ticking {
		p.startTicking()
	}
}

//go:noinline
func (p *plugin) startTicking() {
	if status := setTickPeriod(tickPeriod); status != statusOK {
		p.failedStatus("set_tick_period_milliseconds", status)
		p.counters.flush()
		return
	}
	p.counters.ticking = true
}

func (c *counters) tick() {
	if len(c.due) == 0 {
		c.ticking = setTickPeriod(0) != statusOK
	}
	c.flush()
}

// flush tells the host what was counted.
func (c *counters) flush() {
	for _, t := range c.due {
		increment(t.metric, t.pending)
		t.pending = 0
	}
	c.due = c.due[:0]
}

// metricName writes every byte that is not a letter or digit as _, so that the
// dots of a metric's name stand between its parts only.
func metricName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			b[i] = '_'
		}
	}
	return string(b)
}

// revisionNumber reads a revision of 8 hexadecimal digits.
func revisionNumber(s string) (n uint64, ok bool) {
	for i := 0; i < len(s); i++ {
		c := uint64(s[i])
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | (c - '0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | (c - 'a' + 10)
		}
	}
	return n, s != ""
}
