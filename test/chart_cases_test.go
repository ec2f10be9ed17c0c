package test

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// chartCannotSee are the reasons of the filter, as parts of their text, that the chart does not look for, by why it does
// not. The command line and the Job before a release run the compiler itself and see all of them.
var chartCannotSee = map[string][]string{
	"what names, paths, hosts, values and combinations mean is the compiler's knowledge; in a template it would be a second compiler": {
		"is no header name", "is no parameter's name", "is no cookie name", "is not a header here", "is not changed as a header",
		"belongs to the connection or the message's frame", "a control byte cannot stand in a header value", "bytes, the limit is 8192",
		"is no host", "a path begins with", "a path cannot be empty", "a path ends before", "a space or control byte cannot stand in a path or query",
		"is longer than the 8 KiB", `"first": needs match.path.regex`, "needs path beside it",
		"want one of", "cannot stand beside", "want status or headers", "changes nothing", "does nothing", "leads back to the same place",
		"is read by", "is the same name as", "is originalPathHeader too", "the group name", "a group named",
		"want a method in upper case",
	},
	"no function of Helm tells how large a regex becomes when it is compiled":               {"instructions, the limit is"},
	"Helm's regexes know Unicode, those of the filter would need tables larger than itself": {"Unicode classes such as", "the case of letters outside ASCII"},
}

// chartCannotHold are the valid cases that are no values, or faulty ones by the revision that the chart adds.
var chartCannotHold = []string{
	"longest",           // is too long with its revision
	"nothing-but-null",  // removes the workload
	"nothing-but-space", // is no object
	"vars-out-of-range", // Helm refuses a number that no float holds
}

// caseRules gives the configuration of a case as it stands under a workload. ok is false where it is no JSON object:
// Helm hands on nothing else.
func caseRules(c rewritetest.Case) (rules map[string]any, ok bool) {
	rules = map[string]any{}
	if len(c.Config) > 0 && json.Unmarshal(c.Config, &rules) != nil {
		return nil, false
	}
	if rules == nil {
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
		if !slices.Contains(chartCannotHold, c.Name) {
			valid[c.Name] = rules
			continue
		}
		if ok {
			_, err := renderChart(t, workloadsValues(t, map[string]any{c.Name: rules}))
			ok = err == nil
		}
		if ok {
			t.Errorf("the chart renders %s, so it does not belong into chartCannotHold", c.Name)
		}
	}
	objects := chartObjects(t, mustRenderChart(t, workloadsValues(t, valid)))
	left := maps.Clone(valid)
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
		name := strings.TrimPrefix(object.GetName(), chartRelease+"-")
		delete(left, name)
		want := valid[name].(map[string]any)
		if want := withoutNulls(want); !reflect.DeepEqual(want, got) {
			t.Errorf("%s: the filter gets other rules than were written: %.500v, want %.500v", object.GetName(), got, want)
		}
	}
	for name := range left {
		t.Errorf("%s is not rendered", name)
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
	stale := map[string]bool{}
	for _, parts := range chartCannotSee {
		for _, part := range parts {
			stale[part] = true
		}
	}
	for _, c := range chartCases(t) {
		var seen []string // what the chart must see
		for _, line := range c.Errors {
			unseen := false
			for part := range stale {
				if strings.Contains(line, part) {
					unseen, stale[part] = true, false
				}
			}
			if !unseen {
				seen = append(seen, line)
			}
		}
		rules, ok := caseRules(c)
		if c.Errors == nil || !ok || strings.HasPrefix(c.Errors[0], "not valid JSON") {
			continue // Helm reads and writes the text itself
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			_, err := renderChart(t, workloadsValues(t, map[string]any{"case": rules}))
			switch {
			case err == nil && seen != nil:
				t.Errorf("the chart renders it; the filter says:\n%s", strings.Join(seen, "\n"))
			case err != nil && seen == nil:
				t.Errorf("the chart refuses it, so a reason does not belong into chartCannotSee:\n%v", err)
			case err != nil && !strings.Contains(err.Error(), "these values would break proxies") && !strings.Contains(err.Error(), "values don't meet the specifications of the schema"):
				t.Errorf("rendering ends in an accident:\n%v", err)
			}
		})
	}
	for part, isStale := range stale {
		if isStale {
			t.Errorf("no case has the reason %q (any more)", part)
		}
	}
}
