package migrate

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// order puts the entries that a workload has of all tables into one list, and
// says which of them the source keeps apart and the rules cannot.
func (p *placer) order(w *workload) (all []*entry) {
	for _, of := range w.lists {
		all = plan.Merge(all, of.list, (*entry).key, func(e *entry) *plan.Route { return e.route }, (*entry).also)
	}

	// A name comes before the wildcards that take it, whatever table it is of.
	slices.SortStableFunc(all, func(a, b *entry) int { return narrower(a.hosts[0], b.hosts[0]) })
	p.apart(w, all)

	return all
}

// narrower compares two hosts: what is tried first comes first.
func narrower(a, b plan.Host) int {
	longer := 0
	if a.Kind == plan.Suffix {
		longer = len(b.Text) - len(a.Text)
	}
	return cmp.Or(int(a.Kind)-int(b.Kind), longer)
}

// ways are those by which requests come to a workload, and what each has.
type ways struct {
	placer *placer
	of     map[*plan.Route][]plan.Way
	best   map[wayHost]plan.Host
	begins map[*entry]string // of their paths
	// regexes are those of hosts, nil for one that does not compile.
	regexes map[string]*regexp.Regexp
}

// maxMixed is how many others the report names for one entry; that there are
// more follows.
const maxMixed = 10

// mixture names entries that one is mixed with, maxMixed at most.
type mixture struct {
	named []*entry
	more  bool
}

// add reports whether an entry is to be named: once, and while there is room.
func (m *mixture) add(e *entry) bool {
	switch {
	case slices.Contains(m.named, e):
		return false
	case len(m.named) == maxMixed:
		m.more = true
		return false
	}

	m.named = append(m.named, e)

	return true
}

type wayHost struct {
	way  plan.Way
	host plan.Host
}

// apart finds entries that take requests of ways that their route is not tried
// with: where one way is http and the other https a condition tells them apart,
// and elsewhere nothing does.
func (p *placer) apart(w *workload, all []*entry) {
	c := &ways{placer: p, of: map[*plan.Route][]plan.Way{}, best: map[wayHost]plan.Host{}, begins: map[*entry]string{}, regexes: map[string]*regexp.Regexp{}}

	seen := map[plan.Way]bool{}
	for _, e := range all {
		c.begins[e] = begin(e.route.Match)

		for _, way := range e.ways {
			seen[way] = true
			if !slices.Contains(c.of[e.route], way) {
				c.of[e.route] = append(c.of[e.route], way)
			}
		}
	}
	if len(seen) < 2 {
		return
	}
	// The entries that take a name, those of wildcards among them.
	byName := map[plan.Host][]*entry{}
	var names []plan.Host

	for _, e := range all {
		for _, h := range e.hosts {
			if _, ok := byName[h]; !ok {
				names = append(names, h)
				byName[h] = nil
			}
			if h.Kind == plan.Exact {
				byName[h] = append(byName[h], e)
			}
		}
	}

	wide := slices.DeleteFunc(slices.Clone(all), func(e *entry) bool { return e.hosts[0].Kind == plan.Exact })
	for _, name := range names {
		list := slices.Clone(byName[name])
		for _, e := range wide {
			if slices.ContainsFunc(e.hosts, func(h plan.Host) bool { return c.takesHost(h, name) }) {
				list = append(list, e)
			}
		}

		for i, f := range list {
			for _, e := range list[:i] {
				c.pair(w, e, f, name)
			}
		}
	}

	for _, e := range all {
		if e.later.more {
			p.report.Ask(e.route.Object, e.route.Path, "more rules of other ways are for what this takes than the %d that are named", maxMixed)
		}
		if e.earlier.more {
			e.behind = append(e.behind, fmt.Sprintf("more rules of other ways come before this one and take some of its requests than the %d that are named", maxMixed))
		}
	}
}

