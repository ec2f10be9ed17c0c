package mesh_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// gates are the values that enable both gates, with the command line's image next to the filter's, as `make publish`
// pushes it.
func (s *space) gates() string {
	s.Helper()
	out, err := exec.CommandContext(s.Context(), made.File(s.T, "build/bin/publish"), "-program", made.File(s.T, "build/bin/wasm-rewrite"),
		s.repository()+"-cli").Output()
	if err != nil {
		s.Fatalf("publish: %v", err)
	}
	return fmt.Sprintf("verify: {image: {digest: %s}, before: {enabled: true}, after: {enabled: true, timeoutSeconds: 30}}", strings.TrimSpace(string(out)))
}

// tested is the seed's workload with a test that is sent to v1's Service too.
func (s *space) tested(expect string) string {
	return fmt.Sprintf("workloads: {httpbin: {selector: {version: v1}, tests: [{name: banana, live: true, request: {host: 'httpbin-v1.%s:8000', path: /banana/200}, expect: %s}]}}", s.name, expect)
}

const served = "{pattern: pattern-0, path: /status/200, status: 200, responseHeaders: {site: youdianzhishi.com}}"

// left are the names of what the gates left behind.
func (s *space) left() (names []string) {
	s.Helper()

	list := metav1.ListOptions{LabelSelector: "app.kubernetes.io/component in (verify-before, verify-after)"}
	core, rbac := bed.Client.CoreV1(), bed.Client.RbacV1()
	pods, err := core.Pods(s.name).List(s.Context(), list)
	if err != nil {
		s.Fatal(err)
	}

	for _, o := range pods.Items {
		names = append(names, "Pod "+o.Name)
	}

	maps, err := core.ConfigMaps(s.name).List(s.Context(), list)
	if err != nil {
		s.Fatal(err)
	}

	for _, o := range maps.Items {
		names = append(names, "ConfigMap "+o.Name)
	}

	accounts, err := core.ServiceAccounts(s.name).List(s.Context(), list)
	if err != nil {
		s.Fatal(err)
	}

	for _, o := range accounts.Items {
		names = append(names, "ServiceAccount "+o.Name)
	}

	roles, err := rbac.Roles(s.name).List(s.Context(), list)
	if err != nil {
		s.Fatal(err)
	}

	for _, o := range roles.Items {
		names = append(names, "Role "+o.Name)
	}

	return names
}

// tryUpgrade is `helm upgrade --reuse-values` with more values, and what it printed.
func (r *release) tryUpgrade(values ...string) (string, error) {
	r.Helper()

	args := []string{"upgrade", r.name, chart(), "--kubeconfig", bed.Kubeconfig, "--namespace", r.space.name, "--reuse-values"}
	for _, text := range values {
		args = append(args, "--values", r.file(text))
	}

	out, err := exec.CommandContext(r.Context(), made.Helm(r.T), args...).CombinedOutput()
	return string(out), err
}

// The gates on their way of a release: a good one passes them, with mTLS demanded, and a bad one is stopped by the one
// that is there for it; what proxies run does not change before the first, and the next good release passes again.
func TestGatesStopBadReleasesAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.apply("{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: strict}, spec: {mtls: {mode: STRICT}}}")
	r := s.release(s.name, s.image(), s.gates(), s.tested(served))
	s.wantSeed("v1")
	if left := s.left(); left != nil {
		t.Errorf("the gates left behind %q", left)
	}

	out := s.helm(r.options, "test", r.name)
	if strings.Count(out, "Phase:          Succeeded") != 7 {
		t.Errorf("helm test:\n%s", out)
	}

	revision := func() string { return revision(r.list(wasmPlugins)[s.name+"/"+r.name+"-httpbin"]) }
	before := revision()

	good := s.tested(served)
	for _, bad := range []struct {
		name, values string
		words        []string
	}{
		{"a test fails", s.tested("{path: /status/404, status: 200}"), []string{"FAIL release " + s.name + "/" + r.name + ": workload httpbin: banana", `path: got "/status/200", want "/status/404"`}},
		{"a digest that is not there", "image: {digest: 'sha256:" + strings.Repeat("1", 64) + "'}", []string{"the registry has no such image; correct image.digest and image.repository, or publish the image"}},
		{"rules that only the filter refuses", `workloads: {httpbin: {patterns: [{match: {path: {regex: "(?P<twice>a)(?P<twice>b)"}}, rewrite: {path: /x}}]}}`, []string{"the group name twice is used twice in this pattern"}},
	} {
		out, err := r.tryUpgrade(good, "workloads: {httpbin: {headers: {response: {set: {bad: release}}}}}", bad.values)
		if err == nil {
			t.Fatalf("%s: helm upgrade went through:\n%s", bad.name, out)
		}

		for _, word := range append(bad.words, "pre-upgrade hooks failed", "pod "+r.name+"-verify-before failed") {
			if !strings.Contains(out, word) {
				t.Errorf("%s: helm upgrade does not say %q:\n%s", bad.name, word, out)
			}
		}
		if now := revision(); now != before {
			t.Errorf("%s: the WasmPlugin has revision %s, and had %s", bad.name, now, before)
		}
		if left := s.left(); left != nil {
			t.Errorf("%s: the gates left behind %q, which helm uninstall would not find", bad.name, left)
		}
	}
	s.wantSeed("v1")

	// A header that something behind this filter would have to set: rules alone cannot tell.
	out, err := r.tryUpgrade(good, s.tested("{status: 200, absentResponseHeaders: [access-control-allow-origin]}"))
	if err == nil {
		t.Fatalf("helm upgrade went through with a live test that fails:\n%s", out)
	}

	for _, word := range []string{
		"in force on 1 proxy", "FAIL workload httpbin: banana", "absentResponseHeaders: got access-control-allow-origin: ", "post-upgrade hooks failed",
	} {
		if !strings.Contains(out, word) {
			t.Errorf("a live test fails: helm upgrade does not say %q:\n%s", word, out)
		}
	}

	// helm test of what has just failed says so at once.
	began := time.Now()
	tested, err := exec.CommandContext(t.Context(), made.Helm(t), "test", r.name, "--kubeconfig", bed.Kubeconfig, "--namespace", s.name).CombinedOutput()
	if took := time.Since(began); err == nil || took > time.Minute || !strings.Contains(string(tested), "FAIL workload httpbin: banana") {
		t.Errorf("helm test after a failed release: %v after %s, and says\n%s", err, took, tested)
	}
	if left := s.left(); left != nil {
		t.Errorf("the gates left behind %q", left)
	}

	if out, err := r.tryUpgrade(good, seedSite("good"), s.tested(strings.Replace(served, "youdianzhishi.com", "good", 1))); err != nil {
		t.Fatalf("the next good release: %v\n%s", err, out)
	}
	s.settles(func() error { return s.site("good") })
	if left := s.left(); left != nil {
		t.Errorf("the gates left behind %q", left)
	}
}

