package status

import (
	"cmp"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The labels by which Istio knows the Pods of a Gateway, of a GatewayClass, and
// the waypoint of a Service.
const (
	gatewayLabel   = "gateway.networking.k8s.io/gateway-name"
	classLabel     = "gateway.networking.k8s.io/gateway-class-name"
	managedLabel   = "gateway.istio.io/managed"
	waypointOf     = "istio.io-mesh-controller" // the value of managedLabel on waypoints
	useLabel       = "istio.io/use-waypoint"
	namespaceLabel = "istio.io/use-waypoint-namespace"
	noWaypoint     = "none" // the value of useLabel that wants none
)

var serviceEntries = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "serviceentries"}

// place is where Pods are looked for.
type place struct{ namespace, selector string }

// nowhere is why an object applies to no Pod, and what to do.
type nowhere struct{ reason, advice string }

// places are where the Pods of an object are. With none of them comes why.
func (c *Cluster) places(ctx context.Context, o *Object) (places []place, why nowhere, err error) {
	if o.policy() {
		return c.gatewayPlaces(ctx, o)
	}
	if len(o.Targets) == 0 {
		// Waypoints go by targetRefs alone.
		selector := labels.Set(o.Selector).String()
		if selector != "" {
			selector += ","
		}

		p := place{o.Namespace, selector + managedLabel + "!=" + waypointOf}
		if o.Namespace == c.options.RootNamespace {
			p.namespace = metav1.NamespaceAll
		}

		where, elsewhere := "in namespace "+o.Namespace, fmt.Sprintf("; write workloads.%s.namespace if the Pods are elsewhere", cmp.Or(o.Workload, "NAME"))
		if o.Namespace == c.options.RootNamespace {
			where, elsewhere = "in any namespace", ""
		}

		return []place{p}, nowhere{"no Pod " + where + " has the labels of the selector", "start the workload, or correct the selector" + elsewhere}, nil
	}

	for _, t := range o.Targets {
		switch t.Kind {
		case "Gateway":
			places = append(places, place{o.Namespace, gatewayLabel + "=" + t.Name})
			why = nowhere{fmt.Sprintf("no Pod in namespace %s is of Gateway %s", o.Namespace, t.Name),
				"make the Gateway, or correct the name in targetRefs; it is in the namespace of the workload"}
		case "GatewayClass":
			if o.Namespace != c.options.RootNamespace {
				why = nowhere{"Istio takes a GatewayClass in its root namespace alone, which is " + c.options.RootNamespace,
					"set the workload's namespace to it, or name a Gateway"}
				continue
			}

			places = append(places, place{metav1.NamespaceAll, classLabel + "=" + t.Name})
			why = nowhere{"no Pod is of a Gateway of class " + t.Name, "make a waypoint, as `istioctl waypoint apply` does, or correct the name in targetRefs"}
		case "Service", "ServiceEntry":
			var p *place
			if p, why, err = c.waypoint(ctx, o.Namespace, t); err != nil {
				return nil, nowhere{}, err
			}
			if p != nil {
				places = append(places, *p)
			}
		default:
			return nil, nowhere{}, fmt.Errorf("targetRefs of kind %s: Istio knows Gateway, GatewayClass, Service and ServiceEntry", t.Kind)
		}
	}

	return places, why, nil
}

// waypoint is where the Pods of the waypoint are that serves a Service or a
// ServiceEntry: the one that it names itself, or else its namespace.
func (c *Cluster) waypoint(ctx context.Context, namespace string, t Target) (*place, nowhere, error) {
	said, err := c.labels(ctx, namespace, t)
	if apierrors.IsNotFound(err) {
		return nil, nowhere{fmt.Sprintf("there is no %s %s in namespace %s", t.Kind, t.Name, namespace),
			"correct the name in targetRefs; it is in the namespace of the workload"}, nil
	}
	if err == nil && said[useLabel] == "" {
		said, err = c.labelsOfNamespace(ctx, namespace)
	}
	if err != nil {
		return nil, nowhere{}, explain(ctx, err, "get services, serviceentries and the namespace")
	}

	name := said[useLabel]
	if name == "" || name == noWaypoint {
		return nil, nowhere{fmt.Sprintf("no waypoint serves %s %s", t.Kind, t.Name), "label it, or its namespace, " + useLabel + "=NAME"}, nil
	}
	if other := said[namespaceLabel]; other != "" {
		namespace = other
	}

	return &place{namespace, gatewayLabel + "=" + name}, nowhere{fmt.Sprintf("no Pod in namespace %s is of waypoint %s, which serves %s %s", namespace,
		name, t.Kind, t.Name), "make the waypoint, as `istioctl waypoint apply` does"}, nil
}

// labels are those of a Service or a ServiceEntry.
func (c *Cluster) labels(ctx context.Context, namespace string, t Target) (map[string]string, error) {
	if t.Kind == "Service" {
		service, err := c.core.Services(namespace).Get(ctx, t.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return service.Labels, nil
	}

	entry, err := c.objects.Resource(serviceEntries).Namespace(namespace).Get(ctx, t.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}

	return entry.GetLabels(), nil
}

func (c *Cluster) labelsOfNamespace(ctx context.Context, name string) (map[string]string, error) {
	namespace, err := c.core.Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return namespace.Labels, nil
}
