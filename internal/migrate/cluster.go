package migrate

import (
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

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
	filters     map[string]map[string]any
	classes     map[string]string // controllers of GatewayClasses
	policies    []policy
	signs       bool // there is an object of Envoy Gateway's own API
}

// service is what counts of a Service here.
type service struct {
	selector map[string]string
	waypoint bool
	external string
}

func under(v any, keys ...string) any {
	for _, key := range keys {
		of, _ := v.(map[string]any)
		v = of[key]
	}
	return v
}

func text(v any, keys ...string) string {
	s, _ := under(v, keys...).(string)
	return s
}

func texts(v any, keys ...string) map[string]string {
	of, _ := under(v, keys...).(map[string]any)

	all := map[string]string{}
	for key, value := range of {
		if s, ok := value.(string); ok {
			all[key] = s
		}
	}
	return all
}

// other reads the objects that rewrites refer to.
func (c *cluster) other(kind string, doc map[string]any) {
	id := text(doc, "metadata", "namespace") + "/" + text(doc, "metadata", "name")
	switch kind {
	case "Service":
		s := &service{selector: texts(doc, "spec", "selector"), external: text(doc, "spec", "externalName")}
		way := text(doc, "metadata", "labels", "istio.io/use-waypoint")
		s.waypoint = way != "" && way != "none"
		c.services[plan.Service{Namespace: text(doc, "metadata", "namespace"), Name: text(doc, "metadata", "name")}] = s
	case "IngressClass":
		c.controllers[text(doc, "metadata", "name")] = text(doc, "spec", "controller")
	case "HTTPRouteFilter":
		spec, _ := doc["spec"].(map[string]any)
		c.filters[id] = spec
	case "GatewayClass":
		c.classes[text(doc, "metadata", "name")] = text(doc, "spec", "controllerName")
	case "EnvoyExtensionPolicy", "BackendTrafficPolicy", "EnvoyPatchPolicy":
		c.policies = append(c.policies, readPolicy(kind, doc))
	}
}

// gateway reads a Gateway of Istio.
func (c *cluster) gateway(doc map[string]any) {
	g := istiomodel.Gateway{Selector: texts(doc, "spec", "selector"), Ports: map[uint32]string{}}

	servers, _ := under(doc, "spec", "servers").([]any)
	for _, s := range servers {
		number, _ := under(s, "port", "number").(float64)
		switch strings.ToUpper(text(s, "port", "protocol")) {
		case "HTTP", "HTTP2", "GRPC":
			g.Ports[uint32(number)] = "http"
		case "HTTPS":
			g.Ports[uint32(number)] = "https"
		}
	}

	c.gateways[text(doc, "metadata", "namespace")+"/"+text(doc, "metadata", "name")] = g
}

// find gives a Service of the input. One without a namespace is of every one.
func (c *cluster) find(s plan.Service) *service {
	if one := c.services[s]; one != nil {
		return one
	}
	return c.services[plan.Service{Name: s.Name}]
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
