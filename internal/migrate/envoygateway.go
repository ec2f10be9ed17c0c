package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/gatewayapi"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/nginx"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// Envoy Gateway is known by the controller of a GatewayClass, and by its API.
const (
	envoyGatewayController = "gateway.envoyproxy.io/gatewayclass-controller"
	envoyGatewayGroup      = "gateway.envoyproxy.io"
	istioGroup             = "networking.istio.io"
)

// policy is an object of Envoy Gateway that changes what its proxies do.
type policy struct {
	kind    string
	id      plan.Service
	targets []policyTarget
}

type policyTarget struct{ path, kind, name string }

func (p policy) String() string { return p.kind + " " + p.id.String() }

// policyObject is what counts of a policy: what it is of.
type policyObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec struct {
		TargetRef  *policyReference  `json:"targetRef,omitempty"`
		TargetRefs []policyReference `json:"targetRefs,omitempty"`
	} `json:"spec"`
}

type policyReference struct {
	Group       string `json:"group"`
	Kind        string `json:"kind"`
	Name        string `json:"name"`
	SectionName string `json:"sectionName,omitempty"`
}

func (o *policyObject) policy(kind string) policy {
	p := policy{kind: kind, id: plan.Service{Namespace: o.Namespace, Name: o.Name}}
	for i, ref := range o.Spec.TargetRefs {
		p.targets = append(p.targets, policyTarget{fmt.Sprintf("spec.targetRefs[%d]", i), ref.Kind, ref.Name})
	}
	if ref := o.Spec.TargetRef; ref != nil {
		p.targets = append(p.targets, policyTarget{"spec.targetRef", ref.Kind, ref.Name})
	}

	return p
}

// ofEnvoyGateway says whether a Gateway is Envoy Gateway's: by its class, and
// where that is not in the input by other objects of its API.
func (m *migration) ofEnvoyGateway(name plan.Service) bool {
	known := m.cluster.apiGateways[name.Namespace+"/"+name.Name]
	if known == nil {
		return m.cluster.signs
	}

	class := string(known.Spec.GatewayClassName)
	if controller := m.cluster.classes[class]; controller != "" {
		return controller == envoyGatewayController
	}

	return m.cluster.signs && class != "istio" && !strings.HasPrefix(class, "istio-")
}

// envoyGateways are the Gateways of Envoy Gateway that are in the input, or that
// a route names.
func (m *migration) envoyGateways() (fronts []plan.Service) {
	add := func(name plan.Service) {
		if m.ofEnvoyGateway(name) && !slices.Contains(fronts, name) {
			fronts = append(fronts, name)
		}
	}

	for _, g := range m.cluster.apiGateways {
		add(plan.Service{Namespace: g.Namespace, Name: g.Name})
	}

	for _, o := range m.routes {
		for _, ref := range o.Spec.ParentRefs {
			namespace := o.Namespace
			if ref.Namespace != nil {
				namespace = string(*ref.Namespace)
			}

			switch {
			case ref.Kind == nil || *ref.Kind == "Gateway":
				add(plan.Service{Namespace: namespace, Name: string(ref.Name)})
			case *ref.Kind == "ListenerSet":
				if set := m.cluster.listenerSets[namespace+"/"+string(ref.Name)]; set != nil {
					add(set.Gateway())
				}
			}
		}
	}

	slices.SortFunc(fronts, func(a, b plan.Service) int { return strings.Compare(a.String(), b.String()) })

	return fronts
}

