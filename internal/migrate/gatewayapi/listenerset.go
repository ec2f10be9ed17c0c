package gatewayapi

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// ListenerSet adds listeners to a Gateway. The Gateway API has it from 1.5 on.
type ListenerSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ListenerSetSpec `json:"spec"`
}

// ListenerSetSpec names the Gateway, and the listeners as a Gateway has them.
type ListenerSetSpec struct {
	ParentRef gateway.ParentReference `json:"parentRef"`
	Listeners []gateway.Listener      `json:"listeners"`
}

// Gateway is the one that runs the listeners.
func (s *ListenerSet) Gateway() plan.Service {
	name := plan.Service{Namespace: s.Namespace, Name: string(s.Spec.ParentRef.Name)}
	if in := s.Spec.ParentRef.Namespace; in != nil {
		name.Namespace = string(*in)
	}
	return name
}

// listenerSet attaches to the listeners of a ListenerSet: its Gateway runs the
// route.
func (m *model) listenerSet(o *gateway.HTTPRoute, at string, ref gateway.ParentReference, name plan.Service, rows []*row) {
	set := m.ListenerSets[name.Namespace+"/"+name.Name]
	if set == nil {
		m.report.Leave(object(o), at, "ListenerSet %s says which Gateway runs the route, and is not in the input: add it", name)
		return
	}

	of := set.Gateway()

	t := m.gatewayTable(o, at, of)
	if t == nil {
		return
	}

	known := m.Gateways[of.Namespace+"/"+of.Name]
	if known == nil {
		m.report.Ask(object(o), at, "Gateway %s is not in the input, so whether it takes listeners of ListenerSet %s is not known: add it", of, name)
	} else if verdict, why := m.adopts(known, set); verdict != allowed {
		say := m.report.Ask
		if verdict == refused {
			say = m.report.Leave
		}
		say(object(o), at, "ListenerSet %s: Gateway %s %s", name, of, why)
		if verdict == refused {
			return
		}
	}
	m.listen(t, o, at, ref, "ListenerSet "+name.String(), set.Namespace, set.Spec.Listeners, rows)
}
