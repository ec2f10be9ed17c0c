package mesh_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"
)

// The gateway's filter comes before the router, which chooses again for the path that the filter left. httpbin's
// /hostname names the Pod, which begins with its Deployment.
func TestTheGatewayChoosesTheRouteByTheNewPath(t *testing.T) {
	s := newSpace(t, nil, nil)
	host := "routes." + s.name + ".example"
	s.apply(fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes}
spec:
  hosts: [%s]
  gateways: [public]
  http:
  - match: [{uri: {prefix: /second/}}]
    rewrite: {uri: /}
    route: [{destination: {host: httpbin-v2, port: {number: 8000}}}]
  - route: [{destination: {host: httpbin-v1, port: {number: 8000}}}]
`, host))

	answers := func(path, pod string) error {
		a, err := s.get("routes", path)
		if err == nil && !strings.Contains(a.body, `"`+pod+"-") {
			err = fmt.Errorf("%s is answered %s %.200q, want the name of a Pod of %s", path, a.Status, a.body, pod)
		}
		return err
	}
	s.settles(func() error { return answers("/second/hostname", "httpbin-v2") })
	s.install(chart(), helm.Options{KubectlOptions: kubectl("istio-ingress")}, s.image(), fmt.Sprintf(`
workloads:
  gateway:
    selector: {istio: ingressgateway}
    patternHeader: x-wasm-rewrite
    patterns:
    - name: to-second
      match: {host: {exact: %s}, path: {prefix: /banana}}
      rewrite: {path: /second}
`, host))
	// A route to v1 knew no /banana/hostname: the new path chose v2, and the VirtualService took its /second away.
	s.settles(func() error { return answers("/banana/hostname", "httpbin-v2") })
	if err := answers("/hostname", "httpbin-v1"); err != nil {
		t.Error(err)
	}

	t.Run("the gateway's access log names the pattern", func(t *testing.T) {
		s := s.in(t)
		if _, err := s.get("routes", "/banana/hostname?line=acted"); err != nil {
			t.Fatal(err)
		}
		// What a client says of itself is not a pattern.
		if _, err := s.get("routes", "/hostname?line=idle", "x-wasm-rewrite", "forged"); err != nil {
			t.Fatal(err)
		}

		for line, want := range map[string]string{"line=acted": " patterns=to-second", "line=idle": " patterns=-"} {
			s.until(func() error {
				out, err := exec.CommandContext(t.Context(), "kubectl", "--kubeconfig", bed.Kubeconfig, "logs", "--namespace=istio-ingress",
					"deployment/istio-ingressgateway", "--tail=200").Output()
				if err != nil {
					return err
				}

				for got := range strings.Lines(string(out)) {
					if got = strings.TrimSpace(got); strings.Contains(got, line) {
						if !strings.HasSuffix(got, want) {
							return fmt.Errorf("access log: %s\nwant it to end in%s", got, want)
						}
						return nil
					}
				}

				return fmt.Errorf("the access log has no line with %s: if this cluster is not the tests' own, its mesh config wants an accessLogFormat that ends in patterns=%%REQ(X-WASM-REWRITE)%%", line)
			})
		}
	})
}

// A sidecar is behind the gateway's routes: its filter sees the path that a VirtualService made.
func TestASidecarRewritesThePathThatAVirtualServiceMade(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.apply(fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes}
spec:
  hosts: [routes.%s.example]
  gateways: [public]
  http:
  - match: [{uri: {prefix: /shop/}}]
    rewrite: {uri: /}
    route: [{destination: {host: httpbin-v1, port: {number: 8000}}}]
`, s.name))
	s.rules(s.image(), `
workloads:
  httpbin:
    selector: {version: v1}
    patterns: [{match: {path: {regex: "^/banana/([0-9]+)$"}}, rewrite: {path: /status/$1}}]
`)
	s.settles(func() error { return s.asked("routes", "/shop/banana/418", teapot) })
}