// takesHost reports whether one host takes all that another one takes.
func (c *ways) takesHost(h, o plan.Host) bool {
	switch {
	case h == o || h.Kind == plan.Any:
		return true
	case h.Kind == plan.Suffix:
		return o.Kind != plan.Regex && o.Kind != plan.Any && strings.HasSuffix(o.Text, h.Text)
	case h.Kind == plan.Label:
		label, ok := strings.CutSuffix(o.Text, h.Text)
		return o.Kind == plan.Exact && ok && label != "" && !strings.Contains(label, ".")
	case h.Kind == plan.Regex && o.Kind == plan.Exact:
		re, ok := c.regexes[h.Text]
		if !ok {
			re, _ = regexp.Compile(h.Text)
			c.regexes[h.Text] = re
		}

		return re == nil || re.MatchString(o.Text)
	}

	return false
}

// has reports whether requests of a name that come by a way are tried with an
// entry: no narrower host of that way takes them.
func (c *ways) has(e *entry, by plan.Way, name plan.Host) bool {
	key := wayHost{by, name}

	best, ok := c.best[key]
	if !ok {
		best = plan.Host{Kind: plan.Any + 1}
		for way, hosts := range c.placer.hosts {
			if !way.Holds(by) {
				continue
			}

			for _, h := range hosts {
				if c.takesHost(h, name) && (best.Kind > plan.Any || narrower(h, best) < 0) {
					best = h
				}
			}
		}

		c.best[key] = best
	}

	return slices.Contains(e.hosts, best)
}

// pair looks at an entry and a later one that may take requests of one name.
func (c *ways) pair(w *workload, e, f *entry, name plan.Host) {
	// Most pairs differ here, and there are as many as the square of the entries.
	if x, y := c.begins[e], c.begins[f]; !strings.HasPrefix(x, y) && !strings.HasPrefix(y, x) {
		return
	}

	nowhere := !f.acts && !f.route.Answers && len(f.route.Backends) == 0
	if e.route == f.route || f.last || nowhere || !e.acts && !f.acts || alike(e, f) || !meet(e, f, name) {
		return
	}

	for _, b := range c.of[f.route] {
		if !c.has(f, b, name) || slices.ContainsFunc(c.of[e.route], func(a plan.Way) bool { return a.Holds(b) }) {
			continue
		}

		for _, a := range c.of[e.route] {
			if !c.has(e, a, name) || !e.acts && a.Mesh && !slices.Contains(f.hosts, name) || e.acts && a.Leaving && !f.acts && !b.Leaving {
				continue
			}

			mine, theirs := c.scheme(e), c.scheme(f)
			if other := cmp.Or(theirs, b.Scheme); mine != "" && other != "" && mine != other {
				e.scheme = mine
				f.scheme = cmp.Or(f.scheme, theirs)
				continue
			}

			c.placer.mixed(w, e, f, a, b)

			return
		}
	}
}

// scheme is the one that all requests of an entry have, or "".
func (c *ways) scheme(e *entry) string {
	if own, ok := e.route.Match.Get("scheme").(string); ok {
		return own
	}
	if e.scheme != "" {
		return e.scheme
	}

	only := ""
	for i, way := range c.of[e.route] {
		if i > 0 && way.Scheme != only {
			return ""
		}

		only = way.Scheme
	}

	return only
}

// mixed says that an entry takes what is for a later one where it comes from.
func (p *placer) mixed(w *workload, e, f *entry, a, b plan.Way) {
	instead := "give each a host of its own"
	if p.options.At != Gateway && !e.route.Answers && !f.route.Answers && a.Of != b.Of {
		instead += ", keep the rewrites in the objects, or say --at gateway if each has proxies of its own"
	}

	rule := func(e *entry) string {
		if e.route.Path == "" {
			return e.route.Object
		}
		return e.route.Path + " of " + e.route.Object
	}
	if e.acts && e.later.add(f) {
		p.report.Ask(e.route.Object, e.route.Path, "%s has %s for what this takes, and the rules of workload %s cannot tell that from what comes by %s: "+
			"they would do this for both; %s", b, rule(f), w.name, a, instead)
	}
	if f.acts && f.earlier.add(e) {
		f.behind = append(f.behind, fmt.Sprintf("%s has %s for what this takes, and the rules of workload %s, which come first, cannot tell that from "+
			"what comes by %s: %s", a, rule(e), w.name, b, instead))
	}
}

// alike reports whether two entries do the same with the same requests.
func alike(e, f *entry) bool {
	return e.acts && f.acts && reflect.DeepEqual(e.do, f.do) && reflect.DeepEqual(e.headers, f.headers) &&
		reflect.DeepEqual(e.route.Match.Get("path"), f.route.Match.Get("path"))
}

