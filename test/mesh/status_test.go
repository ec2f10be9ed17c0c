package mesh_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// The tool's answer to "how do I know that it is installed?".
func TestStatusNamesWhatIsInForceAndWhatIsNot(t *testing.T) {
	t.Parallel()
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
	r.upgrade("image: {digest: 'sha256:" + wrong + "'}")
	s.eventually("v1", "/banana/418", func(a answer) error { return a.wantStatus(http.StatusForbidden) })
	if code, out = ask("httpbin"); code != 1 || !strings.Contains(out, "deny-all") ||
		!strings.Contains(out, "the last refusal: cannot fetch Wasm module") || !strings.Contains(out, wrong) {
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
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 1 || len(report.Rows) != 1 || report.Rows[0].State != "deny-all" ||
		report.Rows[0].Module.Asked != wrong || report.Rows[0].Module.InForce != "" {
		t.Fatalf("as JSON: exit code %d, %v\n%s", code, err, out)
	}
}

// Rules that the filter refuses are in a proxy's config_dump as if they were in force.
func TestStatusTellsRefusedRulesFromThoseInForce(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	ask := s.statusTool()
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	// The chart lets no such rules through.
	s.run("patch", "wasmplugin", r.name+"-httpbin", "--type=merge", "--patch",
		`{"spec": {"pluginConfig": {"revision": "deadbeef", "patterns": [{"match": {"path": {"regex": "("}}, "rewrite": {"path": "x"}}]}}}`)

	s.until(func() error {
		code, out := ask()
		if code != 1 || !strings.Contains(out, `configuration refused: patterns[0].match.path.regex: "(": missing closing )`) {
			return fmt.Errorf("status does not name the refusal: exit code %d\n%s", code, out)
		}
		return nil
	})
	s.wantSeed("v1")
}

// statusTool returns what asks the tool about the namespace: its exit code, and all that it printed.
func (s *space) statusTool() func(args ...string) (code int, out string) {
	s.Helper()
	return func(args ...string) (int, string) {
		s.Helper()
		return s.tool(append([]string{"status", "--kubeconfig", bed.Kubeconfig, "-n", s.name}, args...)...)
	}
}

// tool runs the rule author's tool.
func (s *space) tool(args ...string) (code int, out string) {
	s.Helper()
	command := exec.CommandContext(s.Context(), made.File(s.T, "build/bin/wasm-rewrite"), args...)
	var all bytes.Buffer
	command.Stdout, command.Stderr = &all, &all
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		s.Fatal(err)
	}
	return command.ProcessState.ExitCode(), all.String()
}

// inForce waits until status says that every proxy runs what it received.
func (s *space) inForce() {
	s.Helper()
	if code, out := s.statusTool()("--wait", settled.String()); code != 0 {
		s.Fatalf("status: exit code %d\n%s", code, out)
	}
}
