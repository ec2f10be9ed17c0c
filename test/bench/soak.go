package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// soakConnections are kept busy, each with one request at a time.
const soakConnections = 8

// soakWindows is in how many pieces the picture cuts a soak.
const soakWindows = 100

// mixture is the rules of a soak and the requests that go through them in turn.
type mixture struct {
	Configuration json.RawMessage   `json:"configuration"`
	Host          string            `json:"host"`
	Headers       map[string]string `json:"headers"`
	Requests      []struct {
		Path   string `json:"path"`
		Status int    `json:"status"`
	} `json:"requests"`
}

// watched is the filter, with a watch on its garbage collector.
const watched = "pauses.wasm"

// soak is what a long run showed.
type soak struct {
	Command     string    `json:"command"`
	Began       time.Time `json:"began"`
	Machine     machine   `json:"machine"`
	Requests    int       `json:"requests"`
	Connections int       `json:"connections"`
	Hostile     int       `json:"hostile_requests"` // that came with them
	Idle        float64   `json:"idle_memory_mib"`  // that Envoy holds before the first request
	Forced      []float64 `json:"forced_gc_ms"`     // one collection in each of Envoy's VMs, before the first request
	Windows     []window  `json:"windows"`
}

// window is one piece of a soak.
type window struct {
	Requests  int     `json:"requests"`   // in it
	PerSecond float64 `json:"per_second"` // answered
	Memory    float64 `json:"memory_mib"` // that Envoy holds at its end
	P50       float64 `json:"p50_ms"`
	P999      float64 `json:"p999_ms"`
	Longest   float64 `json:"longest_ms"`
	// Pauses are those of the module's garbage collector. Each is what the callback took in which a collection ran, the
	// callback's own work and whatever else the machine did meanwhile included.
	Pauses []float64 `json:"gc_pauses_ms"`

	ended time.Time
}

var collection = regexp.MustCompile(`(natural|forced) collection until (\d+) ns, (\d+) ns long`)

// collections takes the garbage collector's from Envoy's log, each into the
// window in which it ended.
func (s *soak) collections(log string) error {
	for _, found := range collection.FindAllStringSubmatch(log, -1) {
		ns, err := strconv.ParseInt(found[2], 10, 64)
		if err != nil {
			return err
		}

		took, err := strconv.ParseInt(found[3], 10, 64)
		if err != nil {
			return err
		}

		pause := time.Duration(took).Seconds() * 1000
		if found[1] == "forced" {
			s.Forced = append(s.Forced, pause)
			continue
		}
		// What follows the last answer, such as its stream's end, belongs to it.
		i := 0
		for i < len(s.Windows)-1 && time.Unix(0, ns).After(s.Windows[i].ended) {
			i++
		}

		s.Windows[i].Pauses = append(s.Windows[i].Pauses, pause)
	}
	if len(s.Forced) == 0 {
		return errors.New("the log does not have the collection that " + watched + " forces; so it would have no other either")
	}

	return nil
}

// soakMemory is how much more memory Envoy may hold than before the first request, in MiB.
const soakMemory = 100

