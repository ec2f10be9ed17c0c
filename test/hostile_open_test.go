package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
)

// How many hostile requests are open at once. 220 of a kind stalled the filter of 0.1.0.
const (
	hostileOpen  = 300   // of each kind
	hostileCrowd = 5_000 // of those kinds together that wait for their upstream
)

// hostileWait is how much longer another client may wait, in time of the worker. Envoy takes in a bunch whatever has
// come, so that requests of 20 ms each come one after the other, and the crowd's, of some 1 ms, ten at a time.
const hostileWait = 50 * time.Millisecond

// crowd is hostile requests that are opened together, each on a connection of its own.
type crowd struct {
	listeners, targets []string // the requests go through them in turn
	size               int
	together           int // come in a bunch
}

// Hostile requests that stay open, on an Envoy with the filter and on one
// without: the first takes little more memory and time than the second, and
// whoever else asks it is answered.
func TestHostileOpenRequests(t *testing.T) {
	needsFiles(t, 2*hostileCrowd+1_000)

	// A thread that comes back from a wait finds a place to go on at once.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))

	h := &hostileTest{}
	upstream := h.swallow(t)
	kinds := openKinds()

	prompt := promptly(t)

	listeners := []envoy.Listener{{Name: "other", Upstream: prompt,
		Filters: []envoy.Filter{plugin(t, "other", `{"headers": {"request": {"set": {"x-a": "1"}}}}`)}}}
	for i, k := range kinds {
		name := "kind" + strconv.Itoa(i)
		listeners = append(listeners, envoy.Listener{Name: name, Upstream: upstream, Filters: []envoy.Filter{plugin(t, name, k.rules)}})
	}

	with := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Requests: hostileCrowd, Listeners: listeners})
	if reasons, err := with.Refused(t.Context()); err != nil || reasons != nil {
		t.Fatalf("%v\n%s", err, strings.Join(reasons, "\n"))
	}

	without := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Requests: hostileCrowd, Listeners: []envoy.Listener{
		{Name: "other", Upstream: prompt}, {Name: "plain", Upstream: upstream},
	}})

	h.with, h.without, h.idle, h.plainIdle = with, without, rss(t, with), rss(t, without)
	many := crowd{size: hostileCrowd, together: 10}

	for i, k := range kinds {
		one := crowd{listeners: []string{"kind" + strconv.Itoa(i)}, targets: []string{k.target}, size: hostileOpen, together: 1}
		t.Run(k.name, func(t *testing.T) {
			// Those that use the budget up, or would write too long a value, are answered at once.
			if open := h.compare(t, one); open == hostileOpen {
				many.listeners, many.targets = append(many.listeners, one.listeners...), append(many.targets, one.targets...)
			}
		})
	}

	// What a crowd leaves behind would come on top of the next one.
	for _, name := range []string{"a crowd", "another crowd"} {
		t.Run(name, func(t *testing.T) {
			if open := h.compare(t, many); open < hostileCrowd || len(many.targets) < 4 {
				t.Errorf("%d requests of %d kinds wait for their upstream, want %d of 4 or more", open, len(many.targets), hostileCrowd)
			}
		})
	}

	if log := with.Log(); strings.Contains(log, "[wasm]") || strings.Contains(log, "trap") {
		t.Errorf("Envoy logs of the filter:\n%.3000s", log)
	}
}

// hostileTest is two Envoys, and what they had taken before the first crowd came: what an allocator keeps of one crowd
// counts for the next one, on both.
type hostileTest struct {
	with, without   *envoy.Envoy
	idle, plainIdle int64
	reached         atomic.Int64 // requests that have reached their upstream
	answered        atomic.Int64
}

// compare says how many requests waited for their upstream, with the filter.
func (h *hostileTest) compare(t *testing.T, c crowd) (open int) {
	t.Helper()

	bare := c
	bare.listeners = []string{"plain"}
	plain := h.hold(t, h.without, bare)
	seen := h.hold(t, h.with, c)
	plain.rss -= h.plainIdle
	seen.rss -= h.idle
	t.Logf("without %s", plain)
	t.Logf("with    %s", seen)

	if limit := plain.rss*13/10 + 20<<20; seen.rss > limit {
		t.Errorf("%d MiB more with %d requests open, want at most %d", seen.rss>>20, c.size, limit>>20)
	}

	if extra := seen.cpu - plain.cpu; extra > hostileCPU {
		t.Errorf("each request took %v of CPU more than without the filter, want at most %v", extra, hostileCPU)
	}

	if limit := plain.coming + hostileWait; seen.coming > limit {
		t.Errorf("another listener's client waited for %v of the worker's time, want at most %v", seen.coming, limit)
	}

	// They go together, which keeps an Envoy without the filter busy for 0.2 s, too.
	if limit := 2*plain.closed + 100*time.Microsecond; seen.closed > limit {
		t.Errorf("each request took %v of CPU to close, want at most %v", seen.closed, limit)
	}

	return seen.open
}

