// Package mesh_test proves the filter in a real mesh: every test installs the chart with helm, as a user does, and asks
// the gateway. The mesh is started by the first test that needs it and shared; each test has a namespace of its own, and
// runs at the same time as others unless it changes what they share: the gateway, the control plane, the registry.
//
// With WASM_REWRITE_KUBECONFIG the tests run in a cluster that has Istio instead; they want
// WASM_REWRITE_GATEWAY (the URL of istio-ingressgateway's HTTP port), WASM_REWRITE_IMAGES (where this machine may push
// images and proxies pull them, as ghcr.io/me) and WASM_REWRITE_HTTPBIN (an image of go-httpbin).
package mesh_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	"github.com/gruntwork-io/terratest/modules/logger"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/mesh"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/testbed"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// settled is how long a change may take until every proxy acts on it: istiod's push, the fetch of the module, and the
// first load of it.
const settled = 30 * time.Second

var bed struct {
	testbed.Life
	*mesh.Mesh
}

func TestMain(m *testing.M) {
	bed.Main(m, func() error {
		if bed.Mesh == nil {
			return nil
		}
		return bed.Stop()
	})
}

// start makes the mesh, once. Its programs come first, since a build is not a part of a mesh's start.
func start(t *testing.T) {
	t.Helper()
	bed.Start(t, func() error {
		made.Helm(t)
		if err := testbed.UseTools(); err != nil {
			return err
		}
		if kubeconfig := os.Getenv("WASM_REWRITE_KUBECONFIG"); kubeconfig != "" {
			var err error
			bed.Mesh, err = mesh.Connect(kubeconfig, os.Getenv("WASM_REWRITE_GATEWAY"), os.Getenv("WASM_REWRITE_IMAGES"), os.Getenv("WASM_REWRITE_HTTPBIN"))
			return err
		}
		made.File(t, "mesh-tools")

		began := time.Now()
		started, err := mesh.Start(bed.Context, mesh.Config{
			Build: filepath.Join(made.Root, "build"),
			Istio: filepath.Join(made.Root, made.Variable(t, "MESH_ISTIO")),
			Envoy: made.File(t, made.Variable(t, "MESH_ENVOY")),
		})
		if err != nil {
			return err
		}

		bed.Mesh = started
		t.Logf("the mesh was up after %s", time.Since(began).Round(100*time.Millisecond))
		// Clusters follow each other at the same address, and what is cached of one misleads about the next.
		return os.Setenv("KUBECACHEDIR", filepath.Join(bed.Cluster.Dir, "kubecache"))
	})
}

// space is one test's namespace with its workloads.
type space struct {
	*testing.T
	name    string
	kubectl *k8s.KubectlOptions
	// gateway is the URL that is asked; empty is istio-ingressgateway's.
	gateway string
	// releases is how many were installed.
	releases int
	shown    bool
}

// in is the space for a subtest, whose releases end with it.
func (s *space) in(t *testing.T) *space {
	inner := *s
	inner.T = t
	return &inner
}

// emptySpace makes a namespace without workloads, whose Pods get sidecars.
func emptySpace(t *testing.T) *space {
	t.Helper()
	return namespace(t, map[string]string{"istio-injection": "enabled"})
}

// namespace makes a namespace with labels.
func namespace(t *testing.T, labels map[string]string) *space {
	t.Helper()
	start(t)
	created, err := bed.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "mesh-", Labels: labels},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}

	s := &space{T: t, name: created.Name, kubectl: kubectl(created.Name)}
	t.Cleanup(func() {
		if t.Failed() {
			s.show()
		}
		if err := bed.Client.CoreV1().Namespaces().Delete(context.Background(), s.name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})

	return s
}