// A first release that its gate stops leaves nothing of itself in a proxy.
func TestABadFirstReleaseIsNeverApplied(t *testing.T) {
	t.Parallel()
	s := emptySpace(t)

	args := []string{"install", "seed-" + s.name, chart(), "--kubeconfig", bed.Kubeconfig, "--namespace", s.name, "--values", chart() + "/ci/seed-values.yaml"}
	for _, text := range []string{s.image(), s.gates(), s.tested("{path: /status/404, status: 200}")} {
		args = append(args, "--values", s.file(text))
	}
	t.Cleanup(func() {
		_ = exec.Command(made.Helm(t), "uninstall", "seed-"+s.name, "--kubeconfig", bed.Kubeconfig, "--namespace", s.name).Run()
	})
	out, err := exec.CommandContext(t.Context(), made.Helm(t), args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `path: got "/status/200", want "/status/404"`) || !strings.Contains(string(out), "failed pre-install") {
		t.Fatalf("helm install: %v, want it stopped by the test\n%s", err, out)
	}
	if out := s.kubectlOutput("get", "wasmplugins", "--output=name"); out != "" {
		t.Errorf("applied: %s", out)
	}
}

// What status asks of an API server, the other commands may ask too: they read the rules as they are there.
func TestRulesAreReadFromTheCluster(t *testing.T) {
	t.Parallel()
	s := emptySpace(t)
	r := s.rules("url: file:///var/local/wasm/plugin.wasm", `workloads: {shop: {selector: {app: shop}, vars: {limit: 3000000, half: 0.5}, patterns: [{name: old, match: {path: {regex: "^/old/([0-9]+)$"}}, rewrite: {path: "/${var.limit}/${var.half}/$1"}}], tests: [{request: {path: /old/1}, expect: {path: /3000000/0.5/1}}]}}`)

	cluster := "cluster:" + s.name
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"lint", cluster, "--ignore", "phase"}, "1 workload: nothing found\n"},
		{[]string{"test", cluster}, cluster + ": workload shop: no tests: they are in the values and are never sent to a cluster\n0 passed, 0 failed\n"},
	} {
		if code, out := s.tool(append(c.args, "--kubeconfig", bed.Kubeconfig)...); code != 0 || out != c.want {
			t.Errorf("%v: exit code %d\n%swant\n%s", c.args, code, out, c.want)
		}
	}
	if code, out := s.tool("explain", "GET", "/old/7", cluster, "--kubeconfig", bed.Kubeconfig); code != 0 || !strings.Contains(out, "/3000000/0.5/7") {
		t.Errorf("explain: exit code %d\n%s", code, out)
	}
	s.run("patch", "wasmplugin", r.name+"-shop", "--type=merge", "--patch",
		`{"spec": {"pluginConfig": {"patterns": [{"match": {"path": {"regex": "("}}, "rewrite": {"path": "x"}}]}}}`)
	code, out := s.tool("lint", cluster, "-w", "shop", "--kubeconfig", bed.Kubeconfig)
	if want := "error: " + cluster + `: workload shop: patterns[0].match.path.regex: "(": missing closing ) [invalid]`; code != 1 ||
		!slices.Contains(strings.Split(out, "\n"), want) {
		t.Errorf("lint: exit code %d\n%swant\n%s", code, out, want)
	}
	if code, out := s.tool("lint", "cluster:default", "--kubeconfig", bed.Kubeconfig); code != 2 ||
		!strings.Contains(out, "the chart made no object in namespace default") {
		t.Errorf("lint: exit code %d\n%s", code, out)
	}
}

// kubectlOutput is what kubectl prints about the namespace.
func (s *space) kubectlOutput(args ...string) string {
	s.Helper()
	out, err := exec.CommandContext(s.Context(), "kubectl", s.args(args...)...).Output()
	if err != nil {
		s.Fatalf("kubectl %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}
