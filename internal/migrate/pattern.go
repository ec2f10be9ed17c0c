package migrate

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// pattern is one of a workload, and what it came of.
type pattern struct {
	fields plan.Fields // without a name
	hosts  []plan.Host // exact ones; nil for any that may overlap
	acts   bool
	begins string // what every path that it takes begins with, in lower case
	object string
	entry  *entry
	same   []*entry // what else it does the work of
}

// stays is what a pattern does that only keeps its requests from those after
// it.
var stays = plan.Fields{{Key: "then", Value: "stop"}}

// patterns gives the patterns of a workload: what the engine refuses is left
// out, said, and keeps its requests all the same.
func (p *placer) patterns(w *workload) []pattern {
	var all []pattern

	var hosts []plan.Fields
	for _, e := range p.order(w) {
		if e.acts && e.unclear() {
			p.report.Leave(e.route.Object, e.route.Path, "takes hosts by a regex, and belongs to a wildcard host: match one of them")
			e.acts = false
		}

		for _, host := range e.matches() {
			all, hosts = append(all, e.pattern(host, p.options.Moving)), append(hosts, host)
		}
	}

	// One by one takes three times as long as all together, which nearly always
	// is right.
	if whole(all) != nil {
		for i, host := range hosts {
			e := all[i].entry
			if err := compiles(all[i].fields); err != nil {
				if all[i].acts {
					p.refused(e, err)
				}

				all[i] = e.stay(host)
			}
		}
	}

	return prune(p.reached(all))
}

// refused says what the engine has against a pattern.
func (p *placer) refused(e *entry, err error) {
	var faults rewrite.Errors
	if !errors.As(err, &faults) {
		p.report.Leave(e.route.Object, e.route.Path, "%v", err)
		return
	}

	for _, one := range faults {
		p.report.Leave(e.route.Object, e.route.Path, "%s: write the pattern by hand; until then its requests are left as they are",
			strings.TrimPrefix(one.Error(), "patterns[0]."))
	}
}

// compiles says what the engine has against some patterns.
func compiles(patterns ...plan.Fields) error {
	list := make([]any, len(patterns))
	for i, fields := range patterns {
		list[i] = fields.Plain()
	}

	text, err := json.Marshal(map[string]any{"patterns": list})
	if err != nil {
		return err
	}
	// YAML's parsers do not agree on these.
	if bytes.Contains(text, []byte(`\u2028`)) || bytes.Contains(text, []byte(`\u2029`)) {
		return errors.New("holds a line end of Unicode, which YAML does not keep")
	}

	_, err = rewrite.Load(text)

	return err
}

// matches gives match.host of an entry, in parts. A condition of the route's
// own on the host narrows the names down.
func (e *entry) matches() []plan.Fields {
	own, ok := e.route.Match.Get("host").(plan.Fields)
	if !ok {
		return plan.Matches(e.hosts)
	}

	switch h := e.hosts[0]; h.Kind {
	case plan.Exact:
		var some []plan.Host
		for _, h := range e.hosts {
			if takes(own, h.Text) {
				some = append(some, h)
			}
		}
		if len(some) == 0 {
			return nil
		}
		return plan.Matches(some)
	case plan.Any:
		return []plan.Fields{own}
	default:
		return both(own, plan.Matches(e.hosts)[0], h.Text)
	}
}

// both gives the matcher of hosts that a route and its wildcard take: of a name,
// that name if the wildcard takes it; of a prefix, what begins and ends so. A
// regex cannot be joined with another one: the wildcard's is given, and unclear
// says so.
func both(own, wildcard plan.Fields, suffix string) []plan.Fields {
	if name, ok := own.Get("exact").(string); ok {
		if !takes(wildcard, name) {
			return nil
		}
		return []plan.Fields{own}
	}

	prefix, ok := own.Get("prefix").(string)
	if _, ends := wildcard.Get("suffix").(string); ok && ends {
		all := regexp.QuoteMeta(prefix) + ".*" + regexp.QuoteMeta(suffix)
		// a. and .example.com may share their dot.
		for n := 1; n <= min(len(prefix), len(suffix)); n++ {
			if strings.HasSuffix(prefix, suffix[:n]) {
				all += "|" + regexp.QuoteMeta(prefix+suffix[n:])
			}
		}
		return []plan.Fields{{{Key: "regex", Value: "^(?:" + all + ")$"}}}
	}

	return []plan.Fields{wildcard}
}

// unclear reports whether a route's own condition on the host cannot be joined
// with its wildcard.
func (e *entry) unclear() bool {
	own, ok := e.route.Match.Get("host").(plan.Fields)
	if !ok || e.hosts[0].Kind == plan.Exact || e.hosts[0].Kind == plan.Any || own.Get("exact") != nil {
		return false
	}
	return own.Get("prefix") == nil || e.hosts[0].Kind != plan.Suffix
}

// takes reports whether a host's matcher takes a name.
func takes(matcher plan.Fields, name string) bool {
	for _, one := range matcher {
		text, _ := one.Value.(string)
		switch one.Key {
		case "exact":
			return name == text
		case "prefix":
			return strings.HasPrefix(name, text)
		case "suffix":
			return strings.HasSuffix(name, text)
		case "regex":
			re, err := regexp.Compile(text)
			return err != nil || re.MatchString(name)
		}
	}

	return true
}

