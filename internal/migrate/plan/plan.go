// Package plan is what the models of the controllers have in common: tables of
// routes in the order in which a controller tries them, and the report of what
// became of each object. Where the rules of a table run is not decided here.
package plan

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Table is what one gateway, or the clients in the mesh, try of requests.
type Table struct {
	// Name is what the rules that run in its proxies are called by.
	Name string
	// Target says which proxies these are: namespace and selector or targetRefs.
	// A table of the mesh has none.
	Target Fields
	// Guessed: nothing in the input, and nobody, says that these are the ones.
	Guessed bool
	Mesh    bool
	// Hosts are told apart first, as Group puts them in order.
	Hosts []VHost
}

// VHost is the routes of some hosts. A request of one of them is never tried
// with the routes of another VHost.
type VHost struct {
	Names  []Host
	Scheme string // http, https, or "" for both
	Routes []*Route
	// Services are those that the mesh calls by these names.
	Services []Service
	// Ways are all by which its requests come, and via those of routes that only
	// some of these are tried with.
	Ways []Way
	via  map[*Route][]Way
}

// Route is one row: what it takes, and what becomes of that.
type Route struct {
	Object string // kind namespace/name
	Path   string // where in the object
	// Match and Unless are conditions in the rule language, but for the host.
	Match  Fields
	Unless []any
	// Do is rewrite, redirect or respond; Headers are rules for headers. A route
	// without either passes its requests on as they are.
	Do      Fields
	Headers Fields
	// Answers: requests do not get to a backend.
	Answers  bool
	Backends []Backend
	// TakeOut are the fields of the object that do the same, and RootTakeOut those
	// of the object Root, which names this one.
	TakeOut     []string
	Root        string
	RootTakeOut []string
	// Marks is a request header that says that the controller did this already.
	Marks string
	// Target says which proxies its rules run in, where it is not the table that does.
	Target Fields
	// Left: it could not be carried over, so it does nothing but keep its
	// requests from the routes after it.
	Left bool
}

// Acts reports whether a route changes anything for a backend.
func (r *Route) Acts(b *Backend) bool {
	return !r.Left && (len(r.Do) > 0 || len(r.Headers) > 0 || b != nil && (len(b.Headers) > 0 || b.Host != ""))
}

// Together leaves out all routes that share one entry of an object where one of
// them is left out: what rewrites is in the entry, and is taken out of it for
// all or for none.
func Together(report *Report, routes []*Route) {
	if !slices.ContainsFunc(routes, func(r *Route) bool { return r.Left }) {
		return
	}

	for _, r := range routes {
		acts := r.Acts(nil) || slices.ContainsFunc(r.Backends, func(b Backend) bool { return r.Acts(&b) })
		if r.Answers || !acts {
			continue
		}

		r.Left = true
		report.Leave(r.Object, r.Path, "another match of this route is left out, and both share the rewrite: give each match a route of its own")
	}
}

// Service is the name of one.
type Service struct{ Namespace, Name string }

func (s Service) String() string {
	if s.Namespace == "" {
		return s.Name
	}
	return s.Namespace + "/" + s.Name
}

// Backend is where a route sends requests.
type Backend struct {
	Service Service
	// Labels narrow the Service's Pods down to a subset.
	Labels map[string]string
	// Elsewhere is a backend that is not a Service: no proxy runs rules for it.
	Elsewhere string
	// Granted: the Service's namespace lets the object name it.
	Granted bool
	// Headers and Host are for requests to this backend alone.
	Headers Fields
	Host    string
}

func (b *Backend) key() string {
	return b.Elsewhere + "|" + b.Service.String() + "|" + fmt.Sprint(b.Labels)
}

// Single reports whether all routes that pass requests on have one backend.
func (v *VHost) Single() bool {
	seen := map[string]bool{}
	for _, r := range v.Routes {
		for i := range r.Backends {
			if !r.Answers {
				seen[r.Backends[i].key()] = true
			}
		}
	}
	return len(seen) <= 1
}

// Kind is how a host is written.
type Kind int

// The kinds of hosts, in the order in which they are tried.
const (
	Exact  Kind = iota // a name
	Suffix             // *.name, any number of labels
	Label              // *.name, one label
	Regex              // a regex, anchored by its author
	Any                // every host
)

