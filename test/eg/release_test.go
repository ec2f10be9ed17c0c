package eg_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// release is one of the chart in a space.
type release struct {
	*space
	name string
	gone bool
}

// seed are the seed's rules on the route shop, under Envoy Gateway.
func (s *space) seed() string {
	s.Helper()

	text, err := os.ReadFile(filepath.Join(chart.Dir, "ci/seed-values.yaml"))
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

const onShop = `{delivery: EnvoyExtensionPolicy, url: "", workloads: {httpbin: {selector: {app: null}, targetRefs: [{kind: HTTPRoute, name: shop}]}}}`

// ungated switches the gate off that is on with this delivery, so that bad rules reach a proxy.
const ungated = "verify: {before: {enabled: false}}"

// rules are one pattern on the route shop: who asks for /banana gets a status.
func rules(status int) string {
	return fmt.Sprintf("{delivery: EnvoyExtensionPolicy, workloads: {httpbin: {targetRefs: [{kind: HTTPRoute, name: shop}], patterns: [{name: banana, match: {path: {prefix: /banana}}, rewrite: {path: /status/%d, replace: whole}}]}}}", status)
}

// refused are rules that the chart lets through and the filter does not.
const refused = `workloads: {httpbin: {patterns: [{match: {path: {regex: "(?P<twice>a)(?P<twice>b)"}}, rewrite: {path: /x}}]}}`

// image pushes the filter as `make publish` does and returns the values that name it, with the image of the gate.
func (s *space) image() string {
	s.Helper()
	tool := s.publish("-program", made.File(s.T, "build/bin/wasm-rewrite"), s.repository()+"-cli")
	return s.imageAt(s.publish("-module", made.Module(s.T), s.repository())) + "\n---\nverify: {image: {digest: \"" + tool + "\"}}"
}

func (s *space) repository() string { return bed.Images + "/" + s.name }

// imageAt are the values that name an image of the space's by its digest.
func (s *space) imageAt(digest string) string {
	return fmt.Sprintf("image: {registry: %q, repository: %q, digest: %q}", bed.Images, s.name, digest)
}

func (s *space) publish(args ...string) (digest string) {
	s.Helper()
	made.File(s.T, "build/bin/publish")
	out, err := tool(s.Context(), "publish", args...)
	if err != nil {
		s.Fatalf("publish %s: %v\n%s", strings.Join(args, " "), err, out)
	}

	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// install installs the chart, and uninstalls it when the test ends.
func (s *space) install(name string, values ...string) *release {
	s.Helper()
	r := &release{space: s, name: name}
	// An install that failed leaves a release too.
	s.Cleanup(r.uninstall)
	if out, err := r.helm("install", values...); err != nil {
		s.Fatalf("helm install: %v\n%s", err, out)
	}
	return r
}

func (r *release) upgrade(values ...string) {
	r.Helper()
	if out, err := r.helm("upgrade", append([]string{"--reuse-values"}, values...)...); err != nil {
		r.Fatalf("helm upgrade: %v\n%s", err, out)
	}
}

// helm installs or upgrades; what begins with -- is a flag, all else values.
func (r *release) helm(command string, values ...string) (string, error) {
	r.Helper()

	args := []string{command, r.name, chart.Dir, "--namespace", r.space.name, patience}
	for _, text := range values {
		if strings.HasPrefix(text, "--") {
			args = append(args, text)
			continue
		}

		for _, document := range strings.Split(text, "\n---\n") {
			args = append(args, "--values", r.file(document))
		}
	}

	return tool(r.Context(), "helm", args...)
}

func (r *release) rollback() {
	r.Helper()
	if out, err := tool(r.Context(), "helm", "rollback", r.name, "--namespace", r.space.name, patience); err != nil {
		r.Fatalf("helm rollback: %v\n%s", err, out)
	}
}

func (r *release) uninstall() {
	r.Helper()
	if r.gone {
		return
	}

	r.gone = true
	if r.Failed() {
		r.show()
	}
	if out, err := tool(context.Background(), "helm", "uninstall", r.name, "--namespace", r.space.name, "--ignore-not-found", "--wait"); err != nil {
		r.Errorf("helm uninstall: %v\n%s", err, out)
	}
}

// policy is the name of the release's policy.
func (r *release) policy() string { return r.name + "-httpbin" }