// newSpace makes a namespace with two httpbins, v1 and v2. v1's Pods get annotations; before runs first in the
// namespace, for what these refer to.
func newSpace(t *testing.T, annotations map[string]string, before func(*space)) *space {
	t.Helper()
	s := emptySpace(t)
	if bed.Preload {
		s.run("apply", "--filename", "../../docs/preload.yaml")
	}
	if before != nil {
		before(s)
	}
	s.deploy(annotations)
	return s
}

// deploy makes the two httpbins in a namespace.
func (s *space) deploy(annotations map[string]string) {
	s.Helper()
	manifest, err := mesh.Workloads{Namespace: s.name, HTTPBin: bed.HTTPBin, Preload: bed.Preload, Annotations: annotations}.Manifest()
	if err != nil {
		s.Fatal(err)
	}
	k8s.KubectlApplyFromStringContext(s, s.Context(), s.kubectl, manifest)

	for _, version := range []string{"v1", "v2"} {
		if out, err := exec.CommandContext(s.Context(), "kubectl",
			s.args("rollout", "status", "deployment/httpbin-"+version, "--timeout=90s")...).CombinedOutput(); err != nil {
			s.Fatalf("httpbin-%s: %v\n%s", version, err, out)
		}
		s.eventually(version, "/status/200", func(a answer) error { return a.wantStatus(http.StatusOK) })
	}
}

// args are those of kubectl for the namespace.
func (s *space) args(args ...string) []string {
	return append([]string{"--kubeconfig", bed.Kubeconfig, "--namespace", s.name}, args...)
}

// apply applies a manifest.
func (s *space) apply(manifest string) {
	s.Helper()
	s.run("apply", "--filename", s.file(manifest))
}

func kubectl(namespace string) *k8s.KubectlOptions {
	options := k8s.NewKubectlOptions("", bed.Kubeconfig, namespace)
	options.Logger = logger.Discard
	return options
}

// show prints what a person would look at, once.
func (s *space) show() {
	if s.shown {
		return
	}

	s.shown = true
	for _, command := range []string{
		"get pods --output=wide",
		"get wasmplugins,trafficextensions,envoyfilters --output=yaml",
		"get events --field-selector=type=Warning",
		"logs --selector=app=httpbin --container=istio-proxy --tail=-1 --prefix",
		// What a proxy that is no more said at its end.
		"logs --selector=app=httpbin --container=istio-proxy --tail=-1 --prefix --previous --ignore-errors",
		"logs --selector=gateway.networking.k8s.io/gateway-name --tail=-1 --prefix",
		"logs --namespace=istio-ingress deployment/istio-ingressgateway",
		"logs --namespace=istio-system deployment/istiod",
	} {
		out, err := exec.Command("kubectl", s.args(strings.Fields(command)...)...).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		if strings.HasPrefix(command, "logs") {
			// The tests ask many times, and what they were answered is known.
			lines = slices.DeleteFunc(lines, func(line string) bool { return accessLog.MatchString(line) || !telling.MatchString(line) })
			lines = lines[max(0, len(lines)-30):]
		}
		s.Logf("kubectl %s: %v\n%s", command, err, strings.Join(lines, "\n"))
	}
}

var (
	accessLog = regexp.MustCompile(`"[A-Z]+ \S+ HTTP/[0-9.]+"`)
	telling   = regexp.MustCompile(`(?i)wasm|ecds|warn|error|critical|fatal|panic|exited`)
)

// release installs the chart with the seed's values and more of them, and uninstalls it when the test ends.
func (s *space) release(namespace string, values ...string) *release {
	s.Helper()
	return s.install(chart(), helm.Options{
		KubectlOptions: kubectl(namespace),
		ValuesFiles:    []string{filepath.Join(chart(), "ci/seed-values.yaml")},
	}, values...)
}

// rules installs the chart in the space's namespace with nothing but values, and uninstalls it when the test ends.
func (s *space) rules(values ...string) *release {
	s.Helper()
	return s.install(chart(), helm.Options{KubectlOptions: s.kubectl}, values...)
}