// usage is what a crowd cost an Envoy.
type usage struct {
	open int           // wait for their upstream
	rss  int64         // with the crowd, more than before the first one
	cpu  time.Duration // of the worker, a request
	// The longest wait of another listener's client while they come, and how often it asked.
	coming time.Duration
	asked  int
	closed time.Duration // of the worker, a request, when they go
}

func (u usage) String() string {
	return fmt.Sprintf("%4d open, %4d MiB more, %8v of CPU a request; longest of %5d waits %7v; %7v to close it", u.open, u.rss>>20,
		u.cpu.Round(10*time.Microsecond), u.asked, u.coming.Round(10*time.Microsecond), u.closed.Round(time.Microsecond))
}

// hold opens a crowd's requests, waits until each was answered or has reached its upstream, and closes them.
func (h *hostileTest) hold(t *testing.T, e *envoy.Envoy, c crowd) (u usage) {
	t.Helper()

	worker := workerOf(t, e)
	before, _ := worker()
	other := watch(t, e)

	h.reached.Store(0)
	h.answered.Store(0)

	var open []net.Conn
	for i := range c.size {
		// A crowd that comes at once would wait for itself.
		h.await(t, i-c.together+1)

		conn, err := net.Dial("tcp", address(e, c.listeners[i%len(c.listeners)]))
		if err == nil {
			open = append(open, conn)
			_, err = io.WriteString(conn, "POST "+c.targets[i%len(c.targets)]+" HTTP/1.1\r\nhost: example.com\r\ncontent-length: 10\r\n\r\n")
		}

		if err != nil {
			t.Fatal(err)
		}

		go func() {
			if n, _ := conn.Read(make([]byte, 1)); n > 0 {
				h.answered.Add(1)
			}
		}()
	}

	h.await(t, c.size)

	after, _ := worker()
	u.open, u.rss, u.cpu = int(h.reached.Load()), rss(t, e), (after-before)/time.Duration(c.size)
	u.coming, u.asked = other.longest()

	for _, conn := range open {
		_ = conn.Close()
	}

	allGone(t, e)

	gone, _ := worker()
	u.closed = (gone - after) / time.Duration(c.size)

	return u
}

// await waits until as many requests of the crowd have been answered or have reached their upstream.
func (h *hostileTest) await(t *testing.T, count int) {
	t.Helper()

	err := wait.Eventually(t.Context(), 5*time.Minute, func() error {
		if reached, answered := h.reached.Load(), h.answered.Load(); reached+answered < int64(count) {
			return fmt.Errorf("%d requests have reached their upstream and %d were answered, want %d", reached, answered, count)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// allGone waits until no hostile request is open any more.
func allGone(t *testing.T, e *envoy.Envoy) {
	t.Helper()

	err := wait.Eventually(t.Context(), 5*time.Minute, func() error {
		stats, err := e.Stats(t.Context(), "^http\\.(kind.*|plain)\\.downstream_rq_active$")
		if err != nil {
			return err
		}

		var open int64
		for _, n := range stats {
			open += n
		}
		if open > 0 {
			return fmt.Errorf("%d requests are still open", open)
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// needsFiles sees to as many open files. A program that Go starts gets the limit that it can raise to.
func needsFiles(t *testing.T, n uint64) {
	t.Helper()

	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}

	if limit.Max < n {
		t.Fatalf("%d open files are needed, and the hard limit is %d: raise it (ulimit -Hn)", n, limit.Max)
	}

	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// swallow is an upstream that reads what it gets, counts it, and never answers.
func (h *hostileTest) swallow(t *testing.T) string {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				reader := bufio.NewReaderSize(conn, 512)
				if _, err := reader.ReadByte(); err == nil {
					h.reached.Add(1)
				}

				_, _ = io.Copy(io.Discard, reader)
				conn.Close()
			}()
		}
	}()

	return listener.Addr().String()
}

// rss is what an Envoy has in memory.
func rss(t *testing.T, e *envoy.Envoy) int64 {
	t.Helper()

	bytes, err := resident(e.Pid())
	if err != nil {
		t.Fatal(err)
	}

	return bytes
}
