package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

func newVerify() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "The gates of a release, as the chart's verify.before and verify.after run them",
		Long: `The gates of a release. The chart runs them as Pods (verify.before and verify.after), and
writes the RELEASE that they read.`,
	}
	c.AddCommand(newBefore(), newAfter())
	return c
}

func newBefore() *cobra.Command {
	return &cobra.Command{
		Use:   "before RELEASE",
		Short: "Load a release's rules with its own module, and run their tests",
		Long: `Fetch the module that a release pins, as a proxy would, load the release's rules with it
and run their tests in it. Credentials for a registry are those of $DOCKER_CONFIG/config.json.

Exit codes: 0 fine, 1 refused rules or failed tests, 2 the module cannot be had.`,
		Args: arguments(1, 1, "RELEASE"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			r, err := readRelease(c, args[0])
			if err != nil {
				return err
			}
			t := tester{filter: regexp.MustCompile("")}
			module, err := r.Module.Fetch(c.Context())
			switch {
			case errors.Is(err, release.ErrInProxiesOnly):
				fmt.Fprintf(c.OutOrStdout(), "%s: %v, so this tool's own engine stands in for it\n", r, err)
			case err != nil:
				return fmt.Errorf("%s: %w", r, err)
			default:
				if t.module, err = compiled.Compile(c.Context(), module); err != nil {
					return fmt.Errorf("%s: the module: %w", r, err)
				}
				defer func() { err = errors.Join(err, t.module.Close(c.Context())) }()
			}
			report, err := t.run(c.Context(), []*input.Input{r.Input()})
			if err != nil {
				return err
			}
			report.text(c.OutOrStdout())
			if !report.fine() {
				return errFindings
			}
			return nil
		},
	}
}

func readRelease(c *cobra.Command, name string) (*release.Release, error) {
	text, err := read.File(name, c.InOrStdin())
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read; the chart writes it where verify.before or verify.after is enabled", name)
	}
	r, err := release.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

func newAfter() *cobra.Command {
	var flags clusterFlags
	var a after
	c := &cobra.Command{
		Use:   "after RELEASE",
		Short: "Wait until every proxy runs a release, then send its live tests",
		Long: `Wait until every proxy of a release's workloads shows the revision of the rules in its
metrics, then send the tests that are marked live, and compare status, location and
response headers. Proxies are asked by their Pods' addresses, so this runs in the cluster;
it may list pods, and needs no other right.

Exit codes: 0 fine, 1 a proxy does not run the release or a live test fails, 2 the cluster
cannot be asked.`,
		Args: arguments(1, 1, "RELEASE"),
		RunE: func(c *cobra.Command, args []string) error {
			if a.wait <= 0 {
				return fmt.Errorf("--wait %s: want more than 0", a.wait)
			}
			if _, _, err := net.SplitHostPort(a.address); a.address != "" && err != nil {
				return fmt.Errorf("--address %s: want HOST:PORT, as istio-ingressgateway.istio-ingress:80", a.address)
			}
			r, err := readRelease(c, args[0])
			if err != nil {
				return err
			}
			defer a.quit()
			config, _, err := flags.connect()
			if err != nil {
				return err
			}
			a.options.Timeout = flags.timeout
			if a.cluster, err = status.Connect(config, a.options); err != nil {
				return err
			}
			a.release, a.out = r, c.OutOrStdout()
			return a.run(c.Context())
		},
	}
	flags.add(c.Flags(), "the API server, and each proxy,")
	c.Flags().DurationVar(&a.wait, "wait", 2*time.Minute, "how long to wait until every proxy runs the release")
	c.Flags().StringVar(&a.host, "host", "", "host of live tests that name none")
	c.Flags().StringVar(&a.address, "address", "", "HOST:PORT that live tests are sent to, instead of the host that each names")
	c.Flags().IntVar(&a.options.StatsPort, "stats-port", 15090, "the proxies' port with metrics for Prometheus")
	c.Flags().StringVar(&a.options.RootNamespace, "root-namespace", "istio-system", "Istio's root namespace, whose objects are of Pods everywhere")
	return c
}

type after struct {
	options status.Options
	wait    time.Duration
	host    string
	address string

	cluster *status.Cluster
	release *release.Release
	out     io.Writer
}

