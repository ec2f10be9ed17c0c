package suite

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Text writes the report for people: what failed, then a line for each workload.
func (r *Report) Text(out io.Writer) {
	for _, w := range r.Workloads {
		name := terminal.Where(w.Input, w.Workload)
		for _, f := range w.Refusals {
			f.Write(out)
		}

		for _, one := range w.Tests {
			if !one.Passed {
				one.text(out, name)
			}
		}
		w.text(out, name)
	}

	fmt.Fprintf(out, "%d passed, %d failed\n", r.Passed, r.Failed)
	if r.covered() < r.atLeast {
		fmt.Fprintf(out, "coverage is %.1f %%, --min-coverage wants %v %%\n", r.covered(), r.atLeast)
	}
}

// text writes a test that failed.
func (t *Test) text(out io.Writer, workload string) {
	fmt.Fprintf(out, "FAIL %s: %s\n  %s\n", workload, terminal.Line(t.Name), terminal.Line(t.Request))

	for _, f := range t.Failures {
		fmt.Fprintf(out, "  %s: got %s, want %s\n", terminal.Line(f.Key), terminal.Line(f.Got), terminal.Line(f.Want))
	}
	if len(t.Acted) > 0 {
		fmt.Fprintf(out, "  acted: %s\n", strings.Join(t.Acted, ", "))
	} else {
		fmt.Fprintf(out, "  acted: none; `wasm-rewrite explain` says why\n")
	}
}

// text writes what came of the workload as a whole.
func (run *Workload) text(out io.Writer, name string) {
	switch {
	case len(run.Refusals) > 0:
		fmt.Fprintf(out, "%s: refused, nothing was tested\n", name)
		return
	case len(run.Tests) == 0 && (run.kind == input.Manifest || run.kind == input.Cluster):
		fmt.Fprintf(out, "%s: no tests: they are in the values and are never sent to a cluster\n", name)
		return
	case len(run.Tests) == 0:
		fmt.Fprintf(out, "%s: no tests\n", name)
		return
	}

	fmt.Fprintf(out, "%s: %s, %d of %s acted", name, terminal.Count(len(run.Tests), "test"), run.Coverage.Acted, terminal.Count(run.Coverage.Patterns, "pattern"))
	if len(run.Coverage.Missing) > 0 {
		fmt.Fprintf(out, "; in no test: %s", shortened(run.Coverage.Missing))
	}
	fmt.Fprintln(out)
}

func shortened(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// The format that CI systems read as JUnit's.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report as CI systems read it.
func (r *Report) JUnit(out io.Writer) error {
	var all junitSuites
	for _, w := range r.Workloads {
		all.Suites = append(all.Suites, w.junit())
	}

	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}

	e := xml.NewEncoder(out)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}

	_, err := fmt.Fprintln(out)

	return err
}

func (run *Workload) junit() junitSuite {
	s := junitSuite{Name: terminal.Where(run.Input, run.Workload), Tests: len(run.Tests)}
	for _, one := range run.Tests {
		c := junitCase{Class: s.Name, Name: one.Name}
		if !one.Passed {
			s.Failures++
			c.Failure = one.junit()
		}

		s.Cases = append(s.Cases, c)
	}

	// What is refused counts as a test that could not run.
	for _, f := range run.Refusals {
		var text strings.Builder
		f.Write(&text)
		s.Tests++
		s.Errors++
		s.Cases = append(s.Cases, junitCase{Class: s.Name, Name: strings.TrimSpace("rules " + f.Path), Error: &junitMessage{Message: f.Reason, Text: text.String()}})
	}

	return s
}

// junit is why a test failed: the first expectation, then all of them.
func (t *Test) junit() *junitMessage {
	m := &junitMessage{Message: t.Failures[0].String(), Text: t.Request}
	for _, f := range t.Failures {
		m.Text += "\n" + f.String()
	}
	return m
}

func (f Failure) String() string { return f.Key + ": got " + f.Got + ", want " + f.Want }
