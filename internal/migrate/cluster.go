package migrate

import (
	"maps"
	"slices"
	"strings"

	istio "istio.io/client-go/pkg/apis/networking/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	beta "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/gatewayapi"
	istiomodel "github.com/wasm-rewrite/wasm-rewrite/internal/migrate/istio"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// cluster is what the input says of everything around the objects that have
// rewrites.
type cluster struct {
	services    map[plan.Service]*service
	controllers map[string]string // of IngressClasses
	gateways    map[string]istiomodel.Gateway
	apiGateways map[string]*gateway.Gateway
	// listenerSets are by namespace/name, as the Gateways are.
	listenerSets map[string]*gatewayapi.ListenerSet
	bounds       gatewayapi.Bounds
	filters      map[string]*gatewayapi.Filter
	classes      map[string]string // controllers of GatewayClasses
	policies     []policy
	signs        bool // there is an object of Envoy Gateway's own API
}

// service is what counts of a Service here.
type service struct {
	selector map[string]string
	waypoint bool
	external string
}

// text is a text in a document, or nothing.
func text(doc map[string]any, keys ...string) string {
	var v any = doc
	for _, key := range keys {
		of, _ := v.(map[string]any)
		v = of[key]
	}

	s, _ := v.(string)

	return s
}

// around reads the objects that rewrites refer to.
func (m *migration) around(group, kind string, doc map[string]any, place string) {
	c := &m.cluster
	switch group + "/" + kind {
	case "/Service":
		if o := decode[core.Service](m, doc, place); o != nil {
			way := o.Labels["istio.io/use-waypoint"]
			c.services[plan.Service{Namespace: o.Namespace, Name: o.Name}] = &service{
				selector: o.Spec.Selector, external: o.Spec.ExternalName, waypoint: way != "" && way != "none",
			}
		}
	case "/Namespace":
		if o := decode[core.Namespace](m, doc, place); o != nil {
			c.bounds.Namespaces[o.Name] = o.Labels
		}
	case gateway.GroupName + "/ReferenceGrant":
		if o := decode[beta.ReferenceGrant](m, doc, place); o != nil {
			c.bounds.Grants = append(c.bounds.Grants, o)
		}
	case networking.GroupName + "/IngressClass":
		if o := decode[networking.IngressClass](m, doc, place); o != nil {
			c.controllers[o.Name] = o.Spec.Controller
		}
	case istioGroup + "/Gateway":
		if o := decode[istio.Gateway](m, doc, place); o != nil {
			c.gateways[o.Namespace+"/"+o.Name] = gatewayOfIstio(o)
		}
	case gateway.GroupName + "/Gateway":
		if o := decode[gateway.Gateway](m, doc, place); o != nil {
			c.apiGateways[o.Namespace+"/"+o.Name] = o
		}
	case gateway.GroupName + "/ListenerSet":
		if o := decode[gatewayapi.ListenerSet](m, doc, place); o != nil {
			c.listenerSets[o.Namespace+"/"+o.Name] = o
		}
	case gateway.GroupName + "/GatewayClass":
		if o := decode[gateway.GatewayClass](m, doc, place); o != nil {
			c.classes[o.Name] = string(o.Spec.ControllerName)
		}
	case envoyGatewayGroup + "/HTTPRouteFilter":
		m.filter(doc, place)
	case envoyGatewayGroup + "/EnvoyExtensionPolicy", envoyGatewayGroup + "/BackendTrafficPolicy", envoyGatewayGroup + "/EnvoyPatchPolicy":
		if o := decode[policyObject](m, doc, place); o != nil {
			c.policies = append(c.policies, o.policy(kind))
		}
	}
}

// filter reads an HTTPRouteFilter of Envoy Gateway.
func (m *migration) filter(doc map[string]any, place string) {
	o := decode[gatewayapi.Filter](m, doc, place)
	if o == nil {
		return
	}
	if faults := gatewayapi.CheckFilter(o); len(faults) > 0 {
		m.wrong(name(doc, place), faults)
		return
	}

	m.cluster.filters[o.Namespace+"/"+o.Name] = o
}

// gatewayOfIstio is what counts of a Gateway of Istio.
func gatewayOfIstio(o *istio.Gateway) istiomodel.Gateway {
	g := istiomodel.Gateway{Namespace: o.Namespace, Selector: o.Spec.Selector, Ports: map[uint32]string{}}
	for _, s := range o.Spec.Servers {
		scheme := map[string]string{"HTTP": "http", "HTTP2": "http", "GRPC": "http", "HTTPS": "https"}[strings.ToUpper(s.GetPort().GetProtocol())]
		if scheme == "" {
			continue
		}

		g.Ports[s.Port.Number] = scheme
		g.Servers = append(g.Servers, istiomodel.Server{Port: s.Port.Number, Scheme: scheme, Hosts: s.Hosts})
	}

	return g
}

// find gives a Service of the input. One without a namespace is of every one.
func (c *cluster) find(s plan.Service) *service {
	if one := c.services[s]; one != nil {
		return one
	}
	return c.services[plan.Service{Name: s.Name}]
}

// namespaces are those of the Services whose Pods all have some labels, in order.
func (c *cluster) namespaces(labels map[string]string) (all []string) {
	for name, s := range c.services {
		missing := func(key string) bool { return s.selector[key] != labels[key] }
		if name.Namespace != "" && !slices.ContainsFunc(slices.Collect(maps.Keys(labels)), missing) && !slices.Contains(all, name.Namespace) {
			all = append(all, name.Namespace)
		}
	}
	slices.Sort(all)

	return all
}

// resolve gives the Service of a host: a short name, or the whole one.
func (c *cluster) resolve(host, namespace string) (plan.Service, bool) {
	if host == "" || strings.Contains(host, "*") {
		return plan.Service{}, false
	}
	if !strings.Contains(host, ".") {
		return plan.Service{Namespace: namespace, Name: host}, true
	}

	short, ok := strings.CutSuffix(host, ".svc.cluster.local")
	if !ok {
		return plan.Service{}, false
	}

	name, in, ok := strings.Cut(short, ".")

	return plan.Service{Namespace: in, Name: name}, ok && !strings.Contains(in, ".")
}
