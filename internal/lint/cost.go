package lint

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/regex"
)

const (
	// manyPatterns is from how many patterns on a single regex more is worth a word.
	manyPatterns = 20
	// honest is how long a path or value may be that a client sends in good faith.
	honest = 8 << 10
	// dear is the part of a request's budget from which a single pattern is worth a word.
	dear = rewrite.Budget / 4
	// allTrials are the steps that all trials of one configuration may take: some
	// half a second.
	allTrials = 128 << 20
	// longValue is a value of a request that is long without being rare.
	longValue = 1 << 10
	// usualHeaders is what many servers take of one header; maxConfig what the filter writes of ${config}.
	usualHeaders = 8 << 10
	maxConfig    = 64 << 10
)

// skipped reports regexes that every request is held against.
func (l *linter) skipped(p *pattern) {
	if p.path == nil || p.path.key != "regex" || len(l.patterns) < manyPatterns {
		return
	}
	if re := engineRegex(p.path.expr); re != nil {
		if text, _, _ := re.Literal(); text == "" {
			l.find(Slow, SeverityInfo, p.path.at, p.path.written, fmt.Sprintf("nothing in the regex tells which paths it cannot match, so each request is "+
				"held against it along with %d other patterns", len(l.patterns)-1),
				"write a text that all its paths have, as ^/shop/ before what differs")
		}
	}
}

// engineRegex is a regex as the filter compiles it.
func engineRegex(expr string) *regex.Regex {
	re, reason := regex.Compile(expr, false)
	if reason != "" {
		return nil
	}
	return re
}

// trial is a request that was put through the engine for what it takes.
type trial struct {
	request request
	where   string // what is long in it
	unit    string // what it is made of, over and over
	steps   int    // rewrite.Budget for more than there are
}

// costs reports a pattern that takes much of a request's budget, by the
// requests that a client can make worst for it.
func (l *linter) costs(p *pattern) {
	if p.Match.Response != nil {
		return
	}

	list := l.trials(p, honest)
	if len(list) == 0 {
		return
	}

	rules := l.alone(p)
	if rules == nil {
		return
	}

	stream := rules.NewStream()

	// The worst of them, by the engine's own count.
	var worst trial
	for _, t := range list {
		if t.steps = l.steps(stream, t.request); t.steps > worst.steps {
			worst = t
		}
	}

	l.dearest = append(l.dearest, worst)
	if worst.steps < dear {
		return
	}

	// How short one may be that is refused for it.
	severity, length := SeverityInfo, honest
	if worst.steps >= rewrite.Budget {
		severity = SeverityWarning

		for length > 64 {
			refused := slices.ContainsFunc(l.trials(p, length/2), func(t trial) bool {
				return t.where == worst.where && t.unit == worst.unit && l.steps(stream, t.request) >= rewrite.Budget
			})
			if !refused {
				break
			}

			length /= 2
		}
	}

	reason := fmt.Sprintf("%s of %d bytes made of %q takes %d of the %d steps that a request has", worst.where, length, worst.unit, worst.steps, rewrite.Budget)
	if severity == SeverityWarning {
		reason = fmt.Sprintf("%s of %d bytes made of %q takes more than the %d steps that a request has, so it is answered 400", worst.where, length,
			worst.unit, rewrite.Budget)
	}
	l.find(Dear, severity, p.at, "", reason, "anchor the regexes with ^, repeat classes such as [^/]+ instead of .*, and write replace: first or "+
		"whole where one match is meant")
}

// steps are what a request takes of the budget: all of it where it takes more,
// and none once the trials have taken too much.
func (l *linter) steps(stream *rewrite.Stream, r request) int {
	if l.tried > allTrials {
		l.work.cut = true
		return 0
	}
	defer stream.Reset()

	headers := exchange.Request(r.method, r.scheme, r.host, r.target, r.headers).Headers
	stream.Request(exchange.Source(message.NewRequestHeaders(headers...)))
	steps := rewrite.Budget - stream.Left()
	l.tried += steps + len(r.target)

	return steps
}

