package status

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// revisionIn reads the revision of an object's plugin in metrics for Prometheus,
// with docs/stats_tags.yaml or without; "" where there is none.
func revisionIn(metrics []byte, o *Object) string {
	var names []string
	for _, plugin := range o.plugins() {
		names = append(names, notInMetrics.ReplaceAllString(plugin, "_"))
	}

	name := "(?:" + strings.Join(names, "|") + ")"
	gauge := regexp.MustCompile(`(?m)^wasm_rewrite_(?:` + name + `_revision(?:\{.*\})?|revision\{(?:.*,)?plugin="` + name + `".*\}) ([0-9.e+]+)$`)
	m := gauge.FindSubmatch(metrics)
	if m == nil {
		return ""
	}

	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return ""
	}

	return fmt.Sprintf("%08x", uint32(n))
}

// JudgeMetrics says by its metrics alone what a proxy does with an object. A
// module of another digest with the same rules looks the same.
func JudgeMetrics(o *Object, p *Proxy) Row {
	row := o.row()
	row.Revision.InForce = revisionIn(p.Metrics, o)

	row.Advice = fmt.Sprintf("wasm-rewrite status -n %s %s says why", o.Namespace, o.Release)
	switch row.Revision.InForce {
	case o.Revision:
		row.State, row.Advice = InForce, ""
	case "":
		row.State, row.Reason = Absent, "the proxy does not run the filter"
	default:
		row.State, row.Reason = Outdated, fmt.Sprintf("the proxy runs revision %s, not %s", row.Revision.InForce, o.Revision)
	}

	return row
}

func (r Row) silent(err error) Row {
	r.State, r.Reason = Unknown, err.Error()
	r.Advice = "see that the Pod is ready, and that no NetworkPolicy keeps its metrics from this Pod"
	return r
}

var notInMetrics = regexp.MustCompile(`[^A-Za-z0-9]`)

// gauge reads the revision that an object's plugin shows; loaded says whether the
// plugin shows anything at all. The filter of 0.1.0 kept the name that Istio gave it.
func (p *Proxy) gauge(o *Object) (revision string, loaded bool) {
	for _, plugin := range o.plugins() {
		if revision, loaded = p.gaugeOf(plugin); loaded {
			break
		}
	}
	return revision, loaded
}

func (p *Proxy) gaugeOf(plugin string) (revision string, loaded bool) {
	prefix := "wasmcustom.wasm_rewrite." + notInMetrics.ReplaceAllString(plugin, "_") + "."
	for line := range strings.Lines(string(p.Stats)) {
		rest, ok := strings.CutPrefix(line, prefix)
		if !ok {
			continue
		}

		loaded = true
		if number, ok := strings.CutPrefix(rest, "revision: "); ok {
			if n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32); err == nil {
				revision = fmt.Sprintf("%08x", n)
			}
		}
	}

	return revision, loaded
}
