package nginx

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// prefix is that of the annotations of ingress-nginx.
const prefix = "nginx.ingress.kubernetes.io/"

// controller is what the IngressClass of ingress-nginx names.
const controller = "k8s.io/ingress-nginx"

// others are the prefixes of annotations of other controllers.
var others = map[string]string{
	"traefik.ingress.kubernetes.io/": "Traefik",
	"ingress.kubernetes.io/":         "old controllers (ingress-nginx reads " + prefix + " since 0.9, and not these)",
	"haproxy-ingress.github.io/":     "haproxy-ingress",
	"haproxy.org/":                   "HAProxy Technologies' controller",
	"haproxy.com/":                   "HAProxy Technologies' controller",
	"konghq.com/":                    "Kong",
	"configuration.konghq.com":       "Kong",
	"higress.io/":                    "Higress",
	"nginx.org/":                     "NGINX Inc.'s controller, which is not ingress-nginx",
	"nginx.com/":                     "NGINX Inc.'s controller, which is not ingress-nginx",
	"alb.ingress.kubernetes.io/":     "the AWS load balancer controller",
	"appgw.ingress.kubernetes.io/":   "Azure's Application Gateway",
	"networking.gke.io/":             "Google's load balancer",
	"ingress.gcp.kubernetes.io/":     "Google's load balancer",
	"projectcontour.io/":             "Contour",
	"k8s.apisix.apache.org/":         "APISIX",
	"zalando.org/":                   "Skipper",
	"ingress.cilium.io/":             "Cilium",
	"getambassador.io/":              "Emissary",
	"voyager.appscode.com/":          "Voyager",
	"ingress.appscode.com/":          "Voyager",
	"kubernetes.tyk.io/":             "Tyk",
	"ingress.citrix.com/":            "Citrix",
	"virtual-server.f5.com/":         "F5",
}

// classes are names of classes that only other controllers have.
var classes = map[string]string{
	"traefik": "Traefik", "haproxy": "HAProxy", "kong": "Kong", "higress": "Higress", "alb": "the AWS load balancer controller",
	"azure-application-gateway": "Azure's Application Gateway", "azure/application-gateway": "Azure's Application Gateway", "gce": "Google's load balancer",
	"gce-internal": "Google's load balancer", "contour": "Contour", "apisix": "APISIX", "skipper": "Skipper", "cilium": "Cilium", "istio": "Istio",
	"ambassador": "Emissary", "tailscale": "Tailscale", "voyager": "Voyager", "caddy": "Caddy", "f5": "F5", "citrix": "Citrix",
	"openshift-default": "OpenShift's router",
}

// class is the one of an Ingress, by either way to write it.
func class(o *networking.Ingress) string {
	if o.Spec.IngressClassName != nil && *o.Spec.IngressClassName != "" {
		return *o.Spec.IngressClassName
	}
	return o.Annotations["kubernetes.io/ingress.class"]
}

// mine reports whether any annotation of ingress-nginx is on an Ingress.
func mine(o *networking.Ingress) bool {
	for key := range o.Annotations {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// foreign gives the annotations of other controllers, and whose they are.
func foreign(o *networking.Ingress) map[string]string {
	found := map[string]string{}
	for key := range o.Annotations {
		for start, who := range others {
			if strings.HasPrefix(key, start) {
				found[key] = who
			}
		}
	}
	return found
}

// ours gives the Ingresses that ingress-nginx runs, by class, and says of the
// others whose they are.
func ours(all []*networking.Ingress, controllers map[string]string, report *plan.Report) map[string][]*networking.Ingress {
	// A class with an annotation of ingress-nginx on any of its Ingresses is its.
	used := map[string]bool{"nginx": true}
	for _, o := range all {
		if mine(o) {
			used[class(o)] = true
		}
	}

	kept := map[string][]*networking.Ingress{}
	for _, o := range all {
		name, at := class(o), object(o)
		theirs := foreign(o)
		who := controllers[name]
		if who == controller {
			who = ""
		} else if who == "" {
			who = classes[strings.ToLower(name)]
		}

		for _, key := range slices.Sorted(maps.Keys(theirs)) {
			report.NotOurs(at, annotation(key), "is of %s: write its rule by hand", theirs[key])
		}

		switch {
		case who != "":
			report.NotOurs(at, "spec.ingressClassName", "class %s is of %s", name, who)
		case len(theirs) > 0 && !mine(o):
		case !used[name] && controllers[name] == "" && name != "":
			report.NotOurs(at, "spec.ingressClassName", "class %s: whose it is cannot be told; add its IngressClass to the input", name)
		default:
			kept[name] = append(kept[name], o)
		}
	}

	return kept
}

// sorted puts Ingresses in the controller's order: the oldest first, and of
// two of one age the one whose name comes last.
func sorted(list []*networking.Ingress) []*networking.Ingress {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *networking.Ingress) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(b.Namespace+"/"+b.Name, a.Namespace+"/"+a.Name))
	})
	return list
}

func object(o *networking.Ingress) string {
	return "Ingress " + plan.Service{Namespace: o.Namespace, Name: o.Name}.String()
}

func annotation(key string) string { return `metadata.annotations["` + key + `"]` }
