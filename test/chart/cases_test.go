package chart_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
)

// chartCannotSee are the reasons of the filter, as parts of their text, that the chart does not look for, by why it does
// not. The chart's README lists why. The command line and the Pod before a release run the compiler itself and see all
// of them.
var chartCannotSee = map[string][]string{
	"what a var makes of a text is known once it is put in":                                 {"is not a host", "is the end of every path"},
	"no function of Helm says how large or how deep a regex becomes when it is compiled":    {"instructions, the limit is", "nested deeper than"},
	"Helm's regexes know Unicode, those of the filter would need tables larger than itself": {"Unicode classes such as", "the case of letters outside ASCII"},
	"whether a named group is there once is seen by the parser of regexes alone":            {"the group name", "a group named"},
	"a schema and a template compare no two names of one block, or texts of two keys":       {"is read by", "is the same name", "is originalPathHeader too", "redirect.host has the port"},
	"what a redirect's fragment may hold depends on where its text begins":                  {"a reference after #", "a fragment has no space"},
	"the chart knows other languages by their $ alone":                                      {"is not of this language"},
	"where a modifier has a use depends on the text that the reference is in":               {"it has no use elsewhere", "takes no modifier"},
	"a schema cannot count the operations of a block, which are under several keys":         {"operations and values, the limit is"},
	"a schema cannot count the bytes of literal text alone":                                 {"is longer than the 8 KiB"},
}

// TestChartSaysWhichErrorsAreLintsAlone holds the README of the chart against the checks that are errors.
func TestChartSaysWhichErrorsAreLintsAlone(t *testing.T) {
	readme := chart.ReadFile(t, filepath.Join(chart.Dir, "README.md"))
	for _, about := range lint.Checks {
		// What the chart or Helm refuse, too, and what no chart sees: how files are named.
		if about.Severity != lint.SeverityError || slices.Contains([]lint.Check{lint.YAML, lint.Invalid, lint.Refused, lint.Placed}, about.Check) {
			continue
		}
		if !strings.Contains(readme, "`"+string(about.Check)+"`") {
			t.Errorf("%s is an error of lint that the chart renders, and its README does not say so", about.Check)
		}
	}
}

// chartCannotHold are the valid cases that are not values, or faulty ones by the revision that the chart adds.
var chartCannotHold = []string{
	"longest",           // is too long with its revision
	"nothing-but-null",  // removes the workload
	"nothing-but-space", // is not an object
	"vars-out-of-range", // Helm refuses a number that no float holds
}

// caseRules gives the configuration of a case as it is under a workload. ok is false where it is not JSON object:
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
	return chart.Module + "workloads: " + strings.ReplaceAll(string(text), "\x7f", `\u007f`) // YAML holds it in escapes only
}

