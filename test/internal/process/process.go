// Package process owns real programs for tests and for `make run`: it starts one, waits until it is ready, keeps its
// log, and stops it together with everything it started. A program never outlives the one that started it: on Linux
// the kernel kills it when its parent dies, however that happens.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Config says what to start and how to tell that it is ready.
type Config struct {
	// Name is what messages call the program. Default: the base name of Path.
	Name string
	// Path is the program: a file, or a name to be found on PATH.
	Path string
	// Args follow the program's name.
	Args []string
	// Env holds NAME=value entries on top of this process's environment.
	Env []string
	// Dir is the working directory. Default: this process's.
	Dir string
	// Ready returns nil once the program serves. It is asked every 20 ms; nil means ready at once.
	Ready func(context.Context) error
	// ReadyTimeout bounds the wait for Ready. Default: 60 s.
	ReadyTimeout time.Duration
	// StopTimeout is how long the program may take to stop after SIGTERM before it is killed. Default: 10 s.
	StopTimeout time.Duration
	// Log receives a copy of what the program writes to stdout and stderr. Default: nobody.
	Log io.Writer
}

// Process is one running program.
type Process struct {
	config Config
	cmd    *exec.Cmd
	log    *tail
	done   chan struct{}
	err    error // set before done is closed
	stop   sync.Once
}

// Start starts the program and returns once it is ready. If it exits or does not become ready in time, nothing is
// left running and the error holds the end of the program's log. The context bounds the start only, not the life of
// the program: call Stop.
func Start(ctx context.Context, c Config) (*Process, error) {
	if c.Name == "" {
		c.Name = filepath.Base(c.Path)
	}
	if c.ReadyTimeout == 0 {
		c.ReadyTimeout = time.Minute
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = 10 * time.Second
	}

	p := &Process{config: c, log: &tail{}, done: make(chan struct{})}
	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Dir = c.Dir
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Stdout = p.log
	if c.Log != nil {
		p.cmd.Stdout = io.MultiWriter(p.log, c.Log)
	}

	p.cmd.Stderr = p.cmd.Stdout
	p.cmd.WaitDelay = time.Second // a grandchild that keeps the pipe open must not block Wait
	p.cmd.SysProcAttr = attributes()

	started := make(chan error, 1)
	go func() {
		// The kernel's parent-death signal is tied to the thread that forks, so the thread has to live as long as
		// the program: https://github.com/golang/go/issues/27505
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()

		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}

		p.err = p.cmd.Wait()
		// What the program itself started and left behind.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	if c.Ready == nil {
		return p, nil
	}
	if err := p.wait(ctx); err != nil {
		_ = p.Stop()
		return nil, fmt.Errorf("%s: %w; its log ends:\n%s", c.Name, err, lastLines(p.Log(), 30))
	}

	return p, nil
}

// MustStart is Start for a test: it fails the test if the program does not start, stops the program when the test
// ends, and shows the end of its log if the test failed.
func MustStart(t testing.TB, c Config) *Process {
	t.Helper()
	p, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("%v", err)
		}
		if t.Failed() {
			t.Logf("%s: its log ends:\n%s", p.config.Name, lastLines(p.Log(), 100))
		}
	})

	return p
}

func (p *Process) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.config.ReadyTimeout)
	defer cancel()

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()

	var last error
	for {
		if last = p.config.Ready(ctx); last == nil {
			return nil
		}

		select {
		case <-p.done:
			return fmt.Errorf("ended before it was ready: %w", exit(p.err))
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", p.config.ReadyTimeout, last)
		case <-tick.C:
		}
	}
}

// Stop ends the program and returns when it is gone, with everything it started: SIGTERM, and after StopTimeout
// SIGKILL. The error says that the program had already ended by itself, or that it had to be killed. Further calls do
// nothing and return nil.
func (p *Process) Stop() error {
	var result error
	p.stop.Do(func() {
		select {
		case <-p.done:
			result = fmt.Errorf("%s: ended by itself: %w", p.config.Name, exit(p.err))
			return
		default:
		}

		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(p.config.StopTimeout):
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.done
			result = fmt.Errorf("%s: did not stop within %s of SIGTERM and was killed", p.config.Name, p.config.StopTimeout)
		}
	})

	return result
}

// Done is closed when the program has ended, for whatever reason.
func (p *Process) Done() <-chan struct{} { return p.done }

// Pid is the program's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// CPU is the processor time, user and system, that the program used from its start to its end. It is known once Stop
// has returned.
func (p *Process) CPU() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// Log is what the program has written so far to stdout and stderr, at most the last 4 MiB.
func (p *Process) Log() string { return p.log.String() }

func exit(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// HTTP is a Ready that asks for 200 from url.
func HTTP(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()

		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}

		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}

		return nil
	}
}

// TCP is a Ready that asks for a connection to address.
func TCP(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}

// FreePort returns a TCP port of 127.0.0.1 that nobody listens on. Prefer port 0 where the program can say which port
// it got: between this call and the program's start, another program may take the port.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

const tailSize = 4 << 20

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.data = append(t.data, p...)
	if len(t.data) > 2*tailSize {
		t.data = append([]byte(nil), t.data[len(t.data)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data[max(0, len(t.data)-tailSize):])
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