// soak sends a number of requests through one worker of Envoy, with hostile ones
// among them; each answer must have the status that the rules give it.
func (b *bench) soak(ctx context.Context, file string, requests int, command string) (err error) {
	m, err := readMixture(file)
	if err != nil {
		return err
	}

	address, stop, err := serveUpstream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	h, err := newHostile()
	if err != nil {
		return err
	}
	defer h.stop()

	var log bytes.Buffer // of Envoy; to be read once Envoy has ended

	module := filepath.Join(b.modules, watched)
	filter := envoy.Wasm(envoy.Plugin{Name: "soak", PluginName: "soak", Module: module, Configuration: string(m.Configuration)})

	proxy, err := envoy.Start(ctx, envoy.Config{Binary: b.envoy, Log: &log, Listeners: []envoy.Listener{
		{Name: "soak", Upstream: address, Filters: []envoy.Filter{filter}}, h.listener(module),
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()

	switch refused, err := proxy.Refused(ctx); {
	case err != nil:
		return err
	case refused != nil:
		return errors.New(strings.Join(refused, "; "))
	}

	h.address = fmt.Sprintf("127.0.0.1:%d", proxy.Port("hostile"))

	s := soak{Command: command, Began: time.Now().UTC().Truncate(time.Second), Machine: b.machine(), Requests: requests, Connections: soakConnections}
	if err := s.run(ctx, proxy, m, h); err != nil {
		return err
	}

	if err := proxy.Stop(); err != nil {
		return err
	}

	if err := s.collections(log.String()); err != nil {
		return err
	}

	return errors.Join(s.write(b.out), s.within())
}

func readMixture(file string) (*mixture, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}

	var m mixture
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}

	return &m, nil
}

// run sends the requests, window by window.
func (s *soak) run(ctx context.Context, proxy *envoy.Envoy, m *mixture, h *hostile) (err error) {
	if s.Idle, err = resident(proxy.Pid()); err != nil {
		return err
	}

	client := &fasthttp.HostClient{
		Addr: fmt.Sprintf("127.0.0.1:%d", proxy.Port("soak")), MaxConns: soakConnections, MaxIdleConnDuration: time.Hour,
		NoDefaultUserAgentHeader: true, DisablePathNormalizing: true, ReadTimeout: 10 * time.Second, MaxIdemponentCallAttempts: 1,
	}

	for sent := 0; sent < s.Requests; {
		n := min(max(1, s.Requests/soakWindows), s.Requests-sent)
		began := time.Now()

		took, err := m.send(ctx, client, h, n)
		if err != nil {
			return fmt.Errorf("after %d requests: %w", sent, err)
		}

		during := time.Since(began)

		memory, err := resident(proxy.Pid())
		if err != nil {
			return err
		}

		slices.Sort(took)
		s.Windows = append(s.Windows, window{
			Requests: n, PerSecond: float64(n) / during.Seconds(), Memory: memory,
			P50: quantile(took, 0.5), P999: quantile(took, 0.999), Longest: took[len(took)-1], Pauses: []float64{}, ended: time.Now(),
		})
		sent += n
		fmt.Fprintf(os.Stderr, "\r%d of %d requests", sent, s.Requests)
	}

	fmt.Fprintln(os.Stderr)

	s.Hostile = h.sent

	return nil
}

// within reports whether Envoy kept to its memory.
func (s *soak) within() error {
	most := slices.Max(s.column(func(w window) float64 { return w.Memory }))
	if most-s.Idle > soakMemory {
		return fmt.Errorf("Envoy held %.1f MiB, before the first request %.1f: want at most %d more", most, s.Idle, soakMemory)
	}

	return nil
}

// send gives how long each of n requests took, in ms. Now and then a hostile one comes with them.
func (m *mixture) send(ctx context.Context, client *fasthttp.HostClient, h *hostile, n int) ([]float64, error) {
	took := make([]float64, n)
	var next atomic.Int64
	var group sync.WaitGroup

	failed := make(chan error, soakConnections)

	for range soakConnections {
		group.Go(func() {
			request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(request)
			defer fasthttp.ReleaseResponse(response)

			for name, value := range m.Headers {
				request.Header.Set(name, value)
			}

			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}

				if err := m.ask(i, client, request, response, h, &took[i]); err != nil {
					failed <- err
					return
				}
			}
		})
	}

	group.Wait()
	close(failed)

	if err := <-failed; err != nil {
		return nil, err
	}

	return took, ctx.Err()
}

// ask sends one request and says how long its answer took.
func (m *mixture) ask(i int, client *fasthttp.HostClient, request *fasthttp.Request, response *fasthttp.Response, h *hostile, took *float64) error {
	if i%hostileEvery == 0 {
		if err := h.send(); err != nil {
			return fmt.Errorf("a hostile client: %w", err)
		}
	}

	r := m.Requests[i%len(m.Requests)]
	request.SetRequestURI("http://" + client.Addr + r.Path)
	request.Header.SetHost(m.Host)

	began := time.Now()
	if err := client.Do(request, response); err != nil {
		return fmt.Errorf("%.40s: %w", r.Path, err)
	}

	*took = time.Since(began).Seconds() * 1000

	if response.StatusCode() != r.Status {
		return fmt.Errorf("%.40s: status %d, want %d", r.Path, response.StatusCode(), r.Status)
	}

	return nil
}

// column is one figure of all windows.
func (s *soak) column(of func(window) float64) []float64 {
	var list []float64
	for _, w := range s.Windows {
		list = append(list, of(w))
	}
	return list
}

