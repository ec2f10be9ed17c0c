package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/gate"
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

Exit codes: 0 fine, 1 refused rules or failed tests, 2 the module cannot be fetched.`,
		Args: arguments(1, 1, "RELEASE"),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := readRelease(c, args[0])
			if err != nil {
				return err
			}
			return findings(gate.Before(c.Context(), r, c.OutOrStdout()))
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
	var options status.Options
	var a gate.After
	c := &cobra.Command{
		Use:   "after RELEASE",
		Short: "Wait until every proxy runs a release, then send its live tests",
		Long: `Wait until every proxy of a release's workloads shows the revision of the rules in its
metrics, then send the tests that are marked live, and compare status, location and
response headers. Proxies are asked by their Pods' addresses, so this runs in the cluster;
it may list pods, and needs no other right; under Envoy Gateway it reads policies, routes
and Gateways, too.

Exit codes: 0 fine, 1 a proxy does not run the release or a live test fails, 2 the cluster
cannot be asked.`,
		Args: arguments(1, 1, "RELEASE"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if a.Wait <= 0 {
				return fmt.Errorf("--wait %s: want more than 0", a.Wait)
			}
			if _, _, err := net.SplitHostPort(a.Address); a.Address != "" && err != nil {
				return fmt.Errorf("--address %s: want HOST:PORT, as istio-ingressgateway.istio-ingress:80", a.Address)
			}
			if a.Release, err = readRelease(c, args[0]); err != nil {
				return err
			}

			defer quit()
			if a.Cluster, err = flags.ask(&options, false); err != nil {
				return err
			}

			a.Timeout, a.Out = options.Timeout, c.OutOrStdout()

			return findings(a.Run(c.Context()))
		},
	}
	flags.add(c.Flags(), "the API server, and each proxy,")
	c.Flags().DurationVar(&a.Wait, "wait", 2*time.Minute, "how long to wait until every proxy runs the release")
	c.Flags().StringVar(&a.Host, "host", "", "host of live tests that name none")
	c.Flags().StringVar(&a.Address, "address", "", "HOST:PORT that live tests are sent to, instead of the host that each names")
	c.Flags().IntVar(&options.StatsPort, "stats-port", 15090, "the port with metrics for Prometheus of Istio's proxies; Envoy Gateway's have 19001")
	c.Flags().StringVar(&options.RootNamespace, "root-namespace", "istio-system", "Istio's root namespace, whose objects are of Pods everywhere")

	return c
}

// quit ends the Pod's sidecar, where there is one that does not end by itself.
func quit() {
	client := http.Client{Timeout: time.Second}
	response, err := client.Post("http://127.0.0.1:15020/quitquitquit", "", nil)
	if err == nil {
		response.Body.Close()
	}
}