// meet reports whether a request of a name may fit two entries whose paths may
// begin alike.
func meet(e, f *entry, name plan.Host) bool {
	for _, one := range []*entry{e, f} {
		if own, ok := one.route.Match.Get("host").(plan.Fields); ok && name.Kind == plan.Exact && !takes(own, name.Text) {
			return false
		}
	}

	mine, ok := e.route.Match.Get("methods").([]any)
	theirs, too := f.route.Match.Get("methods").([]any)
	if ok && too && !slices.ContainsFunc(mine, func(m any) bool { return slices.Contains(theirs, m) }) {
		return false
	}

	return within(e.route.Match, f.route.Match) && within(f.route.Match, e.route.Match)
}

// within reports whether the one path of a match, if it has only one, may fit
// another match.
func within(one, other plan.Fields) bool {
	path, _ := one.Get("path").(plan.Fields)
	exact, ok := path.Get("exact").(string)
	theirs, _ := other.Get("path").(plan.Fields)
	if !ok || path.Get("ignoreCase") != nil || theirs.Get("ignoreCase") != nil {
		return true
	}
	if prefix, ok := theirs.Get("prefix").(string); ok {
		cut := strings.TrimSuffix(prefix, "/")
		return exact == cut || strings.HasPrefix(exact, cut+"/")
	}

	return takes(theirs, exact)
}

// reached leaves out the patterns whose requests an earlier one takes: all of
// its hosts', or those of the same match.
func (p *placer) reached(list []pattern) (kept []pattern) {
	all, alike := map[string]int{}, map[string]int{} // where in kept, counted from 1
	for _, one := range list {
		match, _ := one.fields.Get("match").(plan.Fields)
		host := fmt.Sprint(match.Get("host"))
		key, same := fmt.Sprint(host, match.Get("scheme")), fmt.Sprint(match, one.fields.Get("unless"))

		by := cmp.Or(all[key], all[fmt.Sprint(host, nil)], alike[same])
		if by > 0 {
			p.shadowed(&kept[by-1], one)
			continue
		}

		kept = append(kept, one)
		alike[same] = len(kept)
		if one.all() {
			all[key] = len(kept)
		}

		for _, reason := range one.entry.behind {
			if one.acts {
				p.report.Ask(one.object, one.entry.route.Path, "%s", reason)
			}
		}
	}

	return kept
}

// shadowed says what becomes of a pattern whose requests another one takes.
func (p *placer) shadowed(by *pattern, one pattern) {
	switch {
	case !one.acts:
	case reflect.DeepEqual(by.fields, one.fields):
		by.same = append(by.same, one.entry)
	case len(one.entry.behind) > 0:
		p.report.Leave(one.object, one.entry.route.Path, "%s", one.entry.behind[0])
	case one.object != by.object:
		p.report.Differ(one.object, one.entry.route.Path, "%s of %s comes before it and takes all of its requests, so nothing runs it",
			by.entry.route.Path, by.object)
	}
}

// carried says of which objects a pattern came.
func (p *placer) carried(one pattern) {
	for i, e := range append([]*entry{one.entry}, one.same...) {
		route := e.route
		if i == 0 || route.Object != one.object {
			p.report.Taken(route.Object, route.TakeOut)
		}
		if len(route.RootTakeOut) > 0 {
			p.report.Taken(route.Root, route.RootTakeOut)
		}
	}
}

// lost says of every object that would change requests that it does not, where
// nothing else was said of it: no rewrite is lost without a word.
func (p *placer) lost(tables []plan.Table) {
	for _, t := range tables {
		for i := range t.Hosts {
			for _, r := range t.Hosts[i].Routes {
				acts := r.Acts(nil) || slices.ContainsFunc(r.Backends, func(b plan.Backend) bool { return r.Acts(&b) })
				if !acts {
					continue
				}
				if o := p.report.Object(r.Object); o.Patterns == 0 && len(o.Findings) == 0 {
					p.report.Leave(r.Object, r.Path, "no request gets to its rules: write them by hand")
				}
			}
		}
	}
}