// Host is one name of a VHost.
type Host struct {
	Kind Kind
	Text string // lower case, without the *
}

// Name reads a host as Envoy does: a name, *.name or *.
func Name(text string) Host {
	text = strings.ToLower(text)
	switch {
	case text == "*" || text == "":
		return Host{Any, ""}
	case strings.HasPrefix(text, "*"):
		return Host{Suffix, text[1:]}
	case strings.HasSuffix(text, "*"):
		return Host{Regex, "^" + regexp.QuoteMeta(strings.TrimSuffix(text, "*"))}
	}
	return Host{Exact, text}
}

func (h Host) regex() string {
	switch h.Kind {
	case Suffix:
		return ".+" + regexp.QuoteMeta(h.Text)
	case Label:
		return `[\w-]+` + regexp.QuoteMeta(h.Text)
	}
	return regexp.QuoteMeta(h.Text)
}

// longest is how long a regex of hosts may become; the engine's own bound is
// 1,024 bytes.
const longest = 900

// Matches gives match.host for some hosts, in several parts where one regex
// would become too long, and one nil for every host.
func Matches(hosts []Host) (parts []Fields) {
	var pieces []string
	flush := func() {
		if len(pieces) > 0 {
			parts = append(parts, Fields{{"regex", "^(?:" + strings.Join(pieces, "|") + ")$"}})
		}

		pieces = nil
	}

	size := 0
	for _, h := range hosts {
		switch {
		case h.Kind == Any:
			return []Fields{nil}
		case h.Kind == Regex:
			parts = append(parts, Fields{{"regex", h.Text}})
			continue
		case len(hosts) == 1 && h.Kind == Exact:
			return []Fields{{{"exact", h.Text}}}
		case len(hosts) == 1 && h.Kind == Suffix:
			return []Fields{{{"suffix", h.Text}}}
		}

		piece := h.regex()
		if size += len(piece) + 1; size > longest {
			flush()

			size = len(piece)
		}

		pieces = append(pieces, piece)
	}
	flush()

	return parts
}

// Group puts VHosts in the order in which their hosts are tried, and makes one
// of those with exact names whose routes are the same.
func Group(hosts []VHost) []VHost {
	slices.SortStableFunc(hosts, func(a, b VHost) int {
		x, y := a.Names[0], b.Names[0]
		longer := 0
		if x.Kind == Suffix {
			longer = len(y.Text) - len(x.Text)
		}
		return cmp.Or(int(x.Kind)-int(y.Kind), longer)
	})
	var all []VHost

	same := map[string]int{}
	for _, v := range hosts {
		if v.Names[0].Kind != Exact {
			all = append(all, v)
			continue
		}

		key := v.signature()
		if i, ok := same[key]; ok {
			all[i].Names = append(all[i].Names, v.Names...)
			continue
		}

		same[key] = len(all)
		all = append(all, v)
	}

	return all
}

// Join makes one table of those that run in the same proxies: by host, whatever
// source the routes come from.
func Join(tables []Table) []Table {
	var all []Table
	for _, t := range tables {
		i := slices.IndexFunc(all, func(o Table) bool { return !t.Mesh && !o.Mesh && reflect.DeepEqual(o.Target, t.Target) })
		if i < 0 {
			all = append(all, t)
			continue
		}

		all[i].Hosts = Group(union(all[i].Hosts, t.Hosts))
	}

	return all
}

// union puts the routes of a host together, one host at a time.
func union(a, b []VHost) (hosts []VHost) {
	at := map[string]int{}
	for _, v := range slices.Concat(a, b) {
		for _, h := range v.Names {
			key := fmt.Sprint(h, v.Scheme)
			if i, ok := at[key]; ok {
				hosts[i] = hosts[i].join(&v)
				continue
			}

			at[key] = len(hosts)
			one := v
			one.Names = []Host{h}
			hosts = append(hosts, one)
		}
	}

	return hosts
}

func (v *VHost) signature() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v %v", v.Scheme, v.Services, v.Ways)

	for _, r := range v.Routes {
		fmt.Fprintf(&b, "\n%s %v %v %v %v %v %v %v %v", r.Object, r.Match, r.Unless, r.Do, r.Headers, r.Answers, r.Left, r.Backends, v.via[r])
	}
	return b.String()
}
