package gatewayapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	beta "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// Bounds are what the input says of who may bind what.
type Bounds struct {
	// Namespaces has the labels of those that are in the input.
	Namespaces map[string]map[string]string
	Grants     []*beta.ReferenceGrant
}

// verdict is whether something may be bound, as far as the input says.
type verdict int

const (
	refused verdict = iota
	unknown
	allowed
)

// from decides about a route or ListenerSet of a namespace, for a Gateway of its
// own. The reason says why not, or what is missing.
func (b *Bounds) from(owner, namespace string, by gateway.FromNamespaces, selector *metav1.LabelSelector) (verdict, string) {
	switch by {
	case gateway.NamespacesFromAll:
		return allowed, ""
	case gateway.NamespacesFromSame:
		switch {
		case owner == namespace:
			return allowed, ""
		case owner == "" || namespace == "":
			return unknown, "takes those of its own namespace, and one of the two has none: write metadata.namespace"
		}
		return refused, "takes those of its own namespace " + owner
	case gateway.NamespacesFromSelector:
		return b.selected(namespace, selector)
	}

	return refused, fmt.Sprintf("takes those from %q", string(by))
}

// selected decides whether a selector takes a namespace.
func (b *Bounds) selected(namespace string, by *metav1.LabelSelector) (verdict, string) {
	if by == nil {
		return refused, "has no selector of namespaces"
	}

	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return refused, "has a selector that cannot be read"
	}

	// Every namespace has its name as a label.
	known, is := b.Namespaces[namespace]

	all := labels.Set{core.LabelMetadataName: namespace}
	for key, value := range known {
		all[key] = value
	}

	needs, _ := selector.Requirements()

	missing := false
	for _, one := range needs {
		switch {
		case namespace == "" || !is && one.Key() != core.LabelMetadataName:
			missing = true
		case !one.Matches(all):
			return refused, fmt.Sprintf("takes those of namespaces with %s, and %s is not one", selector, namespace)
		}
	}
	if missing {
		return unknown, fmt.Sprintf("takes those of namespaces with %s, and whether %s is one is not known: add the Namespace to the input", selector,
			cmp.Or(namespace, "the route's"))
	}

	return allowed, ""
}

// takes decides whether a listener takes HTTPRoutes of a namespace. owner is the
// namespace of the object that it belongs to.
func (b *Bounds) takes(l *gateway.Listener, owner, namespace string) (verdict, string) {
	by, selector := gateway.NamespacesFromSame, (*metav1.LabelSelector)(nil)
	if of := l.AllowedRoutes; of != nil {
		http := func(k gateway.RouteGroupKind) bool {
			return k.Kind == "HTTPRoute" && (k.Group == nil || *k.Group == gateway.GroupName)
		}
		if len(of.Kinds) > 0 && !slices.ContainsFunc(of.Kinds, http) {
			return refused, "takes no HTTPRoute"
		}
		if of.Namespaces != nil {
			selector = of.Namespaces.Selector
			if of.Namespaces.From != nil {
				by = *of.Namespaces.From
			}
		}
	}

	return b.from(owner, namespace, by, selector)
}

// adopts decides whether a Gateway takes the listeners of a ListenerSet: of none
// unless it says so.
func (b *Bounds) adopts(g *gateway.Gateway, set *ListenerSet) (verdict, string) {
	if of := g.Spec.AllowedListeners; of != nil && of.Namespaces != nil && of.Namespaces.From != nil {
		return b.from(g.Namespace, set.Namespace, *of.Namespaces.From, of.Namespaces.Selector)
	}
	return refused, "takes no ListenerSet: it has no allowedListeners"
}

// grants reports whether a ReferenceGrant of a Service's namespace lets
// HTTPRoutes of another one name it.
func (b *Bounds) grants(namespace string, to plan.Service) bool {
	return slices.ContainsFunc(b.Grants, func(g *beta.ReferenceGrant) bool {
		return g.Namespace == to.Namespace &&
			slices.ContainsFunc(g.Spec.From, func(f beta.ReferenceGrantFrom) bool {
				return f.Group == gateway.GroupName && f.Kind == "HTTPRoute" && string(f.Namespace) == namespace
			}) &&
			slices.ContainsFunc(g.Spec.To, func(t beta.ReferenceGrantTo) bool {
				return t.Group == "" && t.Kind == "Service" && (t.Name == nil || *t.Name == "" || string(*t.Name) == to.Name)
			})
	})
}