// trials are requests with one long part each, as a regex of the pattern likes it least.
func (l *linter) trials(p *pattern, length int) (list []trial) {
	base := p.requestsOf([]string{p.firstPath()})
	if len(base) == 0 {
		return nil
	}

	first := p.complete(base[0])

	// The path: what its regex repeats, after what it begins with.
	if p.path != nil && p.path.key == "regex" {
		for _, unit := range units(p.path.expr, pathSubject) {
			for _, start := range []string{"/", strings.TrimSuffix(p.path.example, "/")} {
				t := first
				_, query, has := strings.Cut(first.target, "?")

				t.target = filled(start, unit, length)
				if !strings.HasPrefix(t.target, "/") {
					t.target = "/" + t.target
				}
				if has {
					t.target += "?" + query
				}

				list = append(list, trial{request: t, where: "a path", unit: unit})
				if start == "/" && p.path.example == "/" {
					break
				}
			}
		}
	}

	// Headers that a regex looks at or replaces in.
	long := l.replaced(p.Headers)
	for i := range p.headers {
		if c := &p.headers[i]; c.key == "regex" {
			long[c.name] = c.expr
		}
	}

	return append(list, longHeaders(first, long, length)...)
}

// replaced are the regexes that replace in request headers, by header.
func (l *linter) replaced(h rewrite.Headers) map[string]string {
	exprs := map[string]string{}
	for _, r := range h.Request.Replace {
		exprs[strings.ToLower(r.Name)] = l.vars(r.Regex, true)
	}
	return exprs
}

// longHeaders are requests with one long header each, for the regex that looks at it.
func longHeaders(first request, exprs map[string]string, length int) (list []trial) {
	for _, name := range slices.Sorted(maps.Keys(exprs)) {
		for _, unit := range units(exprs[name], valueSubject) {
			t := first
			t.headers = slices.DeleteFunc(slices.Clone(first.headers), func(h message.Header) bool { return h.Name == name })
			t.headers = append(t.headers, message.Header{Name: name, Value: filled("", unit, length)})
			list = append(list, trial{request: t, where: "a header " + name, unit: unit})
		}
	}
	return list
}

// filled repeats a text up to a length.
func filled(start, unit string, length int) string {
	if len(start) >= length {
		return start
	}
	return (start + strings.Repeat(unit, (length-len(start))/len(unit)+1))[:length]
}

// maxUnits is how many texts one regex is tried with.
const maxUnits = 6

// units are short texts that a regex takes, of which a long one is made.
func units(expr string, of subject) (list []string) {
	add := func(text string) {
		if len(list) == maxUnits || text == "" || len(text) > 64 || slices.Contains(list, text) {
			return
		}

		for _, r := range text {
			if !of.allowed(r) {
				return
			}
		}

		list = append(list, text)
	}

	// What can be repeated first, then the literal texts, then all of it.
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	var walk func(re *syntax.Regexp)
	walk = func(re *syntax.Regexp) {
		switch re.Op {
		case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
			for _, text := range samplesOf(re.Sub[0], 2) {
				add(text)
			}
		case syntax.OpLiteral:
			add(string(re.Rune[0]))
			add(string(re.Rune))
		}

		for _, sub := range re.Sub {
			walk(sub)
		}
	}
	walk(re)

	for _, text := range samplesOf(re, maxUnits) {
		add(text)
	}

	return list
}

// anything is a request that no pattern was asked about.
var anything = request{method: "GET", scheme: "https", host: "example.com", target: "/"}

// together reports rules of which no pattern takes too much and all of them do.
func (l *linter) together() {
	slices.SortStableFunc(l.dearest, func(a, b trial) int { return b.steps - a.steps })
	stream := l.rules.NewStream()

	trials := append(longHeaders(anything, l.replaced(l.config.Headers), honest), l.dearest[:min(8, len(l.dearest))]...)
	for _, t := range trials {
		if t.steps >= rewrite.Budget {
			return // that one is reported itself
		}
		if l.steps(stream, t.request) >= rewrite.Budget {
			l.find(Dear, SeverityWarning, "patterns", "", fmt.Sprintf("%s of %d bytes made of %q takes more than the %d steps that a request has, over "+
				"all patterns, so it is answered 400", t.where, honest, t.unit, rewrite.Budget),
				"begin regexes with a text that all their paths have, as ^/shop/, so that the others are not tried")
			return
		}
	}
}

