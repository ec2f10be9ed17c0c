// Package nginx models ingress-nginx: the servers and locations that it makes
// of all Ingresses of a class together, and what its template writes into each.
package nginx

import (
	"slices"
	"strconv"
	"strings"

	networking "k8s.io/api/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// anyHost is how the controller calls the server of all other hosts.
const anyHost = "_"

// server is one host with its locations.
type server struct {
	host      string
	aliases   []string
	tls       bool
	www       bool
	locations []*location
}

// location is one path of a server, and where it comes from.
type location struct {
	path     string
	kind     networking.PathType
	backends []plan.Service
	def      bool // made for the host, not of a path
	set      *settings
	object   string
	at       string
}

func (l *location) rewrites() bool { return l.set.target != "" && l.set.target != l.path }

// build makes the servers of the Ingresses of one class, as the controller does
// it, from the oldest to the newest.
func build(list []*networking.Ingress, report *plan.Report) []*server {
	b := builder{byHost: map[string]*server{}, report: report, settings: map[*networking.Ingress]*settings{}}
	b.server(anyHost).locations = []*location{{path: "/", kind: networking.PathTypePrefix, def: true, set: &settings{}}}

	var canaries []*networking.Ingress
	for _, o := range list {
		b.settings[o] = read(o, report)
		if b.settings[o].canary {
			canaries = append(canaries, o)
			continue
		}
		b.hosts(o)
	}

	for _, o := range list {
		if !b.settings[o].canary {
			b.paths(o)
		}
	}

	for _, o := range canaries {
		b.canary(o)
	}

	for _, s := range b.servers {
		s.sort()
	}
	slices.SortStableFunc(b.servers, func(a, c *server) int { return strings.Compare(a.host, c.host) })
	b.aliases()

	return b.servers
}

type builder struct {
	servers  []*server
	byHost   map[string]*server
	settings map[*networking.Ingress]*settings
	report   *plan.Report
}

func (b *builder) server(host string) *server {
	if host == "" {
		host = anyHost
	}

	s := b.byHost[host]
	if s == nil {
		s = &server{host: host}
		b.byHost[host] = s
		b.servers = append(b.servers, s)
	}

	return s
}

// hosts makes the servers that an Ingress is the first to name, each with a
// location for all that no path takes.
func (b *builder) hosts(o *networking.Ingress) {
	set := b.settings[o]
	for i, rule := range o.Spec.Rules {
		s := b.server(rule.Host)
		if len(s.locations) == 0 {
			l := &location{path: "/", kind: networking.PathTypePrefix, def: true, set: set, object: object(o), at: "spec.rules[" + strconv.Itoa(i) + "]"}
			if d := o.Spec.DefaultBackend; d != nil && d.Service != nil {
				l.backends = []plan.Service{{Namespace: o.Namespace, Name: d.Service.Name}}
			}

			s.locations = []*location{l}
		}
		if len(s.aliases) == 0 {
			s.aliases = set.aliases
		}

		s.tls = s.tls || len(o.Spec.TLS) > 0
	}
	if len(o.Spec.Rules) == 0 && (set.target != "" || set.redirect != nil) {
		b.report.Differ(object(o), "spec.defaultBackend", "ingress-nginx itself takes no rewrite or redirect from an Ingress without rules")
	}
}

// paths adds the locations of an Ingress. The first of two of one path and type
// stays.
func (b *builder) paths(o *networking.Ingress) {
	set := b.settings[o]
	for i, rule := range o.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}

		s := b.server(rule.Host)
		for j, p := range rule.HTTP.Paths {
			at := "spec.rules[" + strconv.Itoa(i) + "].http.paths[" + strconv.Itoa(j) + "]"
			if p.Backend.Service == nil {
				b.report.Leave(object(o), at+".backend", "ingress-nginx passes over a path without a Service")
				continue
			}

			l := &location{path: p.Path, kind: networking.PathTypeImplementationSpecific, set: set, object: object(o), at: at}
			l.backends = []plan.Service{{Namespace: o.Namespace, Name: p.Backend.Service.Name}}
			if l.path == "" {
				l.path = "/"
			}
			if p.PathType != nil {
				l.kind = *p.PathType
			}
			b.add(s, l)
			s.www = s.www || set.www
		}
	}
}

func (b *builder) add(s *server, l *location) {
	for i, was := range s.locations {
		if was.path != l.path {
			continue
		}
		if was.kind != l.kind {
			break
		}
		if was.def {
			s.locations[i] = l
		} else {
			b.report.Differ(l.object, l.at, "%s has %s of host %s already, and ingress-nginx takes the first: this one is not run", was.object, l.path, s.host)
		}

		return
	}

	s.locations = append(s.locations, l)
}

// canary adds the Service of a canary Ingress to the locations that it shares:
// ingress-nginx rewrites for both by the main one's annotations.
func (b *builder) canary(o *networking.Ingress) {
	set, found := b.settings[o], false
	for _, rule := range o.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}

		for _, p := range rule.HTTP.Paths {
			if p.Backend.Service == nil {
				continue
			}

			for _, l := range b.server(rule.Host).locations {
				if l.path == p.Path && p.PathType != nil && l.kind == *p.PathType && !l.def {
					l.backends = append(slices.Clip(l.backends), plan.Service{Namespace: o.Namespace, Name: p.Backend.Service.Name})
					b.report.Differ(object(o), annotation(prefix+"canary"),
						"its Service runs the rules of %s, as in ingress-nginx; the share of requests that it gets is a matter of routes: weights of "+
							"HTTPRoute or VirtualService", l.object)

					found = true
				}
			}
		}
	}
	if !found {
		b.report.Leave(object(o), annotation(prefix+"canary"), "no Ingress that is read has a path of its own for it: ingress-nginx does not run it alone")
	} else if set.target != "" {
		b.report.Differ(object(o), annotation(prefix+"rewrite-target"), "ingress-nginx does not run this of a canary; the main one's holds")
	}
}

// aliases leaves out those that are hosts of their own, and those that another
// server has: nginx takes the first of one name.
func (b *builder) aliases() {
	taken := map[string]bool{}
	for _, s := range b.servers {
		s.aliases = slices.DeleteFunc(slices.Clone(s.aliases), func(a string) bool { return b.byHost[a] != nil || taken[a] })
		for _, a := range s.aliases {
			taken[a] = true
		}
	}
}

// below reports whether a prefix takes only what lies below its path: an exact
// location has the path itself.
func (s *server) below(l *location) bool {
	if l.kind != networking.PathTypePrefix || l.path == "/" || l.rewrites() || l.set.regex {
		return false
	}
	return slices.ContainsFunc(s.locations, func(o *location) bool { return o.kind == networking.PathTypeExact && o.path == l.path })
}

// sort puts locations in the controller's order: the longest path first, and of
// those of one length the one that comes last.
func (s *server) sort() {
	slices.SortStableFunc(s.locations, func(a, b *location) int {
		if len(a.path) != len(b.path) {
			return len(b.path) - len(a.path)
		}
		return strings.Compare(b.path, a.path)
	})
}

// regex reports whether every location of the server is a regex: one rewrite or
// one use-regex makes them all so.
func (s *server) regex() bool {
	return slices.ContainsFunc(s.locations, func(l *location) bool { return l.rewrites() || l.set.regex })
}