// settle decides where rewrites run. Under Envoy Gateway there is one place.
func (m *migration) settle() error {
	o := &m.options
	if len(m.fronts) == 0 {
		if o.At == "" {
			o.At = Destination
		}
		if o.At == Gateway && o.Moving {
			return errors.New("--moving: at a gateway the rules come before the rewrites of routes, so nothing shows what these would change: leave " +
				"--moving out, and go on as the steps say, or leave --at gateway out")
		}
		return nil
	}

	const none = "Gateway %s is of Envoy Gateway, which has no proxies of services: leave %s out"
	switch {
	case o.At == Destination:
		return fmt.Errorf(none, m.fronts[0], "--at destination")
	case o.Waypoint:
		return fmt.Errorf(none, m.fronts[0], "--waypoint")
	case o.Moving:
		return fmt.Errorf("Gateway %s is of Envoy Gateway, where the rules come before the rewrites of routes, so nothing shows what these would "+
			"change: leave --moving out, and go on as the steps say", m.fronts[0])
	}

	o.At = Gateway

	return nil
}

// frontTables gives the routes that Gateways of Envoy Gateway run, and those of
// Ingresses, which are to come there.
func (m *migration) frontTables() []plan.Table {
	report := &m.result.Report
	for _, v := range m.virtual {
		report.Leave("VirtualService "+plan.Service{Namespace: v.Namespace, Name: v.Name}.String(), "spec",
			"is of Istio's proxies, and the values are for Envoy Gateway: import it apart")
	}

	front := m.fronts[0]

	tables := nginx.Tables(nginx.Input{Ingresses: m.ingresses, Controllers: m.cluster.controllers, Target: gatewayapi.Target("Gateway", front)}, report)
	if len(tables) > 0 && len(m.fronts) > 1 {
		report.Ask("Gateway "+front.String(), "metadata.name", "the rules of the Ingresses are written for this one of %d Gateways: give import "+
			"the Gateway alone that takes their traffic", len(m.fronts))
	}

	return append(tables, gatewayapi.Tables(gatewayapi.Input{
		Routes: m.routes, Gateways: m.cluster.apiGateways, ListenerSets: m.cluster.listenerSets, Filters: m.cluster.filters,
		Resolve: m.cluster.resolve, EnvoyGateway: m.ofEnvoyGateway, Bounds: m.cluster.bounds,
	}, report)...)
}

// seenHost is what the routes of a host have in common.
type seenHost struct {
	single  bool         // all requests go to one backend
	all     bool         // a route takes every path
	answers []beginRoute // the routes that answer from an object of the input
}

// beginRoute is a route and what its paths begin with.
type beginRoute struct {
	begin string
	route *plan.Route
}

// look looks at a host, once.
func (p *placer) look(v *plan.VHost) *seenHost {
	if seen := p.seen[v]; seen != nil {
		return seen
	}

	seen := &seenHost{single: v.Single()}
	for _, r := range v.Routes {
		path, _ := r.Match.Get("path").(plan.Fields)
		if len(r.Backends) > 0 && (len(r.Match) == 0 || len(r.Match) == 1 && path.Get("prefix") == "/") {
			seen.all = true
		}
		if r.Answers && r.Target != nil {
			seen.answers = append(seen.answers, beginRoute{begin(r.Match), r})
		}
	}

	p.seen[v] = seen

	return seen
}

// rerouted says what a route wants whose requests change at a Gateway of Envoy
// Gateway, where the backend is that of the new path.
func (p *placer) rerouted(v *plan.VHost, r *plan.Route, e *entry) {
	rewrite, _ := e.do.Get("rewrite").(plan.Fields)
	if path, ok := rewrite.Get("path").(string); ok {
		p.answered(v, r, path)
	}

	switch {
	case rewrite.Get("host") != nil:
		p.report.Ask(r.Object, r.Path, "Envoy Gateway chooses the route again, by the new host, too: give that a route to the same backend")
	case rewrite.Get("path") == nil:
	case !p.look(v).single:
		p.report.Ask(r.Object, r.Path, "Envoy Gateway chooses the route again by the new path, and this host has several backends: give each new path "+
			"a route to the same one")
	case !p.look(v).all:
		p.report.Ask(r.Object, r.Path, "Envoy Gateway chooses the route again by the new path, and no route of this host takes every path: give each "+
			"new path a route to the same backend")
	}
}