// kept reports rules that have to remember more of a request than a stream can
// keep until its response comes.
func (l *linter) kept() {
	requests := []request{anything}
	for i := range l.patterns {
		p := &l.patterns[i]
		for _, r := range p.requestsOf([]string{p.firstPath()}) {
			requests = append(requests, p.complete(r))
		}
	}

	stream := l.rules.NewStream()
	late, most, values := l.late(), 0, 0

	var witness request
	for _, r := range requests {
		out := stream.Request(exchange.Source(message.NewRequestHeaders(exchange.Request(r.method, r.scheme, r.host, r.target, r.headers).Headers...)))
		refused := slices.ContainsFunc(out.Counts, func(c rewrite.Count) bool { return c.Result == rewrite.OverBudget })

		n, of, left := stream.Kept(), late[rewrite.TopLevel], stream.Left()
		for _, i := range out.Acted {
			of += late[i]
		}
		stream.Reset()

		// What is refused with steps left has no room.
		if refused && left > 0 {
			l.find(Kept, SeverityError, "patterns", "", fmt.Sprintf("%s has to keep more than %d bytes until its response comes, the most that one "+
				"request may, so it is answered 400", r, rewrite.KeptAtMost), keptAdvice)
			return
		}
		if n > most {
			most, witness = n, r
		}

		values = max(values, of)
	}

	switch {
	case most > rewrite.KeptAlways:
		l.find(Kept, SeverityWarning, "patterns", "", fmt.Sprintf("%s keeps %d bytes until its response comes, even with short values: %d are certain, "+
			"and while many requests are open those that need more are answered 400", witness, most, rewrite.KeptAlways), keptAdvice)
	case values*longValue > rewrite.KeptAtMost:
		l.find(Kept, SeverityInfo, "patterns", "", fmt.Sprintf("response headers refer to %d values of one request; of values of %d bytes each no more "+
			"than %d bytes are kept, and the headers of the others are removed", values, longValue, rewrite.KeptAtMost), keptAdvice)
	}
}

const keptAdvice = "use fewer patterns with match.response, and fewer references to the request in headers.response"

// late are how many references to the request the response needs: of each
// pattern by its index, and of the top level and the patterns on the response at
// rewrite.TopLevel.
func (l *linter) late() map[int]int {
	counts := map[int]int{}

	note := func(at int, visit func(func(rewrite.Site))) {
		visit(func(site rewrite.Site) {
			if !strings.HasPrefix(site.Path, "headers.response.") {
				return
			}

			for _, r := range references(site.Text) {
				if !strings.HasPrefix(r.name, "response.") && !strings.HasPrefix(r.name, "var.") && r.name != "config" {
					counts[at]++
				}
			}
		})
	}
	for i := range l.patterns {
		at := i
		if l.patterns[i].Match.Response != nil {
			at = rewrite.TopLevel
		}
		note(at, l.patterns[i].VisitTexts)
	}

	outside := rewrite.Config{Headers: l.config.Headers}
	note(rewrite.TopLevel, outside.VisitTexts)

	return counts
}

// carried reports ${config} in a request header where few can carry it.
func (l *linter) carried(path, value string) {
	size := len(l.workload.Config)
	if size <= usualHeaders || !slices.ContainsFunc(references(value), func(r reference) bool { return r.name == "config" }) {
		return
	}

	advice := "remove it, or send ${var.NAME} of a short var, such as a version"
	if size > maxConfig {
		end := "every request that it is written for is answered 400"
		if l.config.OnUnsafe == "keep" {
			end = "it is never written"
		}
		l.find(ConfigLong, SeverityError, path, value, fmt.Sprintf("the configuration has %d bytes, and the filter writes at most "+
			"%d of it into a header: %s", size, maxConfig, end), advice)
		return
	}
	l.find(ConfigLong, SeverityWarning, path, value, fmt.Sprintf("the configuration has %d bytes: many servers take %d bytes of headers, and Envoy "+
		"60 KiB of all together, so upstreams answer 431 or 400", size, usualHeaders), advice)
}
