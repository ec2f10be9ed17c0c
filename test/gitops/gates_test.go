package gitops_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// gated gives dev the gate after a release too, and takes it away when the test ends.
func gated(t *testing.T) {
	t.Helper()

	place, err := os.ReadFile(filepath.Join(bed.tree, "environments/dev/place.yaml"))
	must(t, err)
	release, err := os.ReadFile(filepath.Join(bed.tree, "environments/dev/release.yaml"))
	must(t, err)
	must(t, write("environments/dev/place.yaml", string(place)+`
verify:
  after: {enabled: true, timeoutSeconds: 60, host: "checkout:8000"}
`))
	// The kinds that this gate is made of; only dev's project allows them then.
	project, err := os.ReadFile(filepath.Join(bed.tree, "argocd/project.yaml"))
	must(t, err)

	dev, others, _ := strings.Cut(string(project), "\n---\n")
	must(t, write("argocd/project.yaml", strings.ReplaceAll(dev, "  # - {", "  - {")+"\n---\n"+others))
	t.Cleanup(func() {
		must(t, write("argocd/project.yaml", string(project)))
		if t.Failed() {
			out, err := inTree("kubectl", "describe", "pods", "--namespace=shop-dev", "--selector=app.kubernetes.io/name=wasm-rewrite")
			t.Logf("the gates' Pods: %v\n%s", err, out)
		}
		must(t, write("environments/dev/place.yaml", string(place)))
		must(t, write("environments/dev/release.yaml", string(release)))
		must(t, write("environments/dev/rules/checkout.yaml", rule("ungated")))
		must(t, push("dev without the gate after a release"))
		must(t, eventually(settled, func() error { return inForce("dev", "ungated") }))
	})
}

