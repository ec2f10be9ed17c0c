package eg_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// teapot is what the seed's rules make of /banana/418, with the headers.
func (s *space) teapot(site string) error {
	a, err := s.get(fresh, "shop", "/banana/418?who=me")
	if err != nil {
		return err
	}

	for name, want := range map[string]string{"Who-Am-I": "wasm-rewrite", "Injected-By": "istio-api!", "Site": site, "Author": "陽明"} {
		if got := a.Header[name]; len(got) != 1 || got[0] != want {
			return fmt.Errorf("%s: header %s: %q, want %q", a.Status, name, got, want)
		}
	}
	var config struct{ Vars map[string]any }
	if err := json.Unmarshal([]byte(a.Header.Get("Configdata")), &config); err != nil || config.Vars["website"] != "youdianzhishi.com" {
		return fmt.Errorf("header Configdata: %q, want the configuration as JSON", a.Header.Get("Configdata"))
	}
	if a.StatusCode != http.StatusTeapot {
		return fmt.Errorf("answers %s, want 418", a.Status)
	}

	return nil
}

// wantSeed waits for the teapot from both proxies, and wants it to stay.
func (s *space) wantSeed(site string) {
	s.Helper()
	took := s.within(func() error {
		for range inRow {
			if err := s.teapot(site); err != nil {
				return err
			}
		}
		return nil
	})
	s.Logf("%s from both proxies after %s", site, took)
	s.stays(func() error { return s.teapot(site) })
}

const site = "youdianzhishi.com"

func seedSite(site string) string {
	return fmt.Sprintf("workloads: {httpbin: {headers: {response: {set: {site: %s}}}}}", site)
}

// The scenario of the README on the two proxies of a Gateway, from install to uninstall, by a change and a rollback, with
// the gate before a release, which is on with this delivery. The other route never changes.
func TestTwoProxiesRewriteFromInstallToUninstall(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.becomes("shop", "/banana/418", http.StatusNotFound)

	r := s.install("seed", s.seed(), onShop, s.image())
	s.wantSeed(site)
	s.becomes("other", "/banana/418", http.StatusNotFound)
	s.within(func() error {
		log, err := s.kubectl(t.Context(), "logs", "--selector=app=httpbin", "--tail=-1")
		if err == nil && !strings.Contains(log, `uri="/status/418?who=me"`) {
			err = errors.New("httpbin never got /status/418?who=me")
		}
		if err != nil {
			return fmt.Errorf("%w:\n%.1000s", err, log)
		}
		return nil
	})

	r.upgrade(seedSite("elsewhere"))
	s.wantSeed("elsewhere")
	r.rollback()
	s.wantSeed(site)
	s.wantRevision(r)

	r.uninstall()
	s.becomes("shop", "/banana/418", http.StatusNotFound)
}

// The gauge of the revision, which helm status names, is in the metrics of both proxies.
func (s *space) wantRevision(r *release) {
	s.Helper()
	notes, err := tool(s.Context(), "helm", "status", r.name, "--namespace", s.name, "--show-resources")
	if err != nil {
		s.Fatalf("helm status: %v\n%s", err, notes)
	}

	m := regexp.MustCompile(`wasm_rewrite\.(\S+)\.revision: (\d+)`).FindStringSubmatch(notes)
	if m == nil {
		s.Fatalf("the notes name no revision:\n%s", notes)
	}

	for _, proxy := range s.proxies() {
		s.within(func() error {
			// Which of the two proxies answers is chance.
			if err := s.teapot(site); err != nil {
				return err
			}

			metrics := s.metrics(proxy)
			gauge := regexp.MustCompile(`(?m)^wasm_rewrite_` + m[1] + `_revision\S* (\d+)$`).FindStringSubmatch(metrics)
			if gauge == nil || gauge[1] != m[2] {
				return fmt.Errorf("%s shows the revision %q, want %s", proxy, gauge, m[2])
			}
			if !regexp.MustCompile(`(?m)^wasm_rewrite_` + m[1] + `_pattern_0_rewritten\S* [1-9]`).MatchString(metrics) {
				return fmt.Errorf("%s counts no rewritten request of pattern-0", proxy)
			}

			return nil
		})

		// What the alert for a missing revision goes by.
		clusters := s.run("get", "--raw", "/api/v1/namespaces/envoy-gateway-system/pods/"+proxy+":19001/proxy/stats/prometheus?filter=membership_total")
		if series := `envoy_cluster_membership_total{envoy_cluster_name="httproute/` + s.name + `/shop/rule/0"} `; !strings.Contains(clusters, series) {
			s.Errorf("%s shows no %s", proxy, series)
		}
	}
}

// metrics are those of a proxy's Pod, as Prometheus gets them.
func (s *space) metrics(proxy string) string {
	s.Helper()
	return s.run("get", "--raw", "/api/v1/namespaces/envoy-gateway-system/pods/"+proxy+":19001/proxy/stats/prometheus?filter=wasm_rewrite")
}

// The gate runs the rules in the module itself before a proxy gets them; without it the policy would be Accepted.
func TestTheGateStopsRulesThatAProxyWouldRefuse(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	r := s.install("seed", rules(418), s.image())
	s.becomes("shop", "/banana", http.StatusTeapot)

	out, err := r.helm("upgrade", "--reuse-values", refused)
	if err == nil {
		t.Fatalf("helm upgrade let rules through that the filter refuses:\n%s", out)
	}
	if !strings.Contains(out, "the group name twice is used twice in this pattern") {
		t.Errorf("the gate says\n%s\nwant why the rules are refused", out)
	}
	s.becomes("shop", "/banana", http.StatusTeapot)
}
