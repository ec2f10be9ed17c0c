package mesh_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A proxy that runs the rule adds a header of its own, so that the client's headers count the proxies: a sidecar, or a
// sidecar and the gateway.
func TestARuleTakesTheProxiesOfItsScopeAndNoOthers(t *testing.T) {
	ownMesh(t)
	s, elsewhere := newSpace(t, nil, nil), newSpace(t, nil, nil)
	image := s.image()

	reached := func(space *space, version string, want int) error {
		a, err := space.get(version, "/status/200")
		if err == nil && len(a.Header["X-Reached"]) != want {
			err = fmt.Errorf("%s.%s went by the rule of %d proxies, want %d", version, space.name, len(a.Header["X-Reached"]), want)
		}
		return err
	}
	for _, scope := range []struct {
		name, place       string
		v1, v2, elsewhere int
	}{
		{"a selector takes its Pods", "{selector: {app: httpbin, version: v1}}", 1, 0, 0},
		{"no selector takes the namespace", "{}", 1, 1, 0},
		{"a selector in the root namespace takes its Pods everywhere", "{namespace: istio-system, selector: {version: v1}}", 1, 0, 1},
		{"no selector in the root namespace takes the mesh with its gateways", "{namespace: istio-system, meshWide: true}", 2, 2, 2},
	} {
		t.Run(scope.name, func(t *testing.T) {
			s, elsewhere := s.in(t), elsewhere.in(t)
			s.rules(image, "defaults: {headers: {response: {add: {x-reached: here}}}}", "workloads: {all: "+scope.place+"}")
			s.settles(func() error {
				for _, err := range []error{reached(s, "v1", scope.v1), reached(s, "v2", scope.v2), reached(elsewhere, "v1", scope.elsewhere)} {
					if err != nil {
						return err
					}
				}
				return nil
			})
		})
		s.until(func() error { return reached(s, "v1", 0) })
	}
}

// What an AuthorizationPolicy sees depends on the phase. One plugin in each phase rewrites the requests that name it, and
// the policy denies one path before and one after the rewrite.
func TestWhichPathAnAuthorizationPolicySees(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: denied}
spec:
  selector: {matchLabels: {version: v1}}
  action: DENY
  rules: [{to: [{operation: {paths: ["/denied/*", "/status/402"]}}]}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: somebody}
spec:
  selector: {matchLabels: {version: v1}}
  jwtRules: [{issuer: somebody, jwks: '{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}'}]
`)

	values := "workloads:\n"

	phases := []string{"AUTHN", "AUTHZ", "STATS", "UNSPECIFIED_PHASE"}
	for _, phase := range phases {
		name, _, _ := strings.Cut(strings.ToLower(phase), "_")
		values += fmt.Sprintf(`
  %s:
    selector: {version: v1}
    phase: %s
    patterns:
    - match: {headers: [{name: x-phase, exact: %[2]s}], path: {regex: "^/(denied|open)/([0-9]+)$"}}
      rewrite: {path: /status/$2}
`, name, phase)
	}

	r := s.rules(s.image(), values)
	const denied = http.StatusForbidden
	s.settles(func() error {
		for _, want := range []struct {
			phase    string
			old, new int // of a denied path made an allowed one; of an allowed path made a denied one
		}{
			{"AUTHN", teapot, denied},
			{"AUTHZ", teapot, denied},
			{"STATS", denied, http.StatusPaymentRequired},
			{"UNSPECIFIED_PHASE", denied, http.StatusPaymentRequired},
			{"none", denied, notFound},
		} {
			for path, status := range map[string]int{"/denied/418": want.old, "/open/402": want.new} {
				if err := s.asked("v1", path, status, "x-phase", want.phase); err != nil {
					return fmt.Errorf("phase %s: %w", want.phase, err)
				}
			}
		}

		return nil
	})

	plugin := func(name string) string {
		full := s.name + "." + r.name + "-" + name
		if hasTrafficExtensions(t) {
			return "extensions.istio.io/trafficextension/" + full + "~istio-translated-wasmplugin"
		}
		return "extensions.istio.io/wasmplugin/" + full
	}
	want := []string{
		plugin("authn"), "envoy.filters.http.jwt_authn", plugin("authz"), "envoy.filters.http.rbac",
		plugin("stats"), plugin("unspecified"), "envoy.filters.http.fault", "envoy.filters.http.cors", "envoy.filters.http.router",
	}
	got := slices.DeleteFunc(s.filters("httpbin-v1"), func(name string) bool { return !slices.Contains(want, name) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("filters of the proxy (-want +got):\n%s", diff)
	}
	t.Logf("all filters: %s", strings.Join(s.filters("httpbin-v1"), ", "))
}

// Each of two plugins makes what the other needs, so that the path says which was first.
func TestOfTwoPluginsTheOneWithTheHigherPriorityComesFirst(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	r := s.rules(s.image(), `
workloads:
  first:
    selector: {version: v1}
    priority: 10
    patterns: [{match: {path: {exact: /one}}, rewrite: {path: /two}}]
  second:
    selector: {version: v1}
    priority: 5
    patterns: [{match: {path: {exact: /two}}, rewrite: {path: /status/418}}]
