package mesh_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
)

// alerted is a release whose alerts are watched, with the values that it was installed with.
type alerted struct {
	*release
	values []string
}

// The alerts of the chart in a real Prometheus, which scrapes real proxies: silent while all is well, loud while a module
// cannot be fetched, silent again. v1 has a WasmPlugin and v2, where the mesh's Istio has the kind, a TrafficExtension.
func TestAlertsFireWhileAModuleCannotBeFetched(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	image := s.image()
	watched := map[string]alerted{}
	deliveries := map[string]string{"v1": "WasmPlugin"}
	if hasTrafficExtensions(t) {
		deliveries["v2"] = "TrafficExtension"
	}

	for version, delivery := range deliveries {
		values := []string{image, fmt.Sprintf("delivery: %s\nworkloads: {%s: {selector: {version: %[2]s}, patterns: [{match: {path: {regex: \"banana/([0-9]*)\"}}, rewrite: {path: status/$1}}]}}", delivery, version)}
		watched[version] = alerted{s.rules(values...), values}
		s.settles(func() error { return s.asked(version, "/banana/418", teapot) })
	}

	firing := s.prometheus(slices.Collect(maps.Values(watched))...)
	if got := firing(); len(got) > 0 {
		t.Fatalf("while all is well: %q", got)
	}

	// For ten minutes: the proxy recovered, the registry may not have.
	always, fallbacks := []string{"WasmRewriteFetchFailed "}, []string(nil)
	for version, r := range watched {
		r.upgrade("image: {digest: 'sha256:" + strings.Repeat("1", 64) + "'}")
		s.eventually(version, "/banana/418", func(a answer) error { return a.wantStatus(http.StatusForbidden) })
		fallbacks = append(fallbacks, "WasmRewriteFallback "+version)
	}
	slices.Sort(fallbacks)

	fire := func(want []string) {
		t.Helper()
		s.within(2*time.Minute, func() error {
			if got := firing(); !slices.Equal(got, want) {
				return fmt.Errorf("alerts firing: %q, want %q", got, want)
			}
			return nil
		})
	}
	began := time.Now()
	fire(append(fallbacks, always...))
	t.Logf("all alerts fire after %s", time.Since(began).Round(time.Second))

	for version, r := range watched {
		r.upgrade(image)
		s.settles(func() error { return s.asked(version, "/banana/418", teapot) })
	}
	fire(always)
}

// prometheus runs a Prometheus with the rules that the chart makes for releases. What it returns gives the alerts that
// fire, each once, with their workloads.
func (s *space) prometheus(releases ...alerted) (firing func() []string) {
	s.Helper()

	folder := s.TempDir()

	var files []any
	for _, r := range releases {
		files = append(files, s.alertRules(folder, r))
	}

	base := s.scraper(folder, files, len(releases))

	return func() (alerts []string) {
		s.Helper()

		for _, sample := range s.query(base, `ALERTS{alertstate="firing"}`) {
			alerts = append(alerts, sample.Metric["alertname"]+" "+sample.Metric["workload"])
		}
		slices.Sort(alerts)
		return slices.Compact(alerts)
	}
}

// scraper runs a Prometheus with files of rules. It scrapes the Pods' agents through the API server, with the labels of a
// PodMonitor, and is given back once so many plugins show a revision.
func (s *space) scraper(folder string, files []any, plugins int) (base string) {
	s.Helper()

	scrapes := s.scrapes()
	config := filepath.Join(folder, "prometheus.yaml")
	s.write(config, map[string]any{"global": map[string]any{"evaluation_interval": "1s"}, "rule_files": files, "scrape_configs": scrapes})

	port, err := process.FreePort()
	if err != nil {
		s.Fatal(err)
	}

	base = fmt.Sprintf("http://127.0.0.1:%d", port)
	process.MustStart(s.T, process.Config{
		Path: made.File(s.T, "build/bin/prometheus"), Ready: process.HTTP(base + "/-/ready"),
		Args: []string{"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(folder, "data"), fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port)},
	})
	s.until(func() error {
		shown := s.query(base, `{__name__=~"wasm_rewrite_(.+_)?revision"}`)
		if len(shown) < plugins || len(s.query(base, "up == 1")) < len(scrapes) {
			return errors.New("Prometheus has not scraped every Pod")
		}
		return nil
	})

	return base
}

func (s *space) write(file string, content any) {
	s.Helper()

	text, err := yaml.Marshal(content)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// alertRules are the rules that the chart makes for a release, as a file.
func (s *space) alertRules(folder string, r alerted) (file string) {
	s.Helper()

	args := []string{"template", r.name, chart(), "--namespace", s.name, "--set", "metrics.prometheusRule.enabled=true", "--show-only",
		"templates/prometheusrule.yaml"}
	for _, text := range r.values {
		args = append(args, "--values", s.file(text))
	}

	out, err := exec.CommandContext(s.Context(), made.Helm(s.T), args...).Output()
	if err != nil {
		s.Fatalf("helm template: %v", err)
	}

	var object struct{ Spec map[string]any }
	if err := yaml.Unmarshal(out, &object); err != nil {
		s.Fatal(err)
	}

	file = filepath.Join(folder, r.name+".yaml")
	s.write(file, object.Spec)

	return file
}

// scrapes has one job for each Pod.
func (s *space) scrapes() (jobs []any) {
	s.Helper()

	api, err := clientcmd.BuildConfigFromFlags("", bed.Kubeconfig)
	if err != nil {
		s.Fatal(err)
	}

	server, err := url.Parse(api.Host)
	if err != nil {
		s.Fatal(err)
	}

	pods, err := bed.Client.CoreV1().Pods(s.name).List(s.Context(),
		metav1.ListOptions{LabelSelector: "app=httpbin", FieldSelector: "status.phase=" + string(corev1.PodRunning)})
	if err != nil {
		s.Fatal(err)
	}

	for _, pod := range pods.Items {
		jobs = append(jobs, map[string]any{
			"job_name": pod.Name, "scheme": "https", "metrics_path": fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:15020/proxy/stats/prometheus", s.name, pod.Name),
			"scrape_interval": "1s", "scrape_timeout": "1s",
			"authorization": map[string]any{"credentials": api.BearerToken}, "tls_config": map[string]any{"ca_file": api.CAFile},
			"static_configs": []any{map[string]any{"targets": []any{server.Host}, "labels": map[string]any{"namespace": s.name, "pod": pod.Name}}},
		})
	}

	return jobs
}

// sample is one of what a Prometheus answers.
type sample struct {
	Metric map[string]string
	Value  float64
}

// UnmarshalJSON reads the number out of its pair with the time.
func (p *sample) UnmarshalJSON(data []byte) error {
	var read struct {
		Metric map[string]string
		Value  [2]any
	}
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}

	number, err := strconv.ParseFloat(fmt.Sprint(read.Value[1]), 64)
	p.Metric, p.Value = read.Metric, number

	return err
}

// query asks a Prometheus.
func (s *space) query(base, query string) []sample {
	s.Helper()

	response, err := http.Get(base + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}

	var answer struct {
		Status string
		Data   struct{ Result []sample }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		s.Fatalf("%s: Prometheus answers %s: %v", query, body, err)
	}

	return answer.Data.Result
}
