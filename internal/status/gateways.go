package status

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// The labels by which Envoy Gateway knows the Pods of a Gateway; where Gateways
// of a class share proxies, these have the third alone.
const (
	owningName      = "gateway.envoyproxy.io/owning-gateway-name"
	owningNamespace = "gateway.envoyproxy.io/owning-gateway-namespace"
	owningClass     = "gateway.envoyproxy.io/owning-gatewayclass"
)

// gatewayKinds are what a policy may be of.
var gatewayKinds = map[string]schema.GroupVersionResource{
	"Gateway":     {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"},
	"ListenerSet": {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "listenersets"},
	"HTTPRoute":   {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
	"GRPCRoute":   {Group: "gateway.networking.k8s.io", Version: "v1", Resource: "grpcroutes"},
}

var policies = resource(input.Policies)

// maxGateways bounds how many Gateways are looked at for one object, and how
// often a parent has a parent.
const maxGateways, maxParents = 64, 3

// gatewayPlaces are where the proxies are that a policy is of.
func (c *Cluster) gatewayPlaces(ctx context.Context, o *Object) (places []place, why nowhere, err error) {
	known := map[string]bool{}
	for _, t := range o.Targets {
		var gateways []*unstructured.Unstructured
		if gateways, why, err = c.gatewaysOf(ctx, o.Namespace, t, maxParents); err != nil {
			return nil, nowhere{}, err
		}

		for _, g := range gateways {
			key := g.GetNamespace() + "/" + g.GetName()
			if known[key] || len(known) == maxGateways {
				continue
			}

			known[key] = true
			class, _, _ := unstructured.NestedString(g.Object, "spec", "gatewayClassName")
			places = append(places,
				place{metav1.NamespaceAll, fmt.Sprintf("%s=%s,%s=%s", owningName, g.GetName(), owningNamespace, g.GetNamespace())},
				place{metav1.NamespaceAll, fmt.Sprintf("%s=%s,!%s", owningClass, class, owningName)})
			why = nowhere{fmt.Sprintf("no Pod is of Gateway %s", key), "see that Envoy Gateway is up and takes the Gateway: `kubectl describe gateway` says so"}
		}
	}

	return places, why, nil
}

// gatewaysOf follows a target to its Gateways; of those that are not there, why.
func (c *Cluster) gatewaysOf(ctx context.Context, namespace string, t Target, left int) (gateways []*unstructured.Unstructured, why nowhere, err error) {
	resource, ok := gatewayKinds[t.Kind]
	if !ok || left == 0 {
		return nil, nowhere{fmt.Sprintf("a %s leads to no Gateway", t.Kind), "name a Gateway, ListenerSet, HTTPRoute or GRPCRoute"}, nil
	}

	object, err := c.objects.Resource(resource).Namespace(namespace).Get(ctx, t.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nowhere{fmt.Sprintf("there is no %s %s in namespace %s", t.Kind, t.Name, namespace), "make it, or correct the name in targetRefs"}, nil
	}
	if err != nil {
		return nil, nowhere{}, explain(ctx, err, "get gateways, listenersets, httproutes and grpcroutes")
	}
	if t.Kind == "Gateway" {
		return []*unstructured.Unstructured{object}, nowhere{}, nil
	}

	// A route may be of several Gateways, a ListenerSet is of one.
	parents, _, _ := unstructured.NestedSlice(object.Object, "spec", "parentRefs")
	if parent, found, _ := unstructured.NestedMap(object.Object, "spec", "parentRef"); found {
		parents = append(parents, parent)
	}

	why = nowhere{fmt.Sprintf("%s %s belongs to no Gateway", t.Kind, t.Name), "name one in its parentRefs"}
	for _, p := range parents {
		parent, _ := p.(map[string]any)
		text := func(key, otherwise string) string {
			if s, _ := parent[key].(string); s != "" {
				return s
			}
			return otherwise
		}
		found, not, err := c.gatewaysOf(ctx, text("namespace", namespace), Target{Kind: text("kind", "Gateway"), Name: text("name", "")}, left-1)
		if err != nil {
			return nil, nowhere{}, err
		}
		if len(found) == 0 {
			why = not
		}

		gateways = append(gateways, found...)
	}

	return gateways, why, nil
}

// verdicts asks what the controller says of the policies whose objects were not
// read from the cluster: those of a release's gate.
func (c *Cluster) verdicts(ctx context.Context, objects []*Object) {
	for _, o := range objects {
		if !o.policy() || o.read {
			continue
		}

		one, cancel := context.WithTimeout(ctx, c.options.Timeout)
		// Without an answer the proxies decide.
		if u, err := c.objects.Resource(policies).Namespace(o.Namespace).Get(one, o.Name, metav1.GetOptions{}); err == nil {
			o.readVerdict(u)
		}
		cancel()
	}
}