// pattern writes an entry as a pattern for one part of its hosts.
func (e *entry) pattern(host plan.Fields, moving bool) pattern {
	match := plan.Fields{}.With("path", e.route.Match.Get("path")).With("host", host)
	for _, one := range e.route.Match {
		if one.Key != "path" && one.Key != "host" {
			match = append(match, one)
		}
	}
	if e.scheme != "" && match.Get("scheme") == nil {
		match = append(match, plan.Field{Key: "scheme", Value: e.scheme})
	}
	if moving && e.acts && e.marked && e.route.Marks != "" {
		headers, _ := match.Get("headers").([]any)
		headers = append(slices.Clip(headers), plan.Fields{{Key: "name", Value: e.route.Marks}, {Key: "present", Value: false}})
		match = match.Without("headers").With("headers", headers)
	}

	made := pattern{acts: e.acts, object: e.route.Object, entry: e}
	made.fields = plan.Fields{}.With("match", match).With("unless", e.route.Unless)
	if e.acts {
		made.fields = append(made.fields, e.do...).With("headers", e.headers)
	} else {
		made.fields = append(made.fields, stays...)
	}
	made.where()

	return made
}

// stay is what an entry leaves whose pattern cannot be: all that may be its
// requests is kept from what comes after it.
func (e *entry) stay(host plan.Fields) pattern {
	made := pattern{object: e.route.Object, entry: e}
	path, _ := e.route.Match.Get("path").(plan.Fields)
	match := plan.Fields{}
	if regex, ok := path.Get("regex").(string); ok {
		if begins := beginning(regex); begins != "" {
			path = plan.Fields{{Key: "regex", Value: "^" + regexp.QuoteMeta(begins)}}.With("ignoreCase", path.Get("ignoreCase"))
		} else {
			path = nil
		}
	}

	match = match.With("path", path).With("host", host)
	made.fields = append(plan.Fields{}.With("match", match), stays...)
	if compiles(made.fields) != nil {
		made.fields = append(plan.Fields{}.With("match", plan.Fields{}.With("host", host)), stays...)
	}
	if compiles(made.fields) != nil {
		made.fields = slices.Clone(stays)
	}
	made.where()

	return made
}

// where finds out which requests a pattern may take: its hosts, if they are
// names, and how their paths begin.
func (p *pattern) where() {
	match, _ := p.fields.Get("match").(plan.Fields)
	if len(p.entry.hosts) > 0 && p.entry.hosts[0].Kind == plan.Exact && match.Get("host") != nil {
		p.hosts = p.entry.hosts
	}

	p.begins = begin(match)
}

// begin gives what every path begins with that a match takes, in lower case.
func begin(match plan.Fields) (text string) {
	path, _ := match.Get("path").(plan.Fields)
	for _, one := range path {
		value, _ := one.Value.(string)
		switch one.Key {
		case "exact", "prefix":
			text = strings.ToLower(strings.TrimSuffix(value, "/"))
		case "regex":
			text = strings.ToLower(beginning(value))
		}
	}

	return text
}

// beginning gives what every path begins with that a regex takes.
func beginning(regex string) string {
	if whole, ok := strings.CutPrefix(regex, "^(?:"); ok && strings.HasSuffix(whole, ")$") {
		return plan.Beginning(strings.TrimSuffix(whole, ")$"))
	}
	if !strings.HasPrefix(regex, "^") {
		return ""
	}
	return plan.Beginning(regex)
}

// everything are the regexes of a path that take every one.
var everything = []string{"^", "^/", "^/(.*)", "^/.*", "^(.*)", "^/(.*)$", "^/*", "^/+(.*)"}

// all reports whether a pattern takes every request of its hosts.
func (p *pattern) all() bool {
	match, _ := p.fields.Get("match").(plan.Fields)
	if p.fields.Get("unless") != nil {
		return false
	}

	for _, one := range match {
		switch of, _ := one.Value.(plan.Fields); one.Key {
		case "host", "scheme":
		case "path":
			regex, _ := of.Get("regex").(string)
			if prefix, _ := of.Get("prefix").(string); !slices.Contains(everything, regex) && prefix != "/" {
				return false
			}
		default:
			return false
		}
	}

	return true
}

// prune leaves out the patterns that only stay where no later one that acts
// could take their requests.
func prune(all []pattern) []pattern {
	byHost := map[string][]string{} // what acts later on a host, by how its paths begin
	var wide []string               // what acts later on any host
	keep := make([]bool, len(all))
	overlap := func(list []string, begins string) bool {
		return slices.ContainsFunc(list, func(other string) bool {
			return strings.HasPrefix(other, begins) || strings.HasPrefix(begins, other)
		})
	}

	any := []string{}
	for i := len(all) - 1; i >= 0; i-- {
		p := &all[i]
		if p.acts {
			keep[i] = true
			any = append(any, p.begins)
			if p.hosts == nil {
				wide = append(wide, p.begins)
			}

			for _, h := range p.hosts {
				byHost[h.Text] = append(byHost[h.Text], p.begins)
			}
			continue
		}
		if p.hosts == nil {
			keep[i] = overlap(any, p.begins)
			continue
		}

		keep[i] = overlap(wide, p.begins) || slices.ContainsFunc(p.hosts, func(h plan.Host) bool { return overlap(byHost[h.Text], p.begins) })
	}

	kept := all[:0]
	for i := range all {
		if keep[i] {
			kept = append(kept, all[i])
		}
	}

	return kept
}

// named gives the patterns with their names: that of the object that each came
// of, and a number where there are several.
func named(all []pattern) []any {
	names := map[string]bool{}
	var list []any

	next := map[string]int{}
	for _, p := range all {
		base := plainName(p.object[strings.LastIndexAny(p.object, " /")+1:], 48)
		if !p.acts {
			base += "-stays"
		}

		name := base
		for names[name] {
			if next[base] == 0 {
				next[base] = 1
			}
			next[base]++
			name = base + "-" + strconv.Itoa(next[base])
		}

		names[name] = true
		list = append(list, append(plan.Fields{{Key: "name", Value: name}}, p.fields...))
	}

	return list
}