// answered says which answers of the host's objects the new path of a route may
// meet, which no rule comes before any more.
func (p *placer) answered(v *plan.VHost, r *plan.Route, path string) {
	begins := leads(r, path)

	for _, answer := range p.look(v).answers {
		other, theirs := answer.route, answer.begin
		if !strings.HasPrefix(begins, theirs) && !strings.HasPrefix(theirs, begins) {
			continue
		}

		p.report.Ask(r.Object, r.Path, "Envoy Gateway chooses the route again by the new path, and a redirect or direct response may take it: where it "+
			"does, take that out, too, %s of %s", other.Path, other.Object)
	}
}

// leads is what the new path of a route begins with, in lower case, as far as
// that is known: up to its first reference.
func leads(r *plan.Route, path string) string {
	in, _ := r.Match.Get("path").(plan.Fields)
	if regex, ok := in.Get("regex").(string); ok && !strings.HasPrefix(regex, "^") {
		return ""
	}
	if i := strings.IndexAny(path, `$\`); i >= 0 {
		path = path[:i]
	}
	return strings.ToLower(strings.TrimSuffix(path, "/"))
}

// policies says what the policies of the input have to do with the rules.
func (m *migration) policies() {
	if len(m.fronts) == 0 || len(m.result.Values) == 0 {
		return
	}

	report := &m.result.Report

	carried := map[string]bool{}
	for _, o := range report.Objects {
		carried[o.Name] = o.Patterns > 0
	}

	for _, p := range m.cluster.policies {
		if p.kind == "EnvoyPatchPolicy" {
			report.Leave(p.String(), "spec", "changes Envoy's own configuration: write what it rewrites by hand")
			continue
		}

		for _, t := range p.targets {
			of := plan.Service{Namespace: p.id.Namespace, Name: t.name}

			switch {
			case p.kind == "EnvoyExtensionPolicy" && t.kind == "Gateway" && slices.Contains(m.fronts, of):
				report.Ask(p.String(), t.path, "the policies of routes replace this one of Gateway %s whole: put its filters into theirs, too", of)
			case t.kind != "HTTPRoute" || !carried["HTTPRoute "+of.String()]:
			case p.kind == "EnvoyExtensionPolicy":
				report.Ask(p.String(), t.path, "HTTPRoute %s has this policy, and Envoy Gateway runs one of a target: unless it is of the release that "+
					"these values are for, put both into one", of)
			default:
				report.Differ("HTTPRoute "+of.String(), "spec", "timeouts, retries and the like of %s count where a route of this object takes the new "+
					"path: write the routes of new paths here, or give them the same", p)
			}
		}
	}
}

// frontSteps says in which order to go on under Envoy Gateway.
func (m *migration) frontSteps() (steps []string) {
	if len(m.ingresses) > 0 {
		steps = append(steps, "Write the routes of the Ingresses, without rewrites and redirects, as HTTPRoutes of the Gateway: the same hosts and "+
			"paths to the same Services. Do not send traffic there yet.")
	}

	steps = append(steps, "Give each new path a route without a rewrite, to the same backend: `wasm-rewrite lint VALUES --routes ROUTES` names those "+
		"that have none, and those that lead past a SecurityPolicy.",
		"Install these values, with image.digest and verify.image.digest. The rules come before the filters of routes: what they send to a route that "+
			"still rewrites or adds headers gets both until these are taken out, so go on at once.",
		"Wait until `wasm-rewrite status -A RELEASE --wait 60s` says that every proxy has the rules.")
	if len(m.routes) > 0 {
		steps = append(steps, "Take out of each object what is named with it. A redirect or direct response may stay where no question names it: the rules answer "+
			"before it.")
	}
	if len(m.ingresses) > 0 {
		steps = append(steps, "Send the traffic from ingress-nginx to the Gateway, then delete the Ingresses.")
	}

	return steps
}
