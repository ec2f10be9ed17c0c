package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
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

// staysOpen tells whether the kind's requests wait for their upstream: those that use the budget up are answered.
func (k hostileKind) staysOpen() bool {
	switch k.name {
	case "one query matcher", "ten header values", "ten values kept for the response":
		return true
	}

	return false
}

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
	upstream := swallow(t)
	kinds := hostileKinds()

	listeners := []envoy.Listener{{Name: "other", Upstream: echo(t).Address, Filters: []envoy.Filter{plugin(t, "other", `{"headers": {"request": {"set": {"x-a": "1"}}}}`)}}}
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

	h := &hostileTest{with: with, without: without, idle: usageOf(t, with), plainIdle: usageOf(t, without)}
	many := crowd{size: hostileCrowd, together: 10}

	for i, k := range kinds {
		one := crowd{listeners: []string{"kind" + strconv.Itoa(i)}, targets: []string{k.target}, size: hostileOpen, together: 1}
		t.Run(k.name, func(t *testing.T) { h.compare(t, one) })

		if k.staysOpen() {
			many.listeners, many.targets = append(many.listeners, one.listeners...), append(many.targets, one.targets...)
		}
	}

	t.Run("a crowd", func(t *testing.T) { h.compare(t, many) })

	if log := with.Log(); strings.Contains(log, "[wasm]") || strings.Contains(log, "trap") {
		t.Errorf("Envoy logs of the filter:\n%.3000s", log)
	}
}

// hostileTest is two Envoys, and what they had taken before the first crowd came: what an allocator keeps of one crowd
// counts for the next one, on both.
type hostileTest struct {
	with, without   *envoy.Envoy
	idle, plainIdle usage
}

func (h *hostileTest) compare(t *testing.T, c crowd) {
	bare := c
	bare.listeners = []string{"plain"}
	plain := hold(t, h.without, bare)
	seen := hold(t, h.with, c)
	plain.grown, plain.left = plain.rss-h.plainIdle.rss, plain.left-h.plainIdle.rss
	seen.grown, seen.left = seen.rss-h.idle.rss, seen.left-h.idle.rss
	t.Logf("without %s", plain)
	t.Logf("with    %s", seen)

	if limit := plain.grown*13/10 + 20<<20; seen.grown > limit {
		t.Errorf("%d MiB more with %d requests open, want at most %d", seen.grown>>20, c.size, limit>>20)
	}

	if limit := plain.left*13/10 + 20<<20; seen.left > limit {
		t.Errorf("%d MiB more when %d requests were closed again, want at most %d", seen.left>>20, c.size, limit>>20)
	}

	// Time on a processor that others use as well is up to twice what it is on a quiet one.
	if extra := seen.cpu - plain.cpu; extra > 2*hostileCPU {
		t.Errorf("each request took %v of CPU more than without the filter, want at most %v", extra, 2*hostileCPU)
	}

	// On such a processor the one request that is before another client's, and the one that comes with it, take longer, too.
	if limit := plain.longest + max(hostileWait, 3*seen.cpu); seen.longest > limit {
		t.Errorf("the worker did %v of other work while another listener's client waited, want at most %v", seen.longest, limit)
	}
}

// hostileCPU is what the worst request takes of a quiet processor; see rewrite.Budget.
const hostileCPU = 20 * time.Millisecond

// usage is what an Envoy has taken.
type usage struct {
	rss         int64
	grown, left int64         // with the crowd, and when it had gone
	cpu         time.Duration // a request
	// longest is the time that the worker spent on a processor while a client of another listener waited: what that
	// client waits on a machine without other work.
	longest time.Duration
}

func (u usage) String() string {
	return fmt.Sprintf("%4d MiB more, %4d afterwards, %8v of CPU a request, longest wait %v", u.grown>>20, u.left>>20, u.cpu.Round(10*time.Microsecond), u.longest.Round(10*time.Microsecond))
}