func chartCases(t *testing.T) []rewritetest.Case {
	t.Helper()

	cases, err := rewritetest.Load("../../plugin/rewrite/testdata")
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
			_, err := chart.Render(t, workloadsValues(t, map[string]any{c.Name: rules}))
			ok = err == nil
		}
		if ok {
			t.Errorf("the chart renders %s, so it does not belong into chartCannotHold", c.Name)
		}
	}

	objects := chart.Objects(t, chart.MustRender(t, workloadsValues(t, valid)))

	left := maps.Clone(valid)
	for _, object := range objects {
		config := chart.FilterConfig(t, object)
		if _, err := rewrite.Load(config); err != nil {
			t.Errorf("%s: the filter refuses what the chart made of it:\n%v", object.GetName(), err)
		}
		var got map[string]any
		if err := json.Unmarshal(config, &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "revision")

		name := strings.TrimPrefix(object.GetName(), chart.Release+"-")
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

// withoutNulls leaves out what a null removes: a key of a map that is in no list.
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

// wrong is one pattern of a faulty case, or what is outside of its patterns, as a workload of its own.
type wrong struct {
	of     string // the case, and the pattern
	rules  map[string]any
	errors []string
}

var errorOfPattern = regexp.MustCompile(`^patterns\[(\d+)\]`)

// wrongs takes a faulty case apart.
func wrongs(c rewritetest.Case, rules map[string]any) (list []wrong) {
	byPattern, outside, revision := map[int][]string{}, []string(nil), []string(nil)
	patterns, _ := rules["patterns"].([]any)

	for _, line := range c.Errors {
		if strings.HasPrefix(line, "revision:") {
			revision = append(revision, line)
			continue
		}

		m := errorOfPattern.FindStringSubmatch(line)
		if m == nil || strings.Contains(line, "is the name of") {
			outside = append(outside, line)
			continue
		}

		i, _ := strconv.Atoi(m[1])
		byPattern[i] = append(byPattern[i], line)
	}

	for i, errors := range byPattern {
		one := map[string]any{"patterns": []any{patterns[i]}}
		if rules["vars"] != nil {
			one["vars"] = rules["vars"]
		}

		list = append(list, wrong{fmt.Sprintf("%s, patterns[%d]", c.Name, i), one, errors})
	}
	if revision != nil {
		list = append(list, wrong{c.Name + ", revision", map[string]any{"revision": rules["revision"]}, revision})
	}
	if outside == nil {
		return list
	}

	// What is outside stands alone, but for names, which the other patterns have.
	rest := maps.Clone(rules)
	delete(rest, "revision")
	if !slices.ContainsFunc(outside, func(line string) bool {
		return strings.Contains(line, "is the name of") || strings.HasPrefix(line, "patterns:")
	}) {
		delete(rest, "patterns")
	} else if len(patterns) < 100 {
		var named []any
		for _, p := range patterns {
			named = append(named, map[string]any{"name": p.(map[string]any)["name"], "respond": map[string]any{"status": 200}})
		}

		rest["patterns"] = slices.DeleteFunc(named, func(p any) bool {
			name, _ := p.(map[string]any)["name"].(string)
			return name != "" && !regexp.MustCompile("^[a-z0-9-]{1,63}$").MatchString(name)
		})
	}

	return append(list, wrong{c.Name, rest, outside})
}

var refusedWorkload = regexp.MustCompile(`(?m)at '/workloads/w(\d+)[/']|^- workload w(\d+)[,:]`)

// refuses gives the numbers of the workloads that the chart refuses, and drops them from the list.
func refuses(t *testing.T, all map[int]wrong) {
	t.Helper()

	workloads := map[string]any{}
	for i, w := range all {
		workloads["w"+strconv.Itoa(i)] = w.rules
	}

	_, err := chart.Render(t, workloadsValues(t, workloads))
	if err == nil {
		return
	}
	if !strings.Contains(err.Error(), "these values would break proxies") && !strings.Contains(err.Error(), "values don't meet the specifications of the schema") {
		t.Fatalf("rendering ends in an accident:\n%v", err)
	}

	for _, m := range refusedWorkload.FindAllStringSubmatch(err.Error(), -1) {
		i, _ := strconv.Atoi(m[1] + m[2])
		delete(all, i)
	}
}

func TestEveryFaultOfTheTableIsRefusedByTheChart(t *testing.T) {
	all := map[int]wrong{}
	for _, c := range chartCases(t) {
		rules, ok := caseRules(c)
		if c.Errors == nil || !ok || strings.HasPrefix(c.Errors[0], "not valid JSON") {
			continue // Helm reads and writes the text itself
		}

		for _, w := range wrongs(c, rules) {
			all[len(all)] = w
		}
	}
	if len(all) < 200 {
		t.Fatalf("the table has %d faults: this test reads it wrongly", len(all))
	}

	// The schema speaks first, then the templates of what it lets through.
	refuses(t, all)
	refuses(t, all)

	used := map[string]bool{}
	for _, w := range all {
		for _, line := range w.errors {
			known := false
			for _, parts := range chartCannotSee {
				for _, part := range parts {
					if strings.Contains(line, part) {
						known, used[part] = true, true
					}
				}
			}
			if !known {
				t.Errorf("%s: the chart renders it; the filter says:\n%s", w.of, line)
			}
		}
	}

	readme := chart.ReadFile(t, filepath.Join(chart.Dir, "README.md"))
	for why, parts := range chartCannotSee {
		if !strings.Contains(readme, "\n- "+why+"\n") {
			t.Errorf("the README of the chart does not say: %s", why)
		}

		for _, part := range parts {
			if !used[part] {
				t.Errorf("the chart sees every %q, so it does not belong to: %s", part, why)
			}
		}
	}
}