// says is whether an Application says words of what is wrong: in its conditions or of its last sync.
func says(environment string, words ...string) error {
	app, err := application(environment)
	if err != nil {
		return err
	}

	status, _, _ := unstructured.NestedMap(app.Object, "status")
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode([]any{status["conditions"], status["operationState"]}); err != nil {
		return err
	}

	said := strings.ReplaceAll(strings.ReplaceAll(text.String(), `\"`, `"`), `\\`, `\`)
	for _, word := range words {
		if !strings.Contains(said, word) {
			return fmt.Errorf("the Application does not say %q:\n%s", word, said)
		}
	}

	return nil
}

// With environments/ as they are, what is wrong with a push is said by the Application, in words; no proxy gets it, and the
// next good push is rolled out without help.
func TestABadPushReachesNoProxy(t *testing.T) {
	start(t)
	pushRule(t, "dev", "good-0")
	must(t, eventually(settled, func() error { return synced("dev") }))

	release, err := os.ReadFile(filepath.Join(bed.tree, "environments/dev/release.yaml"))
	must(t, err)
	older, err := publish(made.OlderModule(t, "originalPathHeader"))
	must(t, err)

	bad := rule("good-0", "bad")
	for i, c := range []struct {
		name, rules, release string
		words                []string
	}{
		{"an invalid regex", strings.Replace(bad, "{prefix: /bad}", `{regex: "("}`, 1), "",
			[]string{`workload checkout, pattern bad: patterns[1].match.path.regex: "(": missing closing )`}},
		{"an unknown key", strings.Replace(bad, "rewrite: {path: /anything/bad", "rewrit: {path: /anything/bad", 1), "",
			[]string{"additional properties 'rewrit' not allowed"}},
		{"a wrong digest", bad, releaseFile("sha256:" + strings.Repeat("1", 64)),
			[]string{"/wasm-rewrite@sha256:111", "the registry has no such image; correct image.digest and image.repository, or publish the image"}},
		{"a module that was never published", bad, releaseFile("sha256:" + strings.Repeat("0", 64)),
			[]string{"image.digest: is all zeros: this image was never published; write the digest that make publish prints"}},
		{"an image that does not exist", bad,
			strings.Replace(string(release), "verify:\n  image:\n", "verify:\n  image:\n    repository: wasm-rewrite-cli\n", 1) + "  repository: nothing\n",
			[]string{"/nothing@sha256:", "the registry has no such image; correct image.digest and image.repository, or publish the image"}},
		{"a rule that breaks its test", strings.Replace(bad, "expect: {pattern: bad, path: /anything/bad-is-in-force/x}", "expect: {path: /elsewhere}", 1), "",
			[]string{"FAIL release shop-dev/wasm-rewrite: workload checkout: bad is rewritten", `path: got "/anything/bad-is-in-force/x", want "/elsewhere"`}},
		{"a key that the pinned module does not know", bad + "    originalPathHeader: x-original\n", releaseFile(older),
			[]string{"workload checkout: the filter refuses what this tool takes: originalPathHeader: is an unknown key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, err := plugin("dev", "checkout")
			must(t, err)
			must(t, write("environments/dev/rules/checkout.yaml", c.rules))
			if c.release != "" {
				must(t, write("environments/dev/release.yaml", c.release))
			}
			must(t, push("bad: "+c.name))
			must(t, eventually(2*settled, func() error { return says("dev", c.words...) }))
			must(t, inForce("dev", "good-0"))
			must(t, unknown("dev", "/bad/x"))

			after, err := plugin("dev", "checkout")
			must(t, err)
			if before.GetGeneration() != after.GetGeneration() {
				t.Errorf("the WasmPlugin was changed to %v", after.Object["spec"])
			}

			must(t, write("environments/dev/release.yaml", string(release)))

			good := fmt.Sprintf("good-%d", i+1)
			must(t, write("environments/dev/rules/checkout.yaml", rule("good-0", good)))
			must(t, push("good again"))
			// The failed sync is tried again, each time later, with what was pushed last.
			must(t, eventually(5*settled, func() error { return inForce("dev", good) }))
			must(t, eventually(2*settled, func() error { return synced("dev") }))
		})
	}
}

// A release that is applied and not served as its live tests say fails its sync, and is not promoted; the next one is.
func TestWhatIsNotServedIsNotPromoted(t *testing.T) {
	start(t)
	gated(t)

	live := func(status string) string {
		return strings.Replace(rule("lived"), "    - name: lived is rewritten",
			"    - name: lived answers\n      live: true\n      request: {path: /lived/x}\n      expect: {status: "+status+"}\n    - name: lived is rewritten", 1)
	}
	// The engine's upstream answers 200 to everything, httpbin only to what it knows.
	wrong := strings.Replace(live("200"), "path: /anything/lived-is-in-force}", "path: /nobody/lived-is-in-force}", 1)
	wrong = strings.Replace(wrong, "path: /anything/lived-is-in-force/x}", "path: /nobody/lived-is-in-force/x}", 1)
	must(t, write("environments/dev/rules/checkout.yaml", wrong))
	must(t, push("lived, elsewhere"))
	must(t, eventually(3*settled, func() error {
		return says("dev", "release shop-dev/wasm-rewrite: in force on 1 proxy", "FAIL workload checkout: lived answers", "status: got 404, want 200")
	}))
	// Between two tries of the sync Argo CD does not know any more what the last one said.
	must(t, eventually(settled, func() error {
		_, err := inTree("make", "promote", "FROM=dev", "TO=staging", "WORKLOAD=checkout", "--old-file=build/bin/wasm-rewrite")
		if err == nil {
			t.Fatal("make promote copies what failed its live test")
		}
		if !strings.Contains(err.Error(), "dev is not promoted: Application argocd/wasm-rewrite-dev has a last sync that is ") ||
			!strings.Contains(err.Error(), "FAIL workload checkout: lived answers") {
			return err
		}
		return nil
	}))

	must(t, write("environments/dev/rules/checkout.yaml", live("200")))
	if _, err := inTree("make", "promote", "FROM=dev", "TO=staging", "WORKLOAD=checkout", "--old-file=build/bin/wasm-rewrite"); err == nil {
		t.Error("make promote copies what dev does not run yet")
	}
	must(t, push("lived"))
	must(t, eventually(8*settled, func() error { return errors.Join(inForce("dev", "lived"), synced("dev")) }))
	promote(t, "dev", "staging", "WORKLOAD=checkout")

	_, err := inTree("git", "checkout", "--", "environments/staging")
	must(t, err)
}
