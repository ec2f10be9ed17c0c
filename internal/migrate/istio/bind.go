package istio

import (
	"slices"
	"strings"

	istio "istio.io/client-go/pkg/apis/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// Server is a port of a Gateway that speaks HTTP.
type Server struct {
	Port   uint32
	Scheme string // http or https
	// Hosts are as the Gateway writes them, with or without a namespace.
	Hosts []string
}

// hosts are those that a server takes for the VirtualServices of a namespace. own
// is the Gateway's.
func (s *Server) hosts(own, namespace string) (all []string) {
	for _, host := range s.Hosts {
		of, name, named := strings.Cut(host, "/")
		switch {
		case !named:
			all = append(all, host)
		case of == "*", of == "." && own == namespace, of == namespace && of != ".":
			all = append(all, name)
		}
	}
	return all
}

// common is the host that two have in common: the narrower one of them.
func common(a, b string) (string, bool) {
	a, b = strings.ToLower(a), strings.ToLower(b)

	within := func(a, b string) bool {
		return a == b || strings.HasPrefix(b, "*") && len(a) >= len(b) && strings.HasSuffix(strings.TrimPrefix(a, "*"), b[1:])
	}
	switch {
	case within(a, b):
		return a, true
	case within(b, a):
		return b, true
	}

	return "", false
}

// place is a host by which a gateway runs a VirtualService, and its schemes; none
// for all that the gateway has.
type place struct {
	host    string
	schemes []string
}

// schemes are those that a Gateway speaks, in order.
func (g *Gateway) schemes() (all []string) {
	for _, one := range []string{"http", "https"} {
		if slices.ContainsFunc(g.Servers, func(s Server) bool { return s.Scheme == one }) {
			all = append(all, one)
		}
	}
	return all
}

// places are the hosts by which a gateway runs a VirtualService: those that one of
// its servers takes for its namespace. Where there are none, it says why.
func (m *model) places(gateway string, o *istio.VirtualService) (all []place) {
	known, is := m.known(gateway)
	if gateway == mesh || !is {
		for _, host := range o.Spec.Hosts {
			all = append(all, place{host: host})
		}
		if of, _, _ := strings.Cut(gateway, "/"); gateway != mesh && of != o.Namespace {
			m.report.Ask(object(o), "spec.gateways", "Gateway %s is not in the input, so which hosts it takes for other namespaces is not known: add it", gateway)
		}

		return all
	}

	at := map[string]int{}

	apart := false
	for _, wanted := range o.Spec.Hosts {
		if service, is := m.Resolve(wanted, o.Namespace); is {
			wanted = names(plan.Host{}, []plan.Service{service}, false)[0].Text
		}

		for _, s := range known.Servers {
			for _, host := range s.hosts(known.Namespace, o.Namespace) {
				both, ok := common(wanted, host)
				if !ok {
					continue
				}
				if other := known.inTheWay(&s, host, both, o.Namespace); other != nil {
					m.report.Leave(object(o), "spec.hosts", "port %d of Gateway %s takes %s for namespace %s, and port %d has hosts among them that it takes for "+
						"others only: the rules cannot tell their requests apart", s.Port, gateway, both, o.Namespace, other.Port)

					apart = true
					continue
				}

				i, seen := at[both]
				if !seen {
					i = len(all)
					at[both] = i
					all = append(all, place{host: both})
				}
				if !slices.Contains(all[i].schemes, s.Scheme) {
					all[i].schemes = append(all[i].schemes, s.Scheme)
				}
			}
		}
	}
	if len(all) == 0 && !apart {
		m.report.Leave(object(o), "spec.gateways", "no HTTP server of Gateway %s takes hosts of this object for namespace %s, so istiod runs nothing of it there",
			gateway, o.Namespace)
	}

	return all
}

// inTheWay gives a server that does not take a host for a namespace but for
// others, whose requests the rules cannot tell from those of the server that does:
// on another port, or with a certificate of its own. Servers of one port without
// TLS are one to istiod.
func (g *Gateway) inTheWay(taken *Server, by, host, namespace string) *Server {
	for i := range g.Servers {
		s := &g.Servers[i]
		if s.Scheme != taken.Scheme || s.Port == taken.Port && s.Scheme == "http" {
			continue
		}

		overlaps := func(other string) bool {
			_, name, named := strings.Cut(other, "/")
			if !named {
				name = other
			}

			both, ok := common(host, name)
			// A narrower name is tried first on one port.
			return ok && (s.Port != taken.Port || both == strings.ToLower(name) && name != by)
		}
		takes := slices.ContainsFunc(s.hosts(g.Namespace, namespace), func(h string) bool { _, ok := common(host, h); return ok })
		if !takes && slices.ContainsFunc(s.Hosts, overlaps) {
			return s
		}
	}

	return nil
}

// known is what the input says of a Gateway.
func (m *model) known(gateway string) (Gateway, bool) {
	known, ok := m.Gateways[gateway]
	if !ok {
		known, ok = m.Gateways[strings.TrimPrefix(gateway, "/")]
	}
	return known, ok
}

// exportedTo are the namespaces that see an object, and true for all of them.
func exportedTo(o *istio.VirtualService) (namespaces []string, all bool) {
	for _, one := range o.Spec.ExportTo {
		switch one {
		case "*":
			return nil, true
		case ".":
			namespaces = append(namespaces, o.Namespace)
		case "~":
		default:
			namespaces = append(namespaces, one)
		}
	}

	return namespaces, len(o.Spec.ExportTo) == 0
}

// seen reports whether the proxies of a gateway see a VirtualService, as far as
// the input says in which namespace they are.
func (m *model) seen(gateway string, o *istio.VirtualService) bool {
	to, all := exportedTo(o)
	if all {
		return true
	}

	var proxies []string
	if known, _ := m.known(gateway); len(known.Selector) > 0 {
		proxies = m.Proxies(known.Selector)
	}

	unseen := slices.ContainsFunc(proxies, func(namespace string) bool { return !slices.Contains(to, namespace) })
	sees := slices.ContainsFunc(proxies, func(namespace string) bool { return slices.Contains(to, namespace) })

	switch {
	case len(to) == 0 || unseen && !sees:
		m.report.Leave(object(o), "spec.exportTo", "leaves out the namespace of Gateway %s's Pods, so istiod runs nothing of it there", gateway)
		return false
	case !sees || unseen:
		m.report.Ask(object(o), "spec.exportTo", "whether the Pods of Gateway %s are in one of these namespaces is not known: add their Service", gateway)
	}

	return true
}

// forAll reports whether rules for the callers of a host are for those that a
// VirtualService is exported to.
func (m *model) forAll(o *istio.VirtualService, host string, rows []*row) bool {
	service, is := m.Resolve(host, o.Namespace)
	to, all := exportedTo(o)

	local := len(to) > 0 && !slices.ContainsFunc(to, func(namespace string) bool { return namespace != o.Namespace })
	outside := !is && !slices.ContainsFunc(rows, func(r *row) bool {
		return r.Answers || slices.ContainsFunc(r.Backends, func(b plan.Backend) bool { return b.Elsewhere == "" })
	})

	switch {
	case all && is && service.Namespace != o.Namespace:
		m.report.Differ(object(o), "spec.hosts", "Service %s is of another namespace, and as this object is exported to all, its rules are for all its callers",
			service)
	case all, local && (m.Front || outside):
	case len(to) == 0:
		m.report.Leave(object(o), "spec.exportTo", "names no namespace, so nothing runs this object")
		return false
	case local && is && service.Namespace == o.Namespace:
		m.report.Ask(object(o), "spec.exportTo", "is for the clients of this namespace, and rules at Service %s are for those of all: make sure that no "+
			"others call it, or use --at gateway", service)
	default:
		how := "keep it here"
		if local {
			how = "use --at gateway, which writes it for the sidecars of these clients, or keep it here"
		}
		m.report.Leave(object(o), "spec.exportTo", "is for the clients of %s alone, and the rules for %s would be for all: %s", strings.Join(to, ", "), host, how)
		return false
	}

	return true
}

// visible reports whether a VirtualService may name a delegate.
func visible(delegate, root *istio.VirtualService) bool {
	to, all := exportedTo(delegate)
	return all || slices.Contains(to, root.Namespace)
}
