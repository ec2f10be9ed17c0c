package test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

const observedRules = `{"revision": "1a2b3c4d", "patternHeader": "x-wasm-rewrite", "patterns": [
	{"name": "tea-pot", "match": {"path": {"regex": "^/banana/([0-9]+)"}}, "rewrite": {"path": "/status/$1"}, "then": "next"},
	{"name": "blue", "match": {"headers": [{"name": "x-env", "exact": "blue"}]}, "headers": {"request": {"set": {"x-a": "1"}}}},
	{"name": "gone", "match": {"path": {"exact": "/gone"}}, "respond": {"status": 410}},
	{"name": "moved", "mode": "shadow", "match": {"path": {"exact": "/nothing"}}, "redirect": {"path": "/new"}},
	{"name": "fine", "mode": "shadow", "match": {"response": {"status": [200]}}, "respond": {"status": 503}}
]}`

// observed is an Envoy that has served known requests, with further fields of
// its bootstrap.
func observed(t *testing.T, bootstrap map[string]any) *envoy.Envoy {
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Bootstrap: bootstrap, Listeners: []envoy.Listener{{
		Name: "shop", Filters: []envoy.Filter{plugin(t, "web-shop", observedRules)}, Upstream: echo(t).Address,
		Manager: map[string]any{"access_log": []any{map[string]any{
			"name": "envoy.access_loggers.stdout",
			"typed_config": map[string]any{
				"@type":      "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
				"log_format": map[string]any{"text_format_source": map[string]any{"inline_string": "access %REQ(:PATH)% %RESPONSE_CODE% %REQ(X-WASM-REWRITE)% %FILTER_STATE(wasm.x-wasm-rewrite:PLAIN)%\n"}},
			},
		}}},
	}}})
	for path, times := range map[string]int{"/banana/1": 3, "/gone": 2, "/nothing": 1} {
		for range times {
			request := wire.Message{Start: "GET", Target: path, Headers: []rewrite.Header{{Name: ":authority", Value: "example.com"},
				{Name: "x-wasm-rewrite", Value: "forged"}}}
			if path == "/banana/1" {
				request.Headers = append(request.Headers, rewrite.Header{Name: "x-env", Value: "blue"})
			}
			if _, err := wire.Exchange(t.Context(), wire.HTTP1, address(proxy, "shop"), request); err != nil {
				t.Fatal(err)
			}
		}
	}

	return proxy
}