// install installs a chart with options and more values, and uninstalls it when the test ends. The first release of a
// space is called seed-<namespace>, the next ones seed-<namespace>-1 and so on.
func (s *space) install(chart string, options helm.Options, values ...string) *release {
	s.Helper()

	options.Logger = logger.Discard
	r := &release{space: s, name: "seed-" + s.name, options: &options}
	if s.releases > 0 {
		r.name += fmt.Sprintf("-%d", s.releases)
	}

	s.releases++
	for _, text := range values {
		options.ValuesFiles = append(options.ValuesFiles, s.file(text))
	}
	// An install that failed leaves a release too.
	s.Cleanup(r.uninstall)
	helm.InstallContext(s, s.Context(), r.options, chart, r.name)

	return r
}

// file writes text to a file that lives as long as the test.
func (s *space) file(text string) string {
	s.Helper()
	return testbed.File(s, text)
}

type release struct {
	*space
	name    string
	options *helm.Options
	gone    bool
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

	options := *r.options
	options.ExtraArgs = map[string][]string{"delete": {"--ignore-not-found"}}
	if err := helm.DeleteContextE(r, context.Background(), &options, r.name, true); err != nil {
		r.Error(err)
	}
}

func chart() string { return filepath.Join(made.Root, "charts/wasm-rewrite") }

// answer is a response with its body.
type answer struct {
	*http.Response
	body string
}

func (a answer) wantStatus(status int) error {
	if a.StatusCode != status {
		return fmt.Errorf("answers %s, want %d; body %.200q", a.Status, status, a.body)
	}
	return nil
}

// get asks the gateway for a path of one of the namespace's workloads, with headers: name, value, name, value.
func (s *space) get(version, path string, headers ...string) (answer, error) {
	gateway := s.gateway
	if gateway == "" {
		gateway = bed.Gateway
	}

	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, gateway+path, nil)
	if err != nil {
		return answer{}, err
	}

	request.Host = version + "." + s.name + ".example"
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)

	return answer{response, string(body)}, err
}

// eventually asks until the answer is accepted.
func (s *space) eventually(version, path string, accept func(answer) error) {
	s.Helper()

	s.until(func() error {
		a, err := s.get(version, path)
		if err == nil {
			err = accept(a)
		}
		if err != nil {
			return fmt.Errorf("%s of %s: %w", path, version, err)
		}
		return nil
	})
}

// consistently asks for a while and wants the answer accepted each time.
func (s *space) consistently(version, path string, accept func(answer) error) {
	s.Helper()

	err := wait.Consistently(bed.Context, 2*time.Second, func() error {
		a, err := s.get(version, path)
		if err == nil {
			err = accept(a)
		}
		return err
	})
	if err != nil {
		s.Fatalf("%s of %s: %v", path, version, err)
	}
}

// asked is whether a request is answered with a status.
func (s *space) asked(version, path string, status int, headers ...string) error {
	a, err := s.get(version, path, headers...)
	if err == nil {
		err = a.wantStatus(status)
	}
	if err != nil {
		return fmt.Errorf("%s of %s: %w", path, version, err)
	}
	return nil
}

// settles waits until a condition holds, and then wants it to hold for a while. It returns how long it had to wait.
func (s *space) settles(condition func() error) time.Duration {
	s.Helper()

	began := time.Now()
	s.until(condition)

	took := time.Since(began)
	if err := wait.Consistently(bed.Context, 1500*time.Millisecond, condition); err != nil {
		s.Fatalf("it held after %s, and did not go on to: %v", took.Round(10*time.Millisecond), err)
	}

	return took.Round(10 * time.Millisecond)
}

// publish pushes a module, the filter or another, as `make publish` does and returns the image's digest.
func publish(t *testing.T, repository, module string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), made.File(t, "build/bin/publish"), "-module", module, "-tag", "test", repository)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		t.Fatalf("publish: %v\n%s", err, &problems)
	}
	return strings.TrimSpace(out.String())
}