`)
	s.settles(func() error { return s.asked("v1", "/one", teapot) })
	r.upgrade("workloads: {second: {priority: 20}}")
	s.settles(func() error { return s.asked("v1", "/one", notFound) })
	if err := s.asked("v1", "/two", teapot); err != nil {
		t.Error(err)
	}
}

// Each workload adds its name to the answers that it saw. Of a sidecar, SERVER is what comes in, on the container's port,
// and CLIENT what goes out, on the Service's port.
func TestTrafficNarrowsARuleToADirectionAndAPort(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)

	values := "workloads:\n"
	for name, traffic := range map[string]string{
		"all":          "",
		"server":       "{mode: SERVER}",
		"client":       "{mode: CLIENT}",
		"both":         "{mode: CLIENT_AND_SERVER}",
		"server-8080":  "{mode: SERVER, ports: [8080]}",
		"server-8000":  "{mode: SERVER, ports: [8000]}",
		"client-8000":  "{mode: CLIENT, ports: [8000]}",
		"client-8080":  "{mode: CLIENT, ports: [8080]}",
		"8000-or-8080": "{ports: [8000, 8080]}",
	} {
		values += fmt.Sprintf("  %s: {selector: {version: v1}, traffic: [%s], headers: {response: {add: {x-took: \"%[1]s\"}}}}\n", name, traffic)
	}
	s.rules(s.image(), values)

	want := []string{"8000-or-8080", "all", "both", "server", "server-8080"}
	s.settles(func() error {
		a, err := s.get("v1", "/status/200")
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(a.Header["X-Took"]))); diff != "" {
			return fmt.Errorf("requests to v1 (-want +got):\n%s", diff)
		}
		return nil
	})

	out := s.fromV1("httpbin-v2", "/status/418")
	if !strings.HasPrefix(out, "HTTP/1.1 418") {
		t.Fatalf("a request from v1 to v2: %.500q", out)
	}

	var got []string
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "x-took: "); ok {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"8000-or-8080", "all", "both", "client", "client-8000"}, got); diff != "" {
		t.Errorf("requests from v1 (-want +got):\n%s", diff)
	}
}

// fromV1 sends a request from the container of v1 to a Service, and returns the answer as it arrived.
func (s *space) fromV1(service, path string) string {
	s.Helper()
	// Its libraries lack those that look names up.
	address, err := exec.CommandContext(s.Context(), "kubectl", s.args("get", "service", service, "--output=jsonpath={.spec.clusterIP}")...).Output()
	if err != nil {
		s.Fatal(err)
	}
	const script = `exec 3<>/dev/tcp/$1/8000; printf 'GET %s HTTP/1.1\r\nHost: %s:8000\r\nConnection: close\r\n\r\n' "$3" "$2" >&3; while IFS= read -r line; do printf '%s\n' "$line"; done <&3`
	out, err := exec.CommandContext(s.Context(), "kubectl", s.args("exec", "deployment/httpbin-v1", "--container=httpbin", "--", "/bin/bash", "-c",
		script, "bash", string(address), service, path)...).CombinedOutput()
	if err != nil {
		s.Fatalf("kubectl exec: %v\n%s", err, out)
	}

	return string(out)
}

// filters are the HTTP filters of what comes in to a Deployment's sidecar on the container's port, in their order.
func (s *space) filters(deployment string) []string {
	s.Helper()
	out, err := exec.CommandContext(s.Context(), "kubectl", s.args("exec", "deployment/"+deployment, "--container=istio-proxy", "--",
		"pilot-agent", "request", "GET", "config_dump?resource=dynamic_listeners")...).Output()
	if err != nil {
		s.Fatalf("pilot-agent request: %v", err)
	}
	var dump struct {
		Configs []struct {
			Name        string
			ActiveState struct {
				Listener struct {
					FilterChains []struct {
						FilterChainMatch struct {
							DestinationPort int `json:"destination_port"`
						} `json:"filter_chain_match"`
						Filters []struct {
							TypedConfig struct {
								HTTPFilters []struct{ Name string } `json:"http_filters"`
							} `json:"typed_config"`
						}
					} `json:"filter_chains"`
				}
			} `json:"active_state"`
		}
	}
	// The agent's own lines come first.
	if err := json.Unmarshal(out[max(0, bytes.Index(out, []byte("{\n"))):], &dump); err != nil {
		s.Fatalf("config_dump: %v\n%.500s", err, out)
	}

	var names []string
	for _, config := range dump.Configs {
		for _, chain := range config.ActiveState.Listener.FilterChains {
			if config.Name != "virtualInbound" || chain.FilterChainMatch.DestinationPort != 8080 || names != nil {
				continue
			}

			for _, filter := range chain.Filters {
				for _, http := range filter.TypedConfig.HTTPFilters {
					names = append(names, http.Name)
				}
			}
		}
	}
	if names == nil {
		s.Fatalf("config_dump shows no HTTP filter at port 8080 of virtualInbound:\n%.1000s", out)
	}

	return names
}