// granted reports whether a route may send requests to a Service, and says why
// not. In the mesh Istio asks for no grant.
func (m *model) granted(o *gateway.HTTPRoute, at string, to plan.Service) bool {
	inMesh := m.EnvoyGateway == nil && !slices.ContainsFunc(o.Spec.ParentRefs, func(r gateway.ParentReference) bool { return deref(r.Kind) != "Service" })
	if inMesh || to.Namespace == o.Namespace || m.grants(o.Namespace, to) {
		return true
	}

	add := ""
	if len(m.Grants) == 0 {
		add = "; the input has none at all: add referencegrants to the kubectl command"
	}
	m.report.Leave(object(o), at, "Service %s is of another namespace, and no ReferenceGrant there lets HTTPRoutes of %s name it, so the Gateway "+
		"sends it nothing%s", to, cmp.Or(o.Namespace, "this one"), add)

	return false
}

// declined reports whether the route's status says that a parent does not take
// it, and says so.
func (m *model) declined(o *gateway.HTTPRoute, at string, ref gateway.ParentReference) bool {
	why, taken := "", false
	for _, p := range o.Status.Parents {
		if parent(o, p.ParentRef) != parent(o, ref) {
			continue
		}

		for _, c := range p.Conditions {
			if c.Type != string(gateway.RouteConditionAccepted) || c.ObservedGeneration != 0 && o.Generation != 0 && c.ObservedGeneration != o.Generation {
				continue
			}

			taken = taken || c.Status == metav1.ConditionTrue
			if c.Status == metav1.ConditionFalse {
				why = cmp.Or(c.Reason, "Accepted is False")
			}
		}
	}
	if why == "" || taken {
		return false
	}
	m.report.Leave(object(o), at, "is not accepted, as its status says (%s), so nothing runs it", why)

	return true
}

// parent writes a reference out, so that two that mean the same are alike.
func parent(o *gateway.HTTPRoute, ref gateway.ParentReference) string {
	group, kind, namespace := gateway.Group(gateway.GroupName), gateway.Kind("Gateway"), gateway.Namespace(o.Namespace)
	if ref.Group != nil {
		group = *ref.Group
	}
	if ref.Kind != nil {
		kind = *ref.Kind
	}
	if ref.Namespace != nil {
		namespace = *ref.Namespace
	}

	return fmt.Sprint(group, "/", kind, "/", namespace, "/", ref.Name, "/", deref(ref.SectionName), "/", deref(ref.Port))
}

// bound is a listener that a reference names, and what it has to do with a route.
type bound struct {
	*gateway.Listener
	scheme  string
	verdict verdict
	why     string
}

// listeners are the HTTP ones that a reference names, each with its verdict.
func (b *Bounds) listeners(o *gateway.HTTPRoute, all []gateway.Listener, owner string) (list []bound) {
	for i := range all {
		l := bound{Listener: &all[i]}
		l.scheme = map[gateway.ProtocolType]string{gateway.HTTPProtocolType: "http", gateway.HTTPSProtocolType: "https"}[l.Protocol]
		if l.scheme == "" {
			continue
		}

		l.verdict, l.why = b.takes(l.Listener, owner, o.Namespace)
		list = append(list, l)
	}

	return list
}

// inTheWay gives a listener that refuses a route and whose requests of a host the
// rules cannot tell from those of a listener that takes it: by another port, or
// because it is the one that such a host is tried with.
func inTheWay(list []bound, taken bound, host string) *bound {
	for i, l := range list {
		if l.verdict != refused || l.scheme != taken.scheme {
			continue
		}
		if _, both := intersect(host, l.Hostname); both && (l.Port != taken.Port || !narrower(taken.Hostname, l.Hostname)) {
			return &list[i]
		}
	}
	return nil
}

// narrower reports whether a listener's host is tried before another's.
func narrower(a, b *gateway.Hostname) bool {
	rank := func(h *gateway.Hostname) (int, int) {
		switch text := string(deref(h)); {
		case text == "" || text == "*":
			return 0, 0
		case strings.HasPrefix(text, "*."):
			return 1, len(text)
		}
		return 2, 0
	}
	kind, length := rank(a)
	other, size := rank(b)

	return kind > other || kind == other && length > size
}
