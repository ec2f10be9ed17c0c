package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

const statusLong = `Show which proxies of a cluster run the rules that were asked for: for each object
that the chart made in a namespace, or with -A in all of them, and each of its Pods, the
module and the revision asked for and in force, and

  in force         the filter runs what the object asks for
  refused          the proxy received it and could not load it; the reason is shown
  outdated         the proxy runs what it received before
  deny-all         there is no module, and the agent answers 403 to everything
  allow-all        the same with failStrategy FAIL_OPEN: nothing is rewritten
  not there        the proxy has not received the object
  no proxy         the Pod has no sidecar
  rejected         the controller of Envoy Gateway does not accept the policy
  no Pods          the object's selector matches none
  not running      the Pod does not run
  cannot be asked  the proxy did not answer

The API server says what is asked for. The proxies' admin ports (through port-forward, as
istioctl does) and logs say what is in force; only the filter itself knows what a proxy
runs, because config_dump also shows what the proxy received and refused. Proxies of Envoy
Gateway are found by the Gateways that a policy's targets lead to. Its controller accepts
a policy whether they run it or not.

With --counts it also says for each pattern how many requests it matched, rewrote and so
on, added up over the workload's proxies (docs/metrics.md has what each counter means).

With --wait 60s it asks again until all is in force, for at most that long, and then
says what is not and why.

Exit codes: 0 all in force, 1 something is not, 2 the cluster or a proxy cannot be asked.`

const statusExample = `  wasm-rewrite status -n shop
  wasm-rewrite status -n shop --wait 60s
  wasm-rewrite status -A my-release
  wasm-rewrite status -n shop --counts
  wasm-rewrite status -n shop checkout -o json`

func newStatus() *cobra.Command {
	var output outputFlag
	var flags clusterFlags
	var options status.Options
	var wait time.Duration
	var all bool
	c := &cobra.Command{
		Use:     "status [RELEASE|WORKLOAD…]",
		Short:   "Show which proxies of a cluster run the rules that were asked for",
		Long:    statusLong,
		Example: statusExample,
		RunE: func(c *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if options.AdminPort < 1 || options.AdminPort > 65535 {
				return fmt.Errorf("--proxy-admin-port %d: want a port, 1 to 65535", options.AdminPort)
			}

			if wait < 0 {
				return fmt.Errorf("--wait %s: want a time to wait, as 60s", wait)
			}

			if all && flags.overrides.Context.Namespace != "" {
				return errors.New("--namespace and --all-namespaces: want one of them")
			}

			options.Only = args
			cluster, err := flags.ask(&options, all)
			if err != nil {
				return err
			}

			r, err := cluster.Wait(c.Context(), wait)
			if err != nil {
				return err
			}

			if output.format == "json" {
				if err := terminal.JSON(c.OutOrStdout(), r); err != nil {
					return err
				}
			} else {
				r.Text(c.OutOrStdout())
			}

			return findings(r.Fine())
		},
	}
	output.add(c, "text", "json")
	flags.add(c.Flags(), "the API server, and each proxy,")
	c.Flags().StringVarP(&flags.overrides.Context.Namespace, "namespace", "n", "", "namespace of the objects (default: the context's)")
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "the objects of every namespace, as of a release that has workloads in several")
	c.Flags().BoolVar(&options.Counts, "counts", false, "what each pattern counted, too")
	c.Flags().DurationVar(&wait, "wait", 0, "wait until all is in force, at most so long")
	c.Flags().IntVar(&options.AdminPort, "proxy-admin-port", 15000, "the admin port of Istio's proxies; Envoy Gateway's have 19000")
	c.Flags().StringVar(&options.RootNamespace, "root-namespace", "istio-system", "Istio's root namespace, whose objects are of Pods everywhere")

	return c
}