// A real Prometheus scrapes Envoy: with docs/stats_tags.yaml, plugin, pattern
// and result are labels; without it, the flat names tell the same.
func TestCountersOnPrometheus(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(made.Root, "docs/stats_tags.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var tags map[string]any
	if err := yaml.Unmarshal(text, &tags); err != nil {
		t.Fatal(err)
	}

	query := prometheus(t, map[string]*envoy.Envoy{"tagged": observed(t, tags), "flat": observed(t, nil)})
	for _, want := range []struct {
		query  string
		series []string
	}{
		{`wasm_rewrite{job="tagged"} > 0`, []string{
			`wasm_rewrite{pattern="blue", plugin="web_shop", result="matched"} 3`,
			`wasm_rewrite{pattern="fine", plugin="web_shop", result="shadowed"} 4`,
			`wasm_rewrite{pattern="gone", plugin="web_shop", result="matched"} 2`,
			`wasm_rewrite{pattern="gone", plugin="web_shop", result="responded"} 2`,
			`wasm_rewrite{pattern="moved", plugin="web_shop", result="shadowed"} 1`,
			`wasm_rewrite{pattern="tea-pot", plugin="web_shop", result="matched"} 3`,
			`wasm_rewrite{pattern="tea-pot", plugin="web_shop", result="rewritten"} 3`,
		}},
		{`wasm_rewrite_revision{job="tagged"}`, []string{`wasm_rewrite_revision{plugin="web_shop"} 439041101`}},
		{`wasm_rewrite_host_call_failed{job="tagged"}`, []string{`wasm_rewrite_host_call_failed{plugin="web_shop"} 0`}},
		{`sum by (plugin) (wasm_rewrite{job="tagged", result="matched"})`, []string{`{plugin="web_shop"} 8`}},
		{`{__name__=~"wasm_rewrite.*", job="flat"} > 0`, []string{
			`wasm_rewrite_web_shop_blue_matched{} 3`,
			`wasm_rewrite_web_shop_fine_shadowed{} 4`,
			`wasm_rewrite_web_shop_gone_matched{} 2`,
			`wasm_rewrite_web_shop_gone_responded{} 2`,
			`wasm_rewrite_web_shop_moved_shadowed{} 1`,
			`wasm_rewrite_web_shop_revision{} 439041101`,
			`wasm_rewrite_web_shop_tea_pot_matched{} 3`,
			`wasm_rewrite_web_shop_tea_pot_rewritten{} 3`,
		}},
	} {
		if got := query(want.query); !slices.Equal(got, want.series) {
			t.Errorf("%s:\n  %s\nwant:\n  %s", want.query, strings.Join(got, "\n  "), strings.Join(want.series, "\n  "))
		}
	}
}

// prometheus runs a real Prometheus that scrapes the Envoys, as jobs of these
// names, and returns a function that gives the series of a query as text, once
// every Envoy has been scraped.
func prometheus(t *testing.T, jobs map[string]*envoy.Envoy) func(query string) []string {
	binary := made.File(t, "build/bin/prometheus")

	var scrapes []any
	for job, e := range jobs {
		scrapes = append(scrapes, map[string]any{
			"job_name": job, "metrics_path": "/stats/prometheus", "scrape_interval": "200ms", "scrape_timeout": "200ms",
			"static_configs": []any{map[string]any{"targets": []any{e.AdminAddress()}}},
		})
	}

	config, err := yaml.Marshal(map[string]any{"scrape_configs": scrapes})
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), config, 0o600); err != nil {
		t.Fatal(err)
	}

	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}

	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	process.MustStart(t, process.Config{
		Path: binary, Ready: process.HTTP(base + "/-/ready"),
		Args: []string{
			"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"),
			fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port),
		},
	})

	query := func(query string) []string {
		t.Helper()
		_, body := get(t, base+"/api/v1/query?query="+url.QueryEscape(query))

		return seriesOf(t, body)
	}
	err = wait.Eventually(t.Context(), 30*time.Second, func() error {
		if up := query("up == 1"); len(up) < len(jobs) {
			return fmt.Errorf("Prometheus scrapes %v of %d Envoys", up, len(jobs))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return query
}

// seriesOf are the series of Prometheus's answer as text, without what names the
// job.
func seriesOf(t *testing.T, body []byte) (series []string) {
	t.Helper()

	var answer struct {
		Status string
		Data   struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("Prometheus answers %s: %v", body, err)
	}

	for _, r := range answer.Data.Result {
		var labels []string
		for name, value := range r.Metric {
			if name != "__name__" && name != "job" && name != "instance" {
				labels = append(labels, fmt.Sprintf("%s=%q", name, value))
			}
		}
		slices.Sort(labels)
		series = append(series, fmt.Sprintf("%s{%s} %v", r.Metric["__name__"], strings.Join(labels, ", "), r.Value[1]))
	}
	slices.Sort(series)

	return series
}

// What a client wrote under the pattern header's name never reaches the log. What
// a redirect and an answer on the response would have done in shadow does.
func TestAccessLogNamesThePatterns(t *testing.T) {
	proxy := observed(t, nil)

	want := []string{
		"access /gone 410 gone -", "access /gone 410 gone -",
		"access /nothing 200 moved;shadow;status=302;location=http://example.com/new fine;shadow;status=503",
		"access /status/1 200 tea-pot,blue fine;shadow;status=503", "access /status/1 200 tea-pot,blue fine;shadow;status=503",
		"access /status/1 200 tea-pot,blue fine;shadow;status=503",
	}
	err := wait.Eventually(t.Context(), 10*time.Second, func() error {
		var lines []string
		for line := range strings.Lines(proxy.Log()) {
			if strings.HasPrefix(line, "access ") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		slices.Sort(lines)
		if !slices.Equal(lines, want) {
			return fmt.Errorf("the access log has\n  %s\nwant\n  %s", strings.Join(lines, "\n  "), strings.Join(want, "\n  "))
		}

		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
