package promote

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// A source is promoted only where Argo CD rolled out what is copied. What a real
// one says is in test/gitops.
func TestOnlyWhatIsServedIsPromoted(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)

	git := func(args ...string) string {
		t.Helper()

		out, err := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "--quiet")
	write("environments/dev/release.yaml", "one")
	write("environments/dev/rules/a.yaml", "one")
	git("add", "--all")
	git("commit", "--quiet", "--message", "one")
	one := git("rev-parse", "HEAD")
	write("environments/staging/release.yaml", "other") // nothing of dev
	git("add", "--all")
	git("commit", "--quiet", "--message", "two")

	var status string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if status == "" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "message": "User \"author\" cannot do that", "code": 403}`)
			return
		}
		if r.URL.Path != "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/wasm-rewrite-dev" {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404}`)
			return
		}
		fmt.Fprintf(w, `{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "wasm-rewrite-dev", "namespace": "argocd"}, "status": %s}`, status)
	}))
	t.Cleanup(server.Close)

	app := func(sync, health, phase, message, revision string) string {
		return fmt.Sprintf(`{"sync": {"status": %q}, "health": {"status": %q, "message": "why"}, "operationState": {"phase": %q, "message": %q, "syncResult": {"revisions": ["0.1.0", %q]}}}`, sync, health, phase, message, revision)
	}
	gate := func(phase string, tries int) string {
		return fmt.Sprintf(`{"sync": {"status": "Synced"}, "operationState": {"phase": %q, "message": "one task failed", "retryCount": %d, "syncResult": {"resources": [
			{"kind": "ConfigMap", "name": "x", "hookPhase": "Succeeded", "message": "x"}, {"kind": "Pod", "name": "wasm-rewrite-verify-after", "hookPhase": "Failed", "message": "FAIL workload checkout"}]}}}`, phase, tries)
	}
	good := app("Synced", "Healthy", "Succeeded", "", one)
	otherwise := "dev is not promoted: it runs commit " + one +
		", where environments/dev/rules/a.yaml differs from what is here; push it and wait until dev runs it. Where it is pushed, Argo CD may not have looked yet: `argocd app get --refresh wasm-rewrite-dev` has it look now"

	all := []string{"environments/dev/release.yaml", "environments/dev/rules"}
	for _, c := range []struct {
		name, environment, status string
		files                     []string
		change                    func()
		want                      string // of the error, "" for none
	}{
		{name: "served", status: good},
		{name: "of one source", status: fmt.Sprintf(`{"sync": {"status": "Synced"}, "operationState": {"phase": "Succeeded", "syncResult": {"revision": %q}}}`, one)},
		{name: "never synced", status: `{"sync": {"status": "Synced"}}`, want: "dev is not promoted: Application argocd/wasm-rewrite-dev was never synced"},
		{name: "a gate failed", status: gate("Failed", 0), want: "dev is not promoted: Application argocd/wasm-rewrite-dev has a last sync that is Failed: one task failed\nPod wasm-rewrite-verify-after: FAIL workload checkout"},
		{name: "a gate fails again and again", status: gate("Running", 2), want: "dev is not promoted: Application argocd/wasm-rewrite-dev has a last sync that is Running: one task failed\nPod wasm-rewrite-verify-after: FAIL workload checkout"},
		{name: "OutOfSync", status: app("OutOfSync", "Healthy", "Succeeded", "", one), want: "dev is not promoted: Application argocd/wasm-rewrite-dev is OutOfSync: the cluster is not what git says"},
		{name: "Unknown", status: strings.Replace(app("Unknown", "Healthy", "Succeeded", "", one), `{"sync"`, `{"conditions": [{"type": "ComparisonError", "message": "connection refused"}], "sync"`, 1),
			want: "dev is not promoted: Application argocd/wasm-rewrite-dev is Unknown, since Argo CD cannot compare the cluster with git: connection refused; see that the registry and the git server are up, and that Argo CD may read both"},
		{name: "Degraded", status: app("Synced", "Degraded", "Succeeded", "", one), want: "dev is not promoted: Application argocd/wasm-rewrite-dev is Degraded: why"},
		{name: "no such Application", environment: "qa", status: good, want: "http://API: there is no Application argocd/wasm-rewrite-qa; name the context of Argo CD's cluster with --context, or --unverified to promote without asking Argo CD"},
		{name: "forbidden", want: `http://API: Application argocd/wasm-rewrite-dev: User "author" cannot do that; one has to be allowed to get applications.argoproj.io in namespace argocd of Argo CD's cluster: see that --context is of it, ask who runs it, or --unverified to promote without asking Argo CD`},
		{name: "a commit that is not here", status: app("Synced", "Healthy", "Succeeded", "", strings.Repeat("1", 40)), want: "Application argocd/wasm-rewrite-dev runs commit " + strings.Repeat("1", 40) + ": git diff: fatal: bad object " + strings.Repeat("1", 40) + "; git fetch brings a commit that is not here"},
		{name: "a new file", status: good, change: func() { write("environments/dev/rules/b.yaml", "new") }, want: "dev is not promoted: it runs commit " + one + ", where environments/dev/rules/b.yaml differs from what is here; push it and wait until dev runs it. Where it is pushed, Argo CD may not have looked yet: `argocd app get --refresh wasm-rewrite-dev` has it look now"},
		{name: "a part that is served", status: good, files: []string{"environments/dev/rules/a.yaml"}},
		{name: "a changed file", status: good, files: []string{"environments/dev/rules/a.yaml"}, change: func() { write("environments/dev/rules/a.yaml", "two") }, want: otherwise},
		{name: "committed, not rolled out", status: good, files: []string{"environments/dev/rules/a.yaml"}, change: func() { git("add", "--all"); git("commit", "--quiet", "--message", "three") }, want: otherwise},
	} {
		if c.change != nil {
			c.change()
		}
		if c.files == nil {
			c.files = all
		}
		if c.environment == "" {
			c.environment = "dev"
		}

		status = c.status
		a := Argo{
			Cluster: func() (*rest.Config, error) { return &rest.Config{Host: server.URL}, nil },
			Timeout: 10 * time.Second, Namespace: "argocd",
		}
		began := time.Now()
		err := a.Served(t.Context(), c.environment, c.files)
		said := ""
		if err != nil {
			said = strings.ReplaceAll(err.Error(), server.URL, "http://API")
		}
		if said != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, said, c.want)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", c.name, took)
		}
	}
}
