package process_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

func TestStopWaitsUntilTheProgramAndItsChildrenAreGone(t *testing.T) {
	child := filepath.Join(t.TempDir(), "child")
	p := process.MustStart(t, process.Config{
		Path: "sh", Args: []string{"-c", "sleep 300 & echo $! >" + child + ".part; mv " + child + ".part " + child + "; wait"},
		Ready: func(context.Context) error { _, err := os.Stat(child); return err },
	})
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if alive(p.Pid()) {
		t.Error("the program still runs after Stop")
	}
	wantGone(t, readPid(t, child))
}

func TestAProgramThatIgnoresSIGTERMIsKilled(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	p, err := process.Start(t.Context(), process.Config{
		Name: "stubborn", Path: "sh", Args: []string{"-c", "trap '' TERM; touch " + ready + "; while :; do sleep 0.1; done"},
		Ready:       func(context.Context) error { _, err := os.Stat(ready); return err },
		StopTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}

	err = p.Stop()
	if err == nil || !strings.Contains(err.Error(), "stubborn: did not stop within 100ms of SIGTERM and was killed") {
		t.Errorf("Stop: %v", err)
	}
	if alive(p.Pid()) {
		t.Error("the program still runs")
	}
}

func TestAProgramThatEndsBeforeItIsReadyIsAnErrorWithItsLog(t *testing.T) {
	_, err := process.Start(t.Context(), process.Config{
		Path: "sh", Args: []string{"-c", "echo address in use >&2; exit 3"},
		Ready: func(context.Context) error { return errors.New("not yet") },
	})
	if err == nil || !strings.Contains(err.Error(), "ended before it was ready: exit status 3") || !strings.Contains(err.Error(), "address in use") {
		t.Errorf("Start: %v", err)
	}
}

func TestAProgramThatIsNeverReadyIsStopped(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	_, err := process.Start(t.Context(), process.Config{
		Path: "sh", Args: []string{"-c", "echo $$ >" + pid + "; exec sleep 300"},
		Ready:        func(context.Context) error { return errors.New("nobody listens") },
		ReadyTimeout: 500 * time.Millisecond,
	})
	if err == nil || !strings.Contains(err.Error(), "not ready after 500ms: nobody listens") {
		t.Errorf("Start: %v", err)
	}
	wantGone(t, readPid(t, pid))
}

// The parent is this test binary started once more, killed without a chance to clean up.
func TestAProgramDoesNotOutliveAKilledParent(t *testing.T) {
	if file := os.Getenv("PROCESS_TEST_PARENT"); file != "" {
		p, err := process.Start(t.Context(), process.Config{Path: "sleep", Args: []string{"300"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+".part", fmt.Appendln(nil, p.Pid()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".part", file); err != nil {
			t.Fatal(err)
		}
		<-p.Done()

		return
	}

	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	parent.Env = append(os.Environ(), "PROCESS_TEST_PARENT="+file)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}

	pid := readPid(t, file)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	_ = parent.Wait()
	wantGone(t, pid)
}

func readPid(t *testing.T, file string) int {
	t.Helper()

	var pid int
	err := wait.Eventually(t.Context(), 10*time.Second, func() error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}

		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return pid
}

func wantGone(t *testing.T, pid int) {
	t.Helper()

	err := wait.Eventually(t.Context(), 10*time.Second, func() error {
		if alive(pid) {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// alive reports whether pid runs. A zombie that its new parent has not collected yet has ended.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}

	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}

	_, rest, _ := strings.Cut(string(stat), ") ")

	return !strings.HasPrefix(rest, "Z")
}
