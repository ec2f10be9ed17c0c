package mesh_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// waypointSpace is a space without sidecars, as in ambient mode: a waypoint serves both httpbins. What sends to it by
// HBONE is the gateway; from the waypoint to the Pods it is plain, since ztunnel is not here.
func waypointSpace(t *testing.T) *space {
	t.Helper()
	s := namespace(t, nil)
	s.deploy(nil)
	s.apply(`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: waypoint}, spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}}`)
	s.rollout("waypoint")
	s.run("label", "service", "httpbin-v1", "httpbin-v2", "istio.io/use-waypoint=waypoint", "istio.io/ingress-use-waypoint=true")
	return s
}

// rollout waits for a Deployment that istiod makes.
func (s *space) rollout(deployment string) {
	s.Helper()
	s.until(func() error { return s.try("get", "deployment", deployment) })
	s.run("rollout", "status", "deployment/"+deployment, "--timeout=90s")
}

// try runs kubectl, and what it says is the error.
func (s *space) try(args ...string) error {
	if out, err := exec.CommandContext(s.Context(), "kubectl", s.args(args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %v: %w\n%s", args, err, out)
	}
	return nil
}

// to are the values of one workload with the seed's pattern at a place, which names itself in a header.
func to(place string) string {
	return fmt.Sprintf(`workloads: {waypoint: {%s, patterns: [{name: banana, match: {path: {regex: "banana/([0-9]*)"}}, rewrite: {path: status/$1}}], headers: {response: {set: {site: here}}}}}`, place)
}

// rewritten is whether a version is rewritten by the rules of to.
func (s *space) rewritten(version, site string) error {
	a, err := s.get(version, "/banana/418")
	if err == nil {
		err = a.wantStatus(teapot)
	}
	if err == nil && a.Header.Get("Site") != site {
		err = fmt.Errorf("header Site: %q, want %q", a.Header.Get("Site"), site)
	}
	return err
}

// holds waits until a condition holds for a second and a half. A waypoint whose listeners change ends the connections to
// it, so what held once may fail once more.
func (s *space) holds(condition func() error) {
	s.Helper()
	s.until(func() error { return wait.Consistently(bed.Context, 1500*time.Millisecond, condition) })
}

// It is alone, since a GatewayClass is of every waypoint.
func TestAWaypointRewritesByEachKindOfTarget(t *testing.T) {
	s := waypointSpace(t)

	image := s.image()
	for _, target := range []struct {
		name, place, delivery string
		v2                    bool // is rewritten too
	}{
		{"Gateway", "targetRefs: [{kind: Gateway, name: waypoint}]", "WasmPlugin", true},
		{"Service", "targetRefs: [{kind: Service, name: httpbin-v1}]", "WasmPlugin", false},
		{"GatewayClass", "namespace: istio-system, targetRefs: [{kind: GatewayClass, name: istio-waypoint}]", "WasmPlugin", true},
		{"Service by TrafficExtension", "targetRefs: [{kind: Service, name: httpbin-v1}]", "TrafficExtension", false},
	} {
		t.Run(target.name, func(t *testing.T) {
			if target.delivery == "TrafficExtension" {
				wantsTrafficExtensions(t)
			}

			s := s.in(t)
			s.holds(func() error {
				return errors.Join(s.asked("v1", "/banana/418", notFound), s.asked("v2", "/banana/418", notFound))
			})
			namespace := s.name
			if strings.Contains(target.place, "istio-system") {
				namespace = "istio-system"
			}

			r := s.install(chart(), helm.Options{KubectlOptions: kubectl(namespace)}, image, to(target.place), "delivery: "+target.delivery)
			s.holds(func() error { return s.rewritten("v1", "here") })
			// A connection that was idle through the change before ends with its next request.
			s.holds(func() error {
				return s.asked("v2", "/banana/418", map[bool]int{true: teapot, false: notFound}[target.v2])
			})
			code, out := s.tool("status", "--kubeconfig", bed.Kubeconfig, "-n", namespace, r.name)
			if code != 0 || !strings.Contains(out, s.name+"/waypoint-") || !strings.Contains(out, "1 of 1 in force") {
				t.Errorf("status: exit code %d, want 0 and the waypoint's Pod in force\n%s", code, out)
			}
			r.uninstall()
			s.until(func() error { return s.asked("v1", "/banana/418", notFound) })
		})
	}
}

func TestAWaypointCountsRefusesAndHeals(t *testing.T) {
	t.Parallel()
	s := waypointSpace(t)
	image := s.image()
	// The gate after a release lets none pass that the waypoint has not.
	r := s.rules(image, s.gates(), "verify: {before: {enabled: false}}", to("targetRefs: [{kind: Service, name: httpbin-v1}]"))
	if err := s.rewritten("v1", "here"); err != nil {
		t.Errorf("the release was verified: %v", err)
	}
	s.until(func() error { return s.counted("banana.rewritten") })

	out, err := r.tryUpgrade(`workloads: {waypoint: {headers: {request: {set: {x-twice: "1", X-Twice: "2"}}, response: {set: {site: never}}}}}`,
		"verify: {after: {timeoutSeconds: 5}}")
	if err == nil || !strings.Contains(out, "Pod "+s.name+"/waypoint-") || !strings.Contains(out, "not in force on every proxy") {
		t.Errorf("helm upgrade: %v, want it to fail and to name the waypoint's Pod\n%s", err, out)
	}
	if code, out := s.statusTool()(); code != 1 || !strings.Contains(out, refusedReason) {
		t.Errorf("status: exit code %d, want 1 and the refusal\n%s", code, out)
	}
	s.settles(func() error { return s.rewritten("v1", "here") })
	helm.RollbackContext(r, r.Context(), r.options, r.name, "1")
	s.inForce()

	r.upgrade("verify: {after: {enabled: false}}", "image: {digest: 'sha256:"+strings.Repeat("1", 64)+"'}")
	s.settles(func() error { return s.asked("v1", "/status/200", http.StatusForbidden) })
	s.settles(func() error { return s.asked("v2", "/status/200", http.StatusOK) })
	if code, out := s.statusTool()(); code != 1 || !strings.Contains(out, "deny-all") {
		t.Errorf("status: exit code %d, want 1 and the fallback\n%s", code, out)
	}
	r.upgrade(image, "workloads: {waypoint: {headers: {response: {set: {site: again}}}}}")
	s.settles(func() error { return s.rewritten("v1", "again") })
	s.inForce()
}

// counted is whether the waypoint shows a counter of the filter that is more than 0.
func (s *space) counted(counter string) error {
	out, err := exec.CommandContext(s.Context(), "kubectl", s.args("exec", "deployment/waypoint", "--", "pilot-agent", "request", "GET",
		"stats?filter=wasm_rewrite")...).Output()
	if err != nil {
		return err
	}
	if !regexp.MustCompile(`(?m)\.` + regexp.QuoteMeta(counter) + `: [1-9]`).Match(out) {
		return fmt.Errorf("no counter %s above 0 in\n%s", counter, out)
	}
	return nil
}

// A gateway as Istio makes it from a Gateway of the Gateway API. Its filter comes before the route, which is chosen by the
// new path.
func TestAGatewayOfTheGatewayAPIRewritesFromInstallToUninstall(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, annotations: {networking.istio.io/service-type: NodePort}}
spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: edge}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /status}}]
    backendRefs: [{name: httpbin-v1, port: 8000}]
  - matches: [{path: {type: PathPrefix, value: /hostname}}]
    backendRefs: [{name: httpbin-v2, port: 8000}]
