//go:build wasm

package filter

import "github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"

// metric is the host's number of a metric; 0 where it could not be defined.
type metric uint32

// counters are the metrics of one configuration, all defined when it takes
// effect. Their names are wasm_rewrite.PLUGIN.PATTERN.RESULT.
type counters struct {
	patterns       [][rewrite.Results]metric
	topLevel       metric // unsafe header operations outside the patterns
	hostCallFailed metric
}

func (c *counters) define(plugin string, rules *rewrite.Rules) {
	prefix := "wasm_rewrite." + metricName(plugin) + "."
	c.hostCallFailed = define(counter, prefix+"host_call_failed")
	c.topLevel = define(counter, prefix+"top_level."+rewrite.Unsafe.String())
	if n, ok := revisionNumber(rules.Revision()); ok {
		record(define(gauge, prefix+"revision"), n)
	}
	c.patterns = make([][rewrite.Results]metric, rules.Patterns())
	for i := range c.patterns {
		for r := range rewrite.Results {
			if rules.Possible(i, r) {
				c.patterns[i][r] = define(counter, prefix+rules.PatternName(i)+"."+r.String())
			}
		}
	}
}

func (c *counters) add(counts []rewrite.Count) {
	for _, n := range counts {
		if n.Pattern == rewrite.TopLevel {
			increment(c.topLevel)
		} else {
			increment(c.patterns[n.Pattern][n.Result])
		}
	}
}

// metricName writes every byte that is no letter or digit as _, so that the
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
