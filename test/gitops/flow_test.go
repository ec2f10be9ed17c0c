package gitops_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// rule is a rules file of checkout with one more pattern, as a team writes it: name stands for the rule, and under
// /<name> clients reach /anything/<name>-is-in-force.
func rule(names ...string) string {
	var patterns, tests strings.Builder
	for _, name := range names {
		fmt.Fprintf(&patterns, `
    - name: %s
      match: {path: {prefix: /%[1]s}}
      rewrite: {path: /anything/%[1]s-is-in-force}`, name)
		fmt.Fprintf(&tests, `
    - name: %s is rewritten
      request: {path: /%[1]s/x}
      expect: {pattern: %[1]s, path: /anything/%[1]s-is-in-force/x}`, name)
	}
	return "workloads:\n  checkout:\n    patterns:" + patterns.String() + "\n    tests:" + tests.String() + "\n"
}

// inForce is whether the rule of that name answers in an environment.
func inForce(environment, name string) error {
	return rewrites(environment, "/"+name+"/x", "/anything/"+name+"-is-in-force/x")
}

// pushRule pushes rules of checkout for an environment and waits until the last of them answers there.
func pushRule(t *testing.T, environment string, names ...string) time.Duration {
	t.Helper()
	must(t, write("environments/"+environment+"/rules/checkout.yaml", rule(names...)))
	began := time.Now()
	must(t, push("checkout: "+strings.Join(names, ", ")+" in "+environment))
	must(t, eventually(settled, func() error { return inForce(environment, names[len(names)-1]) }))
	return time.Since(began)
}

// A push is what brings a rule to dev, and to dev alone.
func TestAPushBringsARuleToDevAlone(t *testing.T) {
	start(t)
	must(t, unknown("dev", "/pushed/x"))
	took := pushRule(t, "dev", "pushed")
	t.Logf("from git push to the first rewritten request in dev: %s", took.Round(10*time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("it took %s, want less than 10s", took)
	}
	must(t, eventually(settled, func() error { return synced("dev") }))
	for _, environment := range []string{"staging", "production"} {
		must(t, unknown(environment, "/pushed/x"))
	}
}
