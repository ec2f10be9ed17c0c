package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// What templates/dashboard.yaml puts in: the release, and a list of its workloads
// with the names of their plugins in metrics.
const (
	ofRelease   = "@RELEASE@"
	ofUID       = "@UID@"
	ofWorkloads = "@WORKLOADS@"
)

// window is what a rate looks back over; Grafana knows how often it is scraped.
const window = "$__rate_interval"

// graph is a panel over time.
type graph struct {
	title, about, unit string
	queries            []query
}

// query is one of a graph, and the legend of its series.
type query struct{ expr, legend string }

// makeDashboard is the dashboard of one release. Its queries find the counters with
// docs/stats_tags.yaml in the proxies or without.
func makeDashboard() ([]byte, error) {
	//nolint:staticcheck // its successor's form is for Grafana 12 and later alone
	d := dashboard.NewDashboardBuilder("wasm-rewrite: "+ofRelease).
		Uid(ofUID).Tags([]string{"wasm-rewrite"}).Refresh("30s").Time("now-1h", "now").Readonly().
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus")).
		WithVariable(dashboard.NewCustomVariableBuilder("workload").Label("Workload").Values(dashboard.StringOrMap{String: text(ofWorkloads)}))

	for _, n := range numbers {
		d.WithPanel(stat.NewPanelBuilder().Title(n.title).Description(n.about).Datasource(source()).Height(4).Span(8).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).Orientation(common.VizOrientationAuto).
			WithTarget(n.queries[0].target("A")))
	}

	for _, g := range graphs {
		panel := timeseries.NewPanelBuilder().Title(g.title).Description(g.about).Datasource(source()).Unit(g.unit).Min(0).Height(8).Span(12)
		for i, q := range g.queries {
			panel.WithTarget(q.target(string(rune('A' + i))))
		}
		d.WithPanel(panel)
	}

	built, err := d.Build()
	if err != nil {
		return nil, fmt.Errorf("the dashboard: %w", err)
	}

	made, err := json.MarshalIndent(built, "", "  ")

	return append(made, '\n'), err
}

var revision = `(wasm_rewrite_${workload}_revision or wasm_rewrite_revision{plugin="${workload}"})`

// numbers are the panels of one number each.
var numbers = []graph{
	{"Proxies with the rules", "Proxies that run the filter with rules of this workload, whichever revision.", "short",
		[]query{{"count(" + revision + ")", ""}}},
	{"Revisions in force", "More than one for long: some proxies refuse the new rules. `wasm-rewrite status` says which, and why.", "short",
		[]query{{`count(count_values("revision", ` + revision + "))", ""}}},
	{"Refused in the last hour", "Requests whose path, host or headers would have been unsafe, or which cost more than the budget.", "short",
		[]query{{counted("increase", "1h", "", "unsafe", "over_budget"), ""}}},
}

var graphs = []graph{
	{"Requests that each pattern matched", "", "reqps", []query{{counted("rate", window, "pattern", "matched"), "{{pattern}}"}}},
	{"What became of them", "A pattern that only changes headers matches and does none of these.", "reqps",
		[]query{{counted("rate", window, "result", "rewritten", "redirected", "responded"), "{{result}}"}}},
	{"In shadow", "What patterns with `mode: shadow` would have acted on.", "reqps",
		[]query{{counted("rate", window, "pattern", "shadowed"), "{{pattern}}"}}},
	{"Refused", "`unsafe`: what would have been sent is not allowed. `over_budget`: the request cost too many steps.", "reqps",
		[]query{{counted("rate", window, "pattern, result", "unsafe", "over_budget"), "{{pattern}} {{result}}"}}},
	{"Left out by a sample", "", "reqps", []query{{counted("rate", window, "pattern", "sampled_out"), "{{pattern}}"}}},
	{"Faults", "Calls to the proxy that failed, and crashes of the filter.", "short", []query{
		{`sum(increase(wasm_rewrite_host_call_failed{plugin="${workload}"}[` + window + "]) or " +
			"increase(wasm_rewrite_${workload}_host_call_failed[" + window + "]))", "failed calls"},
		{`sum(increase({__name__=~"envoy_wasm_${workload}(_istio_translated_wasmplugin)?_vm_reload"}[` + window + "]))", "crashes"},
	}},
}

// counted is the rate or increase of some results, added up by labels: of proxies
// that make them labels, and of those where the counters' names say them.
func counted(function, over, by string, results ...string) string {
	which := strings.Join(results, "|")
	sum := "sum"
	if by != "" {
		sum += " by (" + by + ")"
	}

	name := "wasm_rewrite_${workload}_(.+)_(" + which + ")"

	flat := `{__name__=~"` + name + `"}`
	for i, label := range []string{"pattern", "result"} {
		flat = fmt.Sprintf(`label_replace(%s, "%s", "$%d", "__name__", "%s")`, flat, label, i+1, name)
	}

	return fmt.Sprintf(`%s(%s(wasm_rewrite{plugin="${workload}", result=~"%s"}[%s]) or %[2]s(%[5]s[%[4]s:15s]))`, sum, function, which, over, flat)
}

func (q query) target(id string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Expr(q.expr).LegendFormat(q.legend).RefId(id).Datasource(source())
}

func source() common.DataSourceRef {
	return common.DataSourceRef{Type: text("prometheus"), Uid: text("${datasource}")}
}

func text(s string) *string { return &s }