// hold opens a crowd's requests, waits until Envoy has taken them, and closes them.
func hold(t *testing.T, e *envoy.Envoy, c crowd) (u usage) {
	t.Helper()

	total := "http." + c.listeners[0] + ".downstream_rq_total"
	if len(c.listeners) > 1 {
		total = "downstream_rq_total"
	}

	before, begun := usageOf(t, e), sum(t, e, total)
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan time.Duration)
	worker := workerOf(t, e)

	go func() { waited <- longestWait(ctx, address(e, "other"), worker) }()

	var open []net.Conn
	for i := range c.size {
		// A crowd that comes at once would wait for itself.
		if i%c.together == c.together-1 {
			allTaken(t, e, total, begun+int64(i))
		}

		conn, err := net.Dial("tcp", address(e, c.listeners[i%len(c.listeners)]))
		if err == nil {
			open = append(open, conn)
			_, err = io.WriteString(conn, "POST "+c.targets[i%len(c.targets)]+" HTTP/1.1\r\nhost: example.com\r\ncontent-length: 10\r\n\r\n")
		}

		if err != nil {
			t.Fatal(err)
		}
	}

	allTaken(t, e, total, begun+int64(c.size))
	after := usageOf(t, e)

	for _, conn := range open {
		_ = conn.Close()
	}

	cancel()
	longest := <-waited
	allGone(t, e)

	return usage{rss: after.rss, left: usageOf(t, e).rss, cpu: (after.cpu - before.cpu) / time.Duration(c.size), longest: longest}
}

// sum adds up a statistic of all listeners but the one that others ask, or reads the one that is named whole.
func sum(t *testing.T, e *envoy.Envoy, stat string) (all int64) {
	t.Helper()

	stats, err := e.Stats(t.Context(), stat)
	if err != nil {
		t.Fatal(err)
	}

	for name, value := range stats {
		if strings.HasPrefix(name, "http.") && !strings.HasPrefix(name, "http.other.") && !strings.HasPrefix(name, "http.admin.") {
			all += value
		}
	}

	return all
}

// allTaken waits until Envoy has begun every request.
func allTaken(t *testing.T, e *envoy.Envoy, stat string, count int64) {
	t.Helper()

	for end := time.Now().Add(5 * time.Minute); sum(t, e, stat) < count; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is %d, want %d", stat, sum(t, e, stat), count)
		}
	}
}

// allGone waits until no hostile request is open any more.
func allGone(t *testing.T, e *envoy.Envoy) {
	t.Helper()

	const active = "downstream_rq_active"
	for end := time.Now().Add(5 * time.Minute); sum(t, e, active) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests are still open", sum(t, e, active))
		}
	}
}

// longestWait asks over and over and tells how long the worker was at work during the answer that took it longest. Time
// by the clock would tell of this machine's other work.
func longestWait(ctx context.Context, address string, worker func() time.Duration) (longest time.Duration) {
	for ctx.Err() == nil {
		before := worker()
		response, err := wire.Exchange(context.WithoutCancel(ctx), wire.HTTP1, address, someRequest)
		longest = max(longest, worker()-before)

		if err == nil && response.Start != "200" {
			return time.Hour // the filter has trapped
		}
	}

	return longest
}

// workerOf gives what tells how long an Envoy's only worker has been on a processor, by the scheduler's own count.
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

// swallow is an upstream that reads what it gets and never answers.
func swallow(t *testing.T) string {
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

			go func() { _, _ = io.Copy(io.Discard, bufio.NewReaderSize(conn, 512)); conn.Close() }()
		}
	}()

	return listener.Addr().String()
}

// usageOf reads what the kernel counts of an Envoy.
func usageOf(t *testing.T, e *envoy.Envoy) (u usage) {
	t.Helper()

	dir := "/proc/" + strconv.Itoa(e.Pid()) + "/"
	statm, err := os.ReadFile(dir + "statm")
	if err != nil {
		t.Fatal(err)
	}

	pages, _ := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	u.rss = pages * int64(os.Getpagesize())
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		t.Fatal(err)
	}

	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, ticks := range fields[11:13] {
		n, _ := strconv.ParseInt(ticks, 10, 64)
		u.cpu += time.Duration(n) * time.Second / 100
	}

	return u
}
