package mesh_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// The tool's answer to "how do I know that it is installed?".
func TestStatusNamesWhatIsInForceAndWhatIsNot(t *testing.T) {
	s := newSpace(t, nil, nil)
	ask := s.statusTool()
	if code, out := ask(); code != 1 || !strings.Contains(out, "nothing is installed") {
		t.Fatalf("before the install: exit code %d, want 1 and that nothing is installed\n%s", code, out)
	}

	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	code, out := ask(r.name)
	if code != 0 || !strings.Contains(out, "httpbin-v1-") || !strings.Contains(out, "1 of 1 in force") {
		t.Fatalf("after the install: exit code %d, want 0 and v1's Pod in force\n%s", code, out)
	}

	wrong := strings.Repeat("0", 60) + "0bad"
	r.upgrade(map[string]string{"image.digest": "sha256:" + wrong})
	s.eventually("v1", "/banana/418", func(a answer) error { return a.wantStatus(http.StatusForbidden) })
	if code, out = ask("httpbin"); code != 1 || !strings.Contains(out, "deny-all") || !strings.Contains(out, "the last refusal: cannot fetch Wasm module") || !strings.Contains(out, wrong) {
		t.Fatalf("with a digest that is not there: exit code %d, want 1, the fallback and the digest\n%s", code, out)
	}
	t.Logf("with a digest that is not there:\n%s", out)
	code, out = ask("-o", "json")
	var report struct {
		Rows []struct {
			State  string
			Module struct{ Asked, InForce string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 1 || len(report.Rows) != 1 || report.Rows[0].State != "deny-all" || report.Rows[0].Module.Asked != wrong || report.Rows[0].Module.InForce != "" {
		t.Fatalf("as JSON: exit code %d, %v\n%s", code, err, out)
	}
}

// Rules that the filter refuses stand in a proxy's config_dump as if they were in force.
func TestStatusTellsRefusedRulesFromThoseInForce(t *testing.T) {
	s := newSpace(t, nil, nil)
	ask := s.statusTool()
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	// The chart lets no such rules through.
	s.run("patch", "wasmplugin", r.name+"-httpbin", "--type=merge", "--patch",
		`{"spec": {"pluginConfig": {"revision": "deadbeef", "patterns": [{"match": {"path": {"regex": "("}}, "rewrite": {"path": "x"}}]}}}`)
	var out string
	for end := time.Now().Add(settled); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var code int
		if code, out = ask(); code == 1 && strings.Contains(out, `configuration refused: patterns[0].match.path.regex: "(": missing closing )`) {
			s.wantSeed("v1")
			return
		}
	}
	t.Fatalf("status never named the refusal\n%s", out)
}

// statusTool builds the tool, and returns what asks it about the namespace: its exit code, and all that it printed.
func (s *space) statusTool() func(args ...string) (code int, out string) {
	s.Helper()
	tool := filepath.Join(s.TempDir(), "wasm-rewrite")
	build := exec.CommandContext(s.Context(), "go", "build", "-o", tool, "./plugin/cmd/wasm-rewrite")
	build.Dir = made.Root
	if out, err := build.CombinedOutput(); err != nil {
		s.Fatalf("go build: %v\n%s", err, out)
	}
	return func(args ...string) (int, string) {
		s.Helper()
		command := exec.CommandContext(s.Context(), tool, append([]string{"status", "--kubeconfig", bed.Kubeconfig, "-n", s.name}, args...)...)
		var out bytes.Buffer
		command.Stdout, command.Stderr = &out, &out
		var exit *exec.ExitError
		if err := command.Run(); err != nil && !errors.As(err, &exit) {
			s.Fatal(err)
		}
		return command.ProcessState.ExitCode(), out.String()
	}
}
