package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// How many hostile requests are open at once. 220 of a kind stalled the filter of 0.1.0.
const (
	hostileOpen  = 300   // of each kind
	hostileCrowd = 5_000 // of those kinds together that wait for their upstream
)

// hostileWait is how much longer another client may wait, in time of the worker. Envoy takes in a bunch whatever has
// come, so that requests of 20 ms each come one after the other, and the crowd's, of some 3 ms, ten at a time.
const hostileWait = 50 * time.Millisecond

// hostileKinds are rules, each with the request that costs them most.
func hostileKinds() []hostileKind {
	matchers := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"match": {"query": [{"name": "q%d", "exact": "1"}]}, "rewrite": {"path": "/b", "replace": "whole"}}`, i)
		}
		return `{"patterns": [` + strings.Join(list, ",") + `]}`
	}
	values := func(n int, side string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"x-%d": "${query}"`, i)
		}
		return `{"headers": {"` + side + `": {"set": {` + strings.Join(list, ",") + `}}}}`
	}
	regex := func(text string) string {
		return fmt.Sprintf(`{"patterns": [{"match": {"path": {"regex": %q}}, "rewrite": {"path": "b"}}]}`, text)
	}

	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf(`{"match": {"path": {"regex": "(?i)/([a-z]+)/%d/(view|edit)$"}}, "rewrite": {"path": "/b"}}`, i))
	}

	parameters := "/x?" + strings.Repeat("&", 58_000)
	escaped := "/x?" + strings.Repeat("%61&", 14_500)
	path := func(text string) string { return "/" + strings.Repeat(text, 58_000/len(text)) }

	return []hostileKind{
		{"query edits", `{"patterns": [{"rewrite": {"query": {"remove": ["utm_*", "fbclid"]}}}]}`, parameters},
		{"query edits of escaped names", `{"patterns": [{"rewrite": {"query": {"remove": ["utm_*", "fbclid"], "keep": ["a*"]}}}]}`, escaped},
		{"one query matcher", matchers(1), parameters},
		{"4,096 query matchers", matchers(4096), parameters},
		{"4,096 query matchers on escaped names", matchers(4096), escaped},
		{"20 matchers on a long value", matchers(20), "/x?q0=" + strings.Repeat("a", 58_000)},
		{"query edits within the budget", `{"patterns": [{"rewrite": {"query": {"remove": ["utm_*", "fbclid"]}}}]}`, "/x?" + strings.Repeat("a=1&", 250)},
		{"ten header values", values(10, "request"), parameters},
		{"ten values kept for the response", values(10, "response"), parameters},
		{"a run and an alternative", regex("a.*z|a"), path("a")},
		{"a run between literals", regex("legacy/.*/edit|legacy"), path("legacy/")},
		{"300 runs", regex("(?:a.*){300}z|a"), path("a")},
		{"nested repetitions", regex("((a?){2}){40}(a*)*z"), path("a")},
		{"1,000 regexes that ignore case", `{"patterns": [` + strings.Join(many, ",") + `]}`, path("/view/7")},
	}
}

type hostileKind struct{ name, rules, target string }

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

	h := &hostileTest{}
	upstream := h.swallow(t)
	kinds := hostileKinds()

	listeners := []envoy.Listener{{Name: "other", Upstream: echo(t).Address,
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
		{Name: "other", Upstream: echo(t).Address}, {Name: "plain", Upstream: upstream},
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

	// Time on a processor that others use as well is up to twice what it is on a quiet one.
	if extra := seen.cpu - plain.cpu; extra > 2*hostileCPU {
		t.Errorf("each request took %v of CPU more than without the filter, want at most %v", extra, 2*hostileCPU)
	}

	// How many of a crowd's requests Envoy takes in one bunch, before it looks at another client's, is a matter of luck where
	// other programs keep the processor busy; each of them stays within its own bound, above.
	if limit := plain.wait + max(hostileWait, 10*seen.cpu); seen.wait > limit {
		t.Errorf("the worker did %v of other work while another listener's client waited, want at most %v", seen.wait, limit)
	}

	return seen.open
}

// hostileCPU is what a request may take of a quiet processor; the worst of these takes 13 ms. See rewrite.Budget.
const hostileCPU = 20 * time.Millisecond

// usage is what a crowd cost an Envoy.
type usage struct {
	open int           // wait for their upstream
	rss  int64         // with the crowd, more than before the first one
	cpu  time.Duration // of the worker, a request
	// What the worker spent on a processor while a client of another listener waited, which is what that client waits on
	// a machine without other work. One in a hundred waits longer than wait: when the test itself was kept from looking.
	wait, longest time.Duration
}

func (u usage) String() string {
	return fmt.Sprintf("%4d open, %4d MiB more, %8v of CPU a request, wait %v, longest %v", u.open, u.rss>>20,
		u.cpu.Round(10*time.Microsecond), u.wait.Round(10*time.Microsecond), u.longest.Round(10*time.Microsecond))
}

// hold opens a crowd's requests, waits until each was answered or has reached its upstream, and closes them.
func (h *hostileTest) hold(t *testing.T, e *envoy.Envoy, c crowd) (u usage) {
	t.Helper()

	worker := workerOf(t, e)
	before := worker()
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan []time.Duration)

	go func() { waits <- waited(ctx, address(e, "other"), worker) }()

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
	u.open, u.rss, u.cpu = int(h.reached.Load()), rss(t, e), (worker()-before)/time.Duration(c.size)

	for _, conn := range open {
		_ = conn.Close()
	}

	cancel()

	all := <-waits
	slices.Sort(all)
	u.wait, u.longest = all[len(all)*99/100], all[len(all)-1]

	allGone(t, e)

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

// waited asks over and over and says how long the worker was at work during each answer. Time by the clock would tell
// of this machine's other work.
func waited(ctx context.Context, address string, worker func() time.Duration) (waits []time.Duration) {
	for len(waits) == 0 || ctx.Err() == nil {
		before := worker()
		response, err := wire.Exchange(context.WithoutCancel(ctx), wire.HTTP1, address, someRequest)
		waits = append(waits, worker()-before)

		if err == nil && response.Start != "200" {
			return []time.Duration{time.Hour} // the filter has trapped
		}
	}

	return waits
}

// workerOf gives what says how long an Envoy's only worker has been on a processor, by the scheduler's own count.
func workerOf(t *testing.T, e *envoy.Envoy) func() time.Duration {
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

		return func() time.Duration {
			var ns int64
			if text, err := os.ReadFile(filepath.Join(task, "schedstat")); err == nil {
				_, _ = fmt.Sscan(string(text), &ns)
			}

			return time.Duration(ns)
		}
	}

	t.Fatal("Envoy has no thread wrk:worker_0")

	return nil
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
