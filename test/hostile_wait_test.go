package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// bystander is a client of another listener. It asks over and over, on one connection, and notes how long the worker was
// on a processor during each answer: that is how long it waits on a machine without other work. The clock would tell of
// this machine's.
type bystander struct {
	stop   atomic.Bool
	longer chan []time.Duration // the waits, once it has stopped
}

// kept is how long the bystander may have waited for a processor itself, for a wait to count: meanwhile the worker goes
// on with what came after the answer.
const kept = time.Millisecond

// watch starts a bystander.
func watch(t *testing.T, e *envoy.Envoy) *bystander {
	t.Helper()

	conn, err := net.Dial("tcp", address(e, "other"))
	if err != nil {
		t.Fatal(err)
	}

	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}

	// The goroutine is its thread, which waits for the answer itself: nobody has to wake it.
	worker := workerOf(t, e)
	b := &bystander{longer: make(chan []time.Duration)}

	go func() {
		runtime.LockOSThread()
		defer file.Close()
		defer conn.Close()

		own := threadTimes("/proc/thread-self/schedstat")

		var waits []time.Duration
		for !b.stop.Load() {
			_, delayed := own()
			before, _ := worker()
			ok := askedOnce(int(file.Fd()))
			after, _ := worker()

			if !ok {
				b.longer <- []time.Duration{time.Hour} // the filter has trapped
				return
			}

			if _, now := own(); now-delayed < kept {
				waits = append(waits, after-before)
			}
		}
		b.longer <- waits
	}()

	return b
}

// longest ends a bystander and says how long it waited at most, and how often it asked.
func (b *bystander) longest() (wait time.Duration, asked int) {
	b.stop.Store(true)

	waits := <-b.longer
	for _, w := range waits {
		wait = max(wait, w)
	}

	return wait, len(waits)
}

// askedOnce sends a request and reads its answer. It is false where that is not 200.
func askedOnce(fd int) bool {
	if _, err := unix.Write(fd, []byte("GET /a?b HTTP/1.1\r\nhost: example.com\r\n\r\n")); err != nil {
		return false
	}

	var answer []byte
	for !bytes.HasSuffix(answer, []byte(bystanderBody)) {
		part := make([]byte, 4<<10)

		n, err := unix.Read(fd, part)
		if err != nil || n == 0 {
			return false
		}

		answer = append(answer, part[:n]...)
	}

	return bytes.HasPrefix(answer, []byte("HTTP/1.1 200 "))
}

const bystanderBody = "answered at once"

// promptly is an upstream that answers at once, whatever it is asked.
func promptly(t *testing.T) string {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { listener.Close() })

	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", len(bystanderBody), bystanderBody)

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				defer conn.Close()

				// A request of the bystander's comes in one piece.
				for part := make([]byte, 4<<10); ; {
					if _, err := conn.Read(part); err != nil {
						return
					}

					if _, err := conn.Write([]byte(answer)); err != nil {
						return
					}
				}
			}()
		}
	}()

	return listener.Addr().String()
}

// workerOf gives what says how long an Envoy's only worker has been on a processor, by the scheduler's own count.
func workerOf(t *testing.T, e *envoy.Envoy) func() (worked, delayed time.Duration) {
	t.Helper()

	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(e.Pid()) + "/task/*")
	if err != nil {
		t.Fatal(err)
	}

	for _, task := range tasks {
		name, err := os.ReadFile(filepath.Join(task, "comm"))
		if err != nil || !strings.HasPrefix(string(name), "wrk:worker_0") {
			continue
		}

		return threadTimes(filepath.Join(task, "schedstat"))
	}

	t.Fatal("Envoy has no thread wrk:worker_0")

	return nil
}

// threadTimes gives what says how long a thread has been on a processor, and how long it has waited for one.
func threadTimes(schedstat string) func() (worked, delayed time.Duration) {
	return func() (worked, delayed time.Duration) {
		if text, err := os.ReadFile(schedstat); err == nil {
			_, _ = fmt.Sscan(string(text), &worked, &delayed)
		}

		return worked, delayed
	}
}
