package mesh_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// countedRules has a pattern for each result.
const countedRules = `
metrics: {dashboard: {enabled: true}}
workloads:
  v1: &counted
    selector: {version: v1}
    patterns:
    - {name: sampled, match: {path: {prefix: /status}}, sample: {percent: 0}, headers: {request: {set: {x-sampled: "1"}}}}
    - {name: risky, mode: shadow, match: {path: {prefix: /status}}, rewrite: {path: /risky}}
    - {name: refused, match: {path: {prefix: /refused}}, rewrite: {path: "/x/${header.x-up:-..}/"}}
    - {name: moved, match: {path: {prefix: /moved}}, redirect: {path: /new}}
    - {name: gone, match: {path: {prefix: /gone}}, respond: {status: 410}}
    - {name: never, match: {path: {prefix: /never}}, rewrite: {path: /status/200}}
    - {name: tenant, match: {path: {regex: "^/status/"}}, rewrite: {path: "/anything/"}}
  v2:
    <<: *counted
    selector: {version: v2}
`

// v1's proxy makes labels of the counters' names, by docs/bootstrap.yaml; v2's does not. Each query finds what is there.
func TestTheQueriesOfTheMetricsPageAndTheDashboard(t *testing.T) {
	t.Parallel()
	s := newSpace(t, map[string]string{"sidecar.istio.io/bootstrapOverride": "wasm-rewrite-bootstrap"}, func(s *space) {
		s.run("apply", "--filename", "../../docs/bootstrap.yaml")
	})

	r := s.rules(s.image(), countedRules)
	for _, version := range []string{"v1", "v2"} {
		s.eventually(version, "/gone", func(a answer) error { return a.wantStatus(http.StatusGone) })
	}

	plugin := func(workload string) string {
		return regexp.MustCompile("[^A-Za-z0-9]").ReplaceAllString(s.name+"."+r.name+"-"+workload, "_")
	}

	var queries []string
	labelled, flat := pageQueries(t)

	queries = append(queries, in(labelled, "shop_rules_cart", plugin("v1"))...)
	queries = append(queries, in(flat, "shop_rules_cart", plugin("v2"))...)

	board := s.dashboard(r.name)
	for _, workload := range []string{"v1", "v2"} {
		queries = append(queries, in(board, "${workload}", plugin(workload))...)
	}

	queries = in(queries, "$__rate_interval", "1m")

	s.findEach(s.scraper(s.TempDir(), nil, 2), queries)

	code, out := s.statusTool()("--counts")
	for _, want := range []string{
		`(?m)^  tenant +[1-9][0-9]* +[1-9]`, `(?m)^  risky +- +- +- +- +[1-9]`, `(?m)^  never +0 `, `(?m)^  refused +[1-9].* +[1-9][0-9]* +- +-$`} {
		if code != 0 || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("status --counts: exit code %d, want %q in\n%s", code, want, out)
		}
	}
}

// findEach sends requests until each query gives what they count: a number above 0, but of what does not happen here.
func (s *space) findEach(base string, queries []string) {
	s.Helper()

	missing := queries
	for end := time.Now().Add(3 * time.Minute); len(missing) > 0 && time.Now().Before(end); time.Sleep(time.Second) {
		for _, version := range []string{"v1", "v2"} {
			for _, path := range []string{"/status/200", "/refused", "/moved", "/gone"} {
				// Where a redirect leads cannot be reached from here, and counters tell of the others.
				_, _ = s.get(version, path)
			}
		}

		var left []string
		for _, query := range missing {
			if !found(s.query(base, query), quiet.MatchString(query)) {
				left = append(left, query)
			}
		}

		missing = left
	}

	for _, query := range missing {
		s.Errorf("%s: Prometheus has nothing", query)
	}
	s.Logf("%d of %d queries gave what was counted", len(queries)-len(missing), len(queries))
}

// quiet are queries about what does not happen here: faults, and patterns that never matched.
var quiet = regexp.MustCompile(`host_call_failed|vm_reload|== 0`)

func found(samples []sample, zero bool) bool {
	for _, one := range samples {
		if one.Value > 0 || zero && one.Value == 0 {
			return true
		}
	}
	return false
}

// in puts one text in the place of another in each of some.
func in(texts []string, from, to string) (list []string) {
	for _, text := range texts {
		list = append(list, strings.ReplaceAll(text, from, to))
	}
	return list
}

// pageQueries are the queries of docs/metrics.md.
func pageQueries(t *testing.T) (labelled, flat []string) {
	t.Helper()

	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}

	with, without, ok := strings.Cut(string(page), "Without labels:")
	block := regexp.MustCompile("(?s)```promql\n(.*?)```")
	read := func(text string) (list []string) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			list = append(list, m[1])
		}
		return list
	}
	labelled, flat = read(with), read(without)
	if !ok || len(labelled) == 0 || len(flat) == 0 {
		t.Fatal("docs/metrics.md has no queries with labels and without")
	}

	return labelled, flat
}

// dashboard gives the queries of a release's dashboard, as the cluster has it.
func (s *space) dashboard(release string) (queries []string) {
	s.Helper()

	out, err := exec.CommandContext(s.Context(), made.File(s.T, "build/bin/kubectl"),
		s.args("get", "configmap", release+"-dashboard", "--output=yaml")...).CombinedOutput()
	if err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
	var object struct {
		Metadata struct{ Labels map[string]string }
		Data     map[string]string
	}
	if err := yaml.Unmarshal(out, &object); err != nil || object.Metadata.Labels["grafana_dashboard"] != "1" {
		s.Fatalf("%v\n%s", err, out)
	}

	for name, text := range object.Data {
		var board struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal([]byte(text), &board); err != nil {
			s.Fatalf("%s: %v", name, err)
		}

		for _, panel := range board.Panels {
			for _, target := range panel.Targets {
				queries = append(queries, target.Expr)
			}
		}
	}
	if len(queries) == 0 {
		s.Fatal("the dashboard has no queries")
	}

	return queries
}
