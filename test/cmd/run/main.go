// Command run is behind `make run` and `make size`: a real Envoy in front of a real httpbin, with the filter and the
// configuration that the chart renders.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/upstream"
)

type options struct {
	port                 string
	path                 string
	rules, chart, module string
	envoy, helm, httpbin string
	measure              bool
}

func main() {
	var o options
	flag.StringVar(&o.port, "port", "0", "port to serve on; 0 takes a free one")
	flag.StringVar(&o.path, "path", "/", "path to show")
	flag.StringVar(&o.rules, "rules", "", "values of the chart")
	flag.StringVar(&o.chart, "chart", "", "folder of the chart")
	flag.StringVar(&o.module, "module", "", "file of the compiled filter")
	flag.StringVar(&o.envoy, "envoy", "", "program")
	flag.StringVar(&o.helm, "helm", "", "program")
	flag.StringVar(&o.httpbin, "httpbin", "", "program")
	flag.BoolVar(&o.measure, "measure", false, "print what the module costs a proxy, and end")
	flag.Parse()

	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves, or measures, until it is told to stop, which is not an error.
func run(o options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // whileSomebodyReads ends the program in order instead

	ctx = whileSomebodyReads(ctx)
	do := serve
	if o.measure {
		do = measure
	}
	if err := do(ctx, o); ctx.Err() == nil {
		return err
	}

	return nil
}

// whileSomebodyReads is done also when the terminal or the pipe that stdout leads to is gone. SIGHUP alone does not tell:
// where make leads the terminal's session (ssh -t host make run), it keeps the signal for itself.
func whileSomebodyReads(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()

		stdout := []unix.PollFd{{Fd: int32(os.Stdout.Fd())}} // no events: only errors and hang-ups are reported
		for {
			if n, err := unix.Poll(stdout, -1); n > 0 || err != unix.EINTR {
				return
			}
		}
	}()

	return ctx
}

// plain is the listener without the filter.
const plain = "without"

func serve(ctx context.Context, o options) (err error) {
	port, err := freePort(o.port)
	if err != nil {
		return err
	}

	plugins, err := render(ctx, o)
	if err != nil {
		return err
	}

	httpbin, err := upstream.Start(ctx, o.httpbin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, httpbin.Stop()) }()

	var log gate
	proxy, err := envoy.Start(ctx, envoy.Config{Binary: o.envoy, Workers: 2, Log: &log, Listeners: listeners(port, plugins, httpbin.Address)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.Stop()) }()

	reasons, err := proxy.Refused(ctx)
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		return fmt.Errorf("RULES=%s: the filter does not start with it:\n  %s", o.rules, strings.Join(reasons, "\n  "))
	}
	if err := showStatic(plugins); err != nil {
		return err
	}
	show(ctx, o, proxy, plugins)
	log.open.Store(true)

	select {
	case <-ctx.Done():
		log.open.Store(false)
		fmt.Println("\nstopping")
		return nil
	case <-proxy.Done():
		return errors.New("envoy ended; its log ends:\n" + tail(proxy.Log(), 20))
	case <-httpbin.Done():
		return errors.New("httpbin ended; its log ends:\n" + tail(httpbin.Log(), 20))
	}
}

// listeners are one for each plugin, the first on the port that was asked for, and one without any filter.
func listeners(port int, plugins []envoy.Plugin, upstream string) []envoy.Listener {
	var list []envoy.Listener
	for i, plugin := range plugins {
		listener := envoy.Listener{Name: plugin.PluginName, Filters: []envoy.Filter{envoy.Wasm(plugin)}, Upstream: upstream}
		if i == 0 {
			listener.Port = port
		}

		list = append(list, listener)
	}
	return append(list, envoy.Listener{Name: plain, Upstream: upstream})
}

// freePort is asked before Envoy, which by its socket options would share a port with another Envoy.
func freePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("PORT=%s: not a port. Choose one from 1024 to 65535, or leave PORT out for a free one", text)
	}

	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return 0, fmt.Errorf("PORT=%d: another program listens on it (`ss -ltnp 'sport = :%d'` says which). Choose another one, or "+
			"leave PORT out for a free one", port, port)
	case err != nil:
		return 0, fmt.Errorf("PORT=%d: %w. Choose one from 1024 to 65535, or leave PORT out for a free one", port, err)
	}

	return int(port), listener.Close()
}

func show(ctx context.Context, o options, proxy *envoy.Envoy, plugins []envoy.Plugin) {
	size := "?"
	if info, err := os.Stat(o.module); err == nil {
		size = fmt.Sprint(info.Size())
	}
	fmt.Printf("\nEnvoy with the filter (%s bytes) in front of httpbin. Try:\n\n", size)

	names := []string{}
	for _, plugin := range plugins {
		names = append(names, plugin.PluginName)
	}

	names = append(names, plain)

	width := len(slices.MaxFunc(names, func(a, b string) int { return len(a) - len(b) }))
	for _, name := range names {
		url := fmt.Sprintf("http://localhost:%d/%s", proxy.Port(name), strings.TrimPrefix(o.path, "/"))
		fmt.Printf("  %-*s  curl -i '%s'   answers %s\n", width, name, url, status(ctx, url))
	}
	fmt.Printf("\nEnvoy's admin page: http://%s\nCtrl-C stops everything.\n", proxy.AdminAddress())
}

func status(ctx context.Context, url string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}

	response, err := http.DefaultTransport.RoundTrip(request) // a redirect is an answer
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()

	return response.Status
}

// gate passes Envoy's log on to the terminal while it is open: what Envoy says as it starts and stops is noise there.
type gate struct{ open atomic.Bool }

func (g *gate) Write(p []byte) (int, error) {
	if g.open.Load() {
		return os.Stderr.Write(p)
	}
	return len(p), nil
}

func tail(log string, n int) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