func (a *after) run(ctx context.Context) error {
	if err := a.proxies(ctx); err != nil {
		return err
	}
	return a.live(ctx)
}

// proxies waits until all of them run the release.
func (a *after) proxies(ctx context.Context) error {
	var objects []*status.Object
	for _, o := range a.release.Objects() {
		if i := slices.IndexFunc(o.Targets, func(t status.Target) bool { return t.Kind != "Gateway" }); i >= 0 {
			fmt.Fprintf(a.out, "workload %s: not waited for: which waypoint serves %s %s is not known here\n", o.Workload, o.Targets[i].Kind, o.Targets[i].Name)
			continue
		}
		objects = append(objects, o)
	}
	var rows []status.Row
	for end := time.Now().Add(a.wait); ; {
		all := a.cluster.Rows(ctx, objects)
		if rows = missing(all); len(rows) == 0 {
			served := slices.DeleteFunc(all, func(row status.Row) bool { return row.State != status.InForce })
			fmt.Fprintf(a.out, "%s: in force on %s\n", a.release, proxies(len(served)))
			return nil
		}
		if !time.Now().Before(end) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	unknown := false
	for _, row := range rows {
		unknown = unknown || row.State == status.Unknown
		at := "workload " + row.Workload
		if row.Pod != "" {
			at += ", Pod " + row.Pod
		}
		said := row.Reason
		if row.Advice != "" {
			said += "; " + row.Advice
		}
		fmt.Fprintf(a.out, "%s: %s: %s\n", at, row.State, said)
	}
	fmt.Fprintf(a.out, "%s: not in force on every proxy after %s\n", a.release, a.wait)
	if unknown {
		return errors.New("a proxy or the cluster cannot be asked")
	}
	return errFindings
}

func proxies(n int) string {
	if n == 1 {
		return "1 proxy"
	}
	return fmt.Sprintf("%d proxies", n)
}

// missing are the rows that keep a release from being in force. A Pod that does
// not run yet starts with it, so it is none where another one runs it.
func missing(rows []status.Row) (list []status.Row) {
	served := map[string]bool{}
	for _, row := range rows {
		served[row.Workload] = served[row.Workload] || row.State == status.InForce
	}
	for _, row := range rows {
		if row.State != status.InForce && (row.State != status.NotRunning || !served[row.Workload]) {
			list = append(list, row)
		}
	}
	return list
}

// tries is how often a live test may fail: Services and routes follow their Pods with a delay.
const tries = 5

// live sends the live tests.
func (a *after) live(ctx context.Context) error {
	over := http.DefaultTransport.(*http.Transport).Clone()
	over.Proxy, over.DisableCompression, over.DisableKeepAlives = nil, true, true
	if a.address != "" {
		over.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, a.address)
		}
	}
	passed, failed := 0, 0
	for _, w := range a.release.Input().Workloads {
		for i := range w.Tests {
			t := &w.Tests[i]
			if !t.Live {
				continue
			}
			if t.Request.Host == example.DefaultHost && a.host != "" {
				t.Request.Host = a.host
			}
			said := a.try(ctx, over, t)
			if said == nil {
				passed++
				continue
			}
			failed++
			fmt.Fprintf(a.out, "FAIL workload %s: %s\n  %s\n  %s\n", w.Name, t.Name, t.Request, strings.Join(said, "\n  "))
		}
	}
	fmt.Fprintf(a.out, "%s: live tests: %d passed, %d failed\n", a.release, passed, failed)
	if failed > 0 {
		return errFindings
	}
	return nil
}

// try sends one live test until it passes, and says why it does not.
func (a *after) try(ctx context.Context, over http.RoundTripper, t *example.Test) (said []string) {
	for i := range tries {
		if i > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		one, cancel := context.WithTimeout(ctx, a.options.Timeout)
		failures, err := t.Send(one, over)
		cancel()
		said = nil
		for _, f := range failures {
			said = append(said, f.String())
		}
		if err != nil {
			said = []string{"no answer: " + err.Error()}
		}
		if said == nil {
			return nil
		}
	}
	return said
}

// quit ends the Pod's sidecar, where there is one that does not end by itself.
func (a *after) quit() {
	client := http.Client{Timeout: time.Second}
	if response, err := client.Post("http://127.0.0.1:15020/quitquitquit", "", nil); err == nil {
		response.Body.Close()
	}
}
