package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

func newStatus() *cobra.Command {
	var output outputFlag
	var flags clusterFlags
	var options status.Options
	c := &cobra.Command{
		Use:   "status [RELEASE|WORKLOAD…]",
		Short: "Show which proxies of a cluster run the rules that were asked for",
		Long: `Show which proxies of a cluster run the rules that were asked for: for each object
that the chart made in a namespace, and each of its Pods, the module and the revision
asked for and in force, and

  in force         the filter runs what the object asks for
  refused          it was told so, and could not load it; the reason is shown
  outdated         it runs what it was told before
  deny-all         there is no module, and the agent answers 403 to everything
  allow-all        the same with failStrategy FAIL_OPEN: nothing is rewritten
  not there        the proxy was told nothing of the object
  no proxy         the Pod has no sidecar
  no Pods          the object's selector takes none
  not running      the Pod is not
  cannot be asked  the proxy did not answer

What is asked for comes from the API server, what is in force from the proxies' admin
ports (through port-forward, as istioctl does) and logs. What a proxy runs is said by
the filter itself: a proxy's config_dump shows what it was told, refused or not.

Exit codes: 0 all in force, 1 something is not, 2 the cluster or a proxy cannot be asked.`,
		Example: `  wasm-rewrite status -n shop
  wasm-rewrite status -n shop checkout -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if options.AdminPort < 1 || options.AdminPort > 65535 {
				return fmt.Errorf("--proxy-admin-port %d: want a port, 1 to 65535", options.AdminPort)
			}
			config, namespace, err := flags.connect()
			if err != nil {
				return err
			}
			options.Namespace, options.Only, options.Timeout = namespace, args, flags.timeout
			cluster, err := status.Connect(config, options)
			if err != nil {
				return err
			}
			all, objects, err := cluster.Objects(c.Context())
			if err != nil {
				return fmt.Errorf("%s: %w", config.Host, err)
			}
			r := statusReport{Namespace: options.Namespace, Only: args, Rows: cluster.Rows(c.Context(), objects), all: all}
			if output.format == "json" {
				r.Rows = append([]status.Row{}, r.Rows...)
				err = writeJSON(c.OutOrStdout(), r)
			} else {
				r.text(c.OutOrStdout())
			}
			if err != nil {
				return err
			}
			return r.verdict()
		},
	}
	output.add(c, "text", "json")
	flags.add(c.Flags(), "the API server, and each proxy,")
	c.Flags().StringVarP(&flags.overrides.Context.Namespace, "namespace", "n", "", "namespace of the objects (default: the context's)")
	c.Flags().IntVar(&options.AdminPort, "proxy-admin-port", 15000, "the proxies' admin port")
	c.Flags().StringVar(&options.RootNamespace, "root-namespace", "istio-system", "Istio's root namespace, whose objects are of Pods everywhere")
	return c
}

// statusReport is what status -o json prints.
type statusReport struct {
	Namespace string       `json:"namespace"`
	Only      []string     `json:"only,omitempty"`
	Rows      []status.Row `json:"rows"`

	all []*status.Object
}

func (r statusReport) verdict() error {
	unknown, wrong := 0, len(r.Rows) == 0
	for _, row := range r.Rows {
		wrong = wrong || row.State != status.InForce
		if row.State == status.Unknown {
			unknown++
		}
	}
	switch {
	case unknown > 0:
		return fmt.Errorf("%d of %s cannot be asked", unknown, number(len(r.Rows), "row"))
	case wrong:
		return errFindings
	}
	return nil
}

func (r statusReport) text(w io.Writer) {
	if len(r.Rows) == 0 {
		r.nothing(w)
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OBJECT\tPOD\tSTATE\tMODULE\tREVISION")
	inForce := 0
	for _, row := range r.Rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", row.Object, cmp.Or(row.Pod, "-"), row.State, moduleOf(row), change(row.Revision))
		if row.State == status.InForce {
			inForce++
		}
	}
	_ = table.Flush() // to where every line goes
	for _, row := range r.Rows {
		if row.State == status.InForce {
			continue
		}
		about := row.Object
		if row.Pod != "" {
			about += " on " + row.Pod
		}
		fmt.Fprintf(w, "\n%s: %s: %s\n", about, row.State, row.Reason)
		if row.Refusal != "" {
			fmt.Fprintf(w, "  the last refusal: %s\n", row.Refusal)
		}
		if row.Advice != "" {
			fmt.Fprintf(w, "  %s\n", row.Advice)
		}
	}
	fmt.Fprintf(w, "\n%d of %d in force\n", inForce, len(r.Rows))
}

func (r statusReport) nothing(w io.Writer) {
	if len(r.all) == 0 {
		fmt.Fprintf(w, "namespace %s: the chart made no object here, so nothing is installed; name the namespace of the workloads with -n\n", r.Namespace)
		return
	}
	var there []string
	for _, o := range r.all {
		there = append(there, fmt.Sprintf("release %s, workload %s", o.Release, o.Workload))
	}
	fmt.Fprintf(w, "namespace %s: %s: no release and no workload of this name; there is %s\n", r.Namespace, strings.Join(r.Only, ", "), strings.Join(there, "; "))
}

// change shows what is in force, and what is asked for where that differs.
func change(p status.Pair) string {
	inForce := cmp.Or(p.InForce, "-")
	if p.Asked == p.InForce || p.Asked == "" {
		return inForce
	}
	return fmt.Sprintf("%s (asked for %s)", inForce, p.Asked)
}

func moduleOf(row status.Row) string {
	p := status.Pair{Asked: short(row.Module.Asked), InForce: short(row.Module.InForce)}
	if p.InForce == "" && row.Revision.InForce != "" {
		p.InForce = "?"
	}
	return change(p)
}

// short shows the first digits of a digest.
func short(s string) string {
	if len(s) == 64 && !strings.Contains(s, "/") {
		return s[:12]
	}
	return s
}