`)
	s.rollout("edge-istio")

	node, err := url.Parse(bed.Gateway)
	if err != nil {
		t.Fatal(err)
	}

	service := k8s.GetServiceContext(t, t.Context(), s.kubectl, "edge-istio")
	for _, port := range service.Spec.Ports {
		if port.Port == 80 {
			s.gateway = fmt.Sprintf("http://%s:%d", node.Hostname(), port.NodePort)
		}
	}
	if s.gateway == "" {
		t.Fatalf("Service edge-istio has no port 80: %+v", service.Spec.Ports)
	}
	s.settles(func() error { return s.asked("any", "/banana/418", notFound) })
	s.settles(func() error { return s.asked("any", "/status/200", http.StatusOK) })

	r := s.rules(s.image(), to("targetRefs: [{kind: Gateway, name: edge}]"))
	s.settles(func() error { return s.rewritten("any", "here") })
	code, out := s.statusTool()()
	if code != 0 || !strings.Contains(out, s.name+"/edge-istio-") || !strings.Contains(out, "1 of 1 in force") {
		t.Errorf("status: exit code %d, want 0 and the gateway's Pod in force\n%s", code, out)
	}
	r.upgrade(`workloads: {waypoint: {patterns: [{match: {path: {exact: /status/to-second}}, rewrite: {path: /hostname}}]}}`)
	s.settles(func() error {
		a, err := s.get("any", "/status/to-second")
		if err == nil && !strings.Contains(a.body, `"httpbin-v2-`) {
			err = fmt.Errorf("/status/to-second is answered %s %.200q, want the name of a Pod of httpbin-v2", a.Status, a.body)
		}
		return err
	})
	r.uninstall()
	s.settles(func() error { return s.asked("any", "/banana/418", notFound) })
}
