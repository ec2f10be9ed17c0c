package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"github.com/wasm-rewrite/wasm-rewrite/internal/promote"
)

func newPromote() *cobra.Command {
	var p promote.Promotion
	var argo promote.Argo
	var cluster clusterFlags
	var unverified bool
	c := &cobra.Command{
		Use:   "promote FROM TO",
		Short: "Copy rules and release from one environment to the next, once its tests pass",
		Long: `Copy what may be promoted from one environment to the next: rules/<workload>.yaml and
release.yaml, or a part of them. place.yaml stays as it is; there, global.promotedFrom
names the environment before, and no step can be left out.

FROM has to run what is copied: Argo CD's Application is Synced and not Degraded, and its
last sync succeeded, including its gates, with exactly these files. --unverified skips this.

The chart and the module that the target then pins are fetched from the registry; the
target's rules are rendered with the chart, and their tests run in the module. The command
says what changes for each pattern and each test. Unless all tests pass, nothing is copied.

Credentials for the registry are those of $DOCKER_CONFIG/config.json.

Exit codes: 0 copied, or there was nothing to copy; 1 refused rules or failed tests; 2 a
wrong command line, a FROM that does not run what is copied, or a chart or module that
cannot be fetched.`,
		Example: `  wasm-rewrite promote dev staging
  wasm-rewrite promote staging production --workload checkout`,
		Args: arguments(2, 2, "FROM and TO"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if p.Workload != "" && p.ReleaseOnly {
				return errors.New("--workload and --release exclude each other: rules and release are promoted one after the other")
			}
			if !unverified {
				argo.Timeout, p.Argo = cluster.timeout, &argo
			}

			p.Trial.Dir, err = os.MkdirTemp("", "wasm-rewrite-promote-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(p.Trial.Dir)) }()

			p.Trial.Out = c.OutOrStdout()

			return findings(p.Run(c.Context(), args[0], args[1]))
		},
	}
	flags := c.Flags()
	flags.StringVarP(&p.Workload, "workload", "w", "", "only the rules of this workload")
	flags.BoolVar(&p.ReleaseOnly, "release", false, "only release.yaml")
	flags.StringVar(&p.Root, "environments", "environments", "the folder of the environments")
	cluster.add(flags, "the API server")

	argo.Cluster = func() (*rest.Config, error) { config, _, err := cluster.connect(); return config, err }
	flags.StringVar(&argo.Namespace, "argocd-namespace", "argocd", "namespace of the Applications")
	flags.StringVar(&argo.Application, "application", "", "Application of FROM (default wasm-rewrite-FROM)")
	flags.BoolVar(&unverified, "unverified", false, "do not ask Argo CD whether FROM runs what is copied")
	addInstead(flags, &p.Trial.Instead)

	return c
}
