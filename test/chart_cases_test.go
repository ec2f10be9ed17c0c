package test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/rewritetest"
)

// chartCannotSee names the faulty cases of the rule language that the chart renders, by the reason why it does not see
// the fault. The command line and the Job before a release run the compiler itself and see all of them.
var chartCannotSee = map[string][]string{
	"what names, paths, hosts, values and combinations mean is the compiler's knowledge; in a template it would be a second compiler": {
		"wrong-chains", "wrong-groups", "wrong-header-names", "wrong-header-values", "wrong-hosts", "wrong-on-response",
		"wrong-paths", "wrong-query-names", "wrong-sample",
	},
	"no function of Helm tells how large a regex becomes when it is compiled": {"wrong-regex-size"},
	"no function of Helm tells how deep free values are nested":               {"wrong-json-depth"},
}

// chartCannotHold names the valid cases that become faulty by the revision that the chart adds.
var chartCannotHold = []string{"longest"}

// caseRules gives the configuration of a case as it stands under a workload. ok is false where it is no JSON object:
// Helm hands on nothing else.
func caseRules(c rewritetest.Case) (rules map[string]any, ok bool) {
	rules = map[string]any{}
	if len(c.Config) > 0 && json.Unmarshal(c.Config, &rules) != nil {
		return nil, false
	}
	if c.Errors == nil {
		delete(rules, "revision") // the chart writes its own
	}
	return rules, true
}

// workloadsValues gives workloads with these rules as values.
func workloadsValues(t *testing.T, rules map[string]any) string {
	t.Helper()
	text, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	return chartModule + "workloads: " + strings.ReplaceAll(string(text), "\x7f", `\u007f`) // YAML holds it in escapes only
}

func chartCases(t *testing.T) []rewritetest.Case {
	t.Helper()
	cases, err := rewritetest.Load("../plugin/rewrite/testdata")
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// The chart refuses no rules that the filter takes, and hands them on so that the filter takes them.
func TestChartTakesEveryValidCase(t *testing.T) {
	valid := map[string]any{}
	for _, c := range chartCases(t) {
		if c.Errors != nil {
			continue
		}
		rules, ok := caseRules(c)
		if !ok {
			t.Errorf("%s is no JSON object", c.Name)
			continue
		}
		if !slices.Contains(chartCannotHold, c.Name) {
			valid[c.Name] = rules
			continue
		}
		if _, err := renderChart(t, workloadsValues(t, map[string]any{c.Name: rules})); err == nil {
			t.Errorf("the chart renders %s, so it does not belong into chartCannotHold", c.Name)
		}
	}
	objects := chartObjects(t, mustRenderChart(t, workloadsValues(t, valid)))
	if len(objects) != len(valid) {
		t.Fatalf("rendered %d objects of %d cases", len(objects), len(valid))
	}
	for _, object := range objects {
		config := filterConfig(t, object)
		if _, err := rewrite.Load(config); err != nil {
			t.Errorf("%s: the filter refuses what the chart made of it:\n%v", object.GetName(), err)
		}
		var got map[string]any
		if err := json.Unmarshal(config, &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "revision")
		want := valid[strings.TrimPrefix(object.GetName(), chartRelease+"-")].(map[string]any)
		if want := withoutNulls(want); !reflect.DeepEqual(want, got) {
			t.Errorf("%s: the filter gets other rules than were written: %.500v, want %.500v", object.GetName(), got, want)
		}
	}
}

// withoutNulls leaves out what a null removes: a key of a map that stands in no list.
func withoutNulls(rules map[string]any) map[string]any {
	out := map[string]any{}
	for key, value := range rules {
		if of, ok := value.(map[string]any); ok {
			out[key] = withoutNulls(of)
		} else if value != nil {
			out[key] = value
		}
	}
	return out
}

func TestChartRefusesEveryFaultyCase(t *testing.T) {
	reasons := map[string]string{}
	for reason, names := range chartCannotSee {
		for _, name := range names {
			reasons[name] = reason
		}
	}
	for _, c := range chartCases(t) {
		if c.Errors == nil {
			continue
		}
		reason, unseen := reasons[c.Name]
		delete(reasons, c.Name)
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			rules, ok := caseRules(c)
			if !ok || !unseen && strings.HasPrefix(c.Errors[0], "not valid JSON") {
				return // Helm reads and writes the text itself
			}
			_, err := renderChart(t, workloadsValues(t, map[string]any{"case": rules}))
			switch {
			case err == nil && !unseen:
				t.Errorf("the chart renders it; the filter says:\n%s", strings.Join(c.Errors, "\n"))
			case err != nil && unseen:
				t.Errorf("the chart refuses it now, so it does not belong under %q:\n%v", reason, err)
			case err != nil && !strings.Contains(err.Error(), "these values would break proxies") && !strings.Contains(err.Error(), "values don't meet the specifications of the schema"):
				t.Errorf("rendering ends in an accident:\n%v", err)
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		t.Errorf("%s is no faulty case (any more)", name)
	}
}