func (s *soak) markdown() string {
	first, last := s.Windows[0], s.Windows[len(s.Windows)-1]
	// Caches and pools fill in the first windows.
	settled := s.Windows[min(len(s.Windows)-1, len(s.Windows)/20)]
	p999 := extremes(s.column(func(w window) float64 { return w.P999 }))

	return table{
		{"", ""},
		{"requests", fmt.Sprintf("%d over %d connections, %.0f a second", s.Requests, s.Connections,
			median(s.column(func(w window) float64 { return w.PerSecond })))},
		{"hostile clients", fmt.Sprintf("%d requests of up to 58 KB came with them, up to %d open at once", s.Hostile, hostileOpen)},
		{"Envoy's memory", fmt.Sprintf("%.1f MiB before, %.1f MiB after the first %d, %.1f MiB after 5 %%, %.1f MiB at the end", s.Idle, first.Memory,
			first.Requests, settled.Memory, last.Memory)},
		{"p50", fmt.Sprintf("%.2f ms", median(s.column(func(w window) float64 { return w.P50 })))},
		{"p99.9", fmt.Sprintf("%.2f ms (%.2f to %.2f by window)", p999.Median, p999.Low, p999.High)},
		{"longest request", fmt.Sprintf("%.1f ms", slices.Max(s.column(func(w window) float64 { return w.Longest })))},
		{"GC pauses", s.pauses()},
		{"measured", s.under() + "; " + s.Command},
	}.markdown()
}

// pauses sums the collections up.
func (s *soak) pauses() string {
	forced := fmt.Sprintf("forced to before the first request, it took %.2f ms", median(s.Forced))
	var all []float64

	var paused, during float64 // ms
	for _, w := range s.Windows {
		all = append(all, w.Pauses...)
		during += 1000 * float64(w.Requests) / w.PerSecond
	}
	if len(all) == 0 {
		return "0: the collector never ran; " + forced
	}

	for _, pause := range all {
		paused += pause
	}

	return fmt.Sprintf("%d, one in %d requests: %.2f ms, the longest %.2f ms, together %.3f %% of the time; %s",
		len(all), s.Requests/len(all), median(all), slices.Max(all), 100*paused/during, forced)
}

func (s *soak) under() string {
	r := report{Machine: s.Machine, Began: s.Began}
	return r.under()
}

// picture draws memory, p99.9, the longest request and the collector over the run.
func (s *soak) picture() string {
	const left, right, top, height, gap = 70.0, 24.0, 64.0, 110.0, 44.0
	panels := []struct {
		title, unit string
		values      []float64
	}{
		{"Envoy's memory", "MiB", s.column(func(w window) float64 { return w.Memory })},
		{"p99.9 of each window", "ms", s.column(func(w window) float64 { return w.P999 })},
		{"the longest request of each window", "ms", s.column(func(w window) float64 { return w.Longest })},
		{"the longest GC pause of each window", "ms", s.column(func(w window) float64 { return slices.Max(append([]float64{0}, w.Pauses...)) })},
		{"GC pauses in each window", "", s.column(func(w window) float64 { return float64(len(w.Pauses)) })},
	}
	p := &picture{width: 760, height: top + float64(len(panels))*(height+gap) + 40}
	p.text(16, 24, "head", "%.3g million requests of mixed rules through one worker, %d hostile ones among them", float64(s.Requests)/1e6, s.Hostile)
	p.text(16, 44, "small", "%s", s.under())

	x := func(i int) float64 {
		return left + float64(i)/math.Max(1, float64(len(s.Windows)-1))*(p.width-left-right)
	}
	for n, panel := range panels {
		above := top + float64(n)*(height+gap)
		most := slices.Max(panel.values)
		if most == 0 {
			most = 1
		}

		y := func(v float64) float64 { return above + height - v/most*(height-20) }
		p.text(left, above+6, "", "%s", panel.title)

		for v := 0.0; v <= most; v += 2 * step(most) {
			p.line(left, y(v), p.width-right, y(v), "grid")
			p.text(left-8, y(v)+4, "small right", "%s", strings.TrimSpace(fmt.Sprintf("%g %s", math.Round(v*1000)/1000, panel.unit)))
		}

		var path strings.Builder
		for i, v := range panel.values {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x(i), y(v))
		}
		fmt.Fprintf(p, `<path d="%s" stroke="#0969da"/>`+"\n", path.String())
	}
	p.text(left, p.height-34, "small", "request 1")
	p.text(p.width-right, p.height-34, "small right", "request %d", s.Requests)
	p.text(16, p.height-12, "small", "%s", s.Command)

	return p.svg("A long run")
}

// write prints the table and leaves it, the JSON and the picture in a folder.
func (s *soak) write(folder string) error {
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}

	for name, text := range map[string]string{"soak.md": s.markdown(), "soak.json": string(data) + "\n", "soak.svg": s.picture()} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}

	_, err = fmt.Print(s.markdown())

	return err
}
