package suite

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// Two patterns: the tests reach the first one only, and one of the two expects what does not happen.
const rules = `
patterns:
  - name: teapot
    match: {path: {prefix: /banana}}
    rewrite: {path: /status}
  - name: never-asked
    match: {path: {prefix: /other}}
    rewrite: {path: /x}
tests:
  - {name: right, request: {path: /banana/418}, expect: {pattern: teapot, path: /status/418}}
  - {name: wrong, request: {path: /banana/1}, expect: {path: /status/2}}
`

func run(t *testing.T, s *Suite, text string) *Report {
	t.Helper()

	in, err := input.Text("rules.yaml", []byte(text), "")
	if err == nil {
		in.Name = "rules.yaml"
	}
	if err != nil {
		t.Fatal(err)
	}

	report, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}

	return report
}

func text(r *Report) string {
	var b strings.Builder
	r.Text(&b)
	return b.String()
}

func TestReport(t *testing.T) {
	t.Run("says what a test that fails got and wanted, and which patterns no test reaches", func(t *testing.T) {
		want := `FAIL rules.yaml: wrong
  GET http://example.com/banana/1
  path: got "/status/1", want "/status/2"
  acted: teapot
rules.yaml: 2 tests, 1 of 2 patterns acted; in no test: never-asked
1 passed, 1 failed
`
		report := run(t, &Suite{}, rules)
		if got := text(report); got != want || report.Fine() {
			t.Errorf("fine: %v\n%s\nwant it not to be fine, and\n%s", report.Fine(), got, want)
		}
	})
	t.Run("is fine where the tests that are named pass", func(t *testing.T) {
		report := run(t, &Suite{Only: regexp.MustCompile("^right$")}, rules)
		if !report.Fine() || report.Passed != 1 || report.Failed != 0 {
			t.Errorf("fine: %v\n%s", report.Fine(), text(report))
		}
	})
	t.Run("is not fine where too few patterns acted, and says so", func(t *testing.T) {
		report := run(t, &Suite{Only: regexp.MustCompile("^right$"), AtLeast: 80}, rules)
		if want := "coverage is 50.0 %, --min-coverage wants 80 %\n"; report.Fine() || !strings.HasSuffix(text(report), want) {
			t.Errorf("fine: %v\n%s\nwant it not to be fine, and %s", report.Fine(), text(report), want)
		}
	})
	t.Run("counts no pattern that is disabled or in shadow", func(t *testing.T) {
		report := run(t, &Suite{AtLeast: 100}, strings.Replace(rules, "name: never-asked", "name: never-asked\n    mode: shadow", 1))
		if got := report.Workloads[0].Coverage; got.Patterns != 1 || got.Acted != 1 || got.Missing != nil {
			t.Errorf("coverage %+v, want 1 of 1", got)
		}
	})
	t.Run("has the reasons of rules that are refused, and no test of theirs", func(t *testing.T) {
		report := run(t, &Suite{}, strings.Replace(rules, "path: /x", "path: x", 1))
		got := text(report)
		if report.Fine() || len(report.Workloads[0].Tests) > 0 || !strings.Contains(got, "(never-asked).rewrite.path") ||
			!strings.Contains(got, "rules.yaml: refused, nothing was tested\n") {
			t.Errorf("fine: %v\n%s", report.Fine(), got)
		}
	})
	t.Run("says where there are no tests", func(t *testing.T) {
		bare, _, _ := strings.Cut(rules, "tests:")
		report := run(t, &Suite{}, bare)
		if got, want := text(report), "rules.yaml: no tests\n0 passed, 0 failed\n"; got != want || !report.Fine() {
			t.Errorf("fine: %v, %q, want %q", report.Fine(), got, want)
		}
	})
	t.Run("as JSON has lists where there is nothing", func(t *testing.T) {
		data, err := json.Marshal(run(t, &Suite{Only: regexp.MustCompile("^none$")}, rules))
		if want := `"tests":[]`; err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s, %v; want %s in it", data, err, want)
		}
	})
}

func TestJUnit(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		want        []string
	}{
		{"has a failure with what was got and wanted", rules, []string{
			`<testsuite name="rules.yaml" tests="2" failures="1" errors="0">`,
			`<testcase classname="rules.yaml" name="right"></testcase>`,
			`<failure message="path: got &#34;/status/1&#34;, want &#34;/status/2&#34;">GET http://example.com/banana/1`,
		}},
		{"has an error for what is refused", strings.Replace(rules, "path: /x", "path: x", 1), []string{
			`<testsuite name="rules.yaml" tests="1" failures="0" errors="1">`, `name="rules patterns[1].rewrite.path"`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := run(t, &Suite{}, c.rules).JUnit(&b); err != nil {
				t.Fatal(err)
			}

			for _, want := range c.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("%s\nwant in it %s", &b, want)
				}
			}
		})
	}
}
