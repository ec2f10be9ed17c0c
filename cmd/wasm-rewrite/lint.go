package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/route"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// lintOptions are the flags of lint.
type lintOptions struct {
	inputs         inputFlags
	output         outputFlag
	ignore, routes []string
	failOn         string
}

func newLint() *cobra.Command {
	var o lintOptions
	var explain string
	var about strings.Builder

	checks := make([]lint.Check, 0, len(lint.Checks))
	for _, c := range lint.Checks {
		fmt.Fprintf(&about, "  %-23s %-8s %s\n", c.Check, c.Severity, c.Short)
		checks = append(checks, c.Check)
	}

	c := &cobra.Command{
		Use:   "lint INPUT…",
		Short: "Find what is wrong or doubtful in rules",
		Long: `Find what is wrong or doubtful in rules: everything that the filter and the chart refuse, and what
is below. A digest that the chart wants and that is not there yet is info: the rules can be looked at without it.

` + about.String() + `
` + "`lint --explain CHECK`" + ` says more about one. The exit code is 1 where something at least as bad as --fail-on was found.`,
		Example: `  wasm-rewrite lint rules.yaml
  wasm-rewrite lint environments/* --fail-on error
  wasm-rewrite lint cluster:shop --routes 'cluster:*'`,
		Args: func(c *cobra.Command, args []string) error {
			if explain != "" {
				return arguments(0, 0, "no INPUT with --explain")(c, args)
			}
			return arguments(1, 0, "an INPUT or more")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if explain != "" {
				return explainCheck(c.OutOrStdout(), explain)
			}
			return o.run(c, args, checks)
		},
	}
	o.inputs.add(c)
	o.output.add(c, "text", "json", "sarif")
	c.Flags().StringSliceVar(&o.ignore, "ignore", nil, "checks to leave out")
	c.Flags().StringVar(&o.failOn, "fail-on", "warning", "the least severity with exit code 1: "+terminal.List(failOns))
	c.Flags().StringArrayVar(&o.routes, "routes", nil, "`FILE` with VirtualServices and HTTPRoutes, - for stdin, or cluster:NAMESPACE, "+
		"cluster:* for all namespaces: which route samples take before and after a rewrite at a gateway; may be repeated")
	c.Flags().StringVar(&explain, "explain", "", "say what a `CHECK` is about, with an example, or all of them")
	complete(c, "ignore", checks)
	complete(c, "explain", checks)
	complete(c, "fail-on", failOns)

	return c
}

func (o *lintOptions) run(c *cobra.Command, args []string, checks []lint.Check) error {
	if err := o.output.check(); err != nil {
		return err
	}

	rank, ok := ranks[o.failOn]
	if !ok {
		return fmt.Errorf("--fail-on %s: want %s", o.failOn, terminal.List(failOns))
	}

	for _, check := range o.ignore {
		if !slices.Contains(checks, lint.Check(check)) {
			return fmt.Errorf("--ignore %s: there is no such check; want %s", check, terminal.List(checks))
		}
	}

	read, err := o.inputs.read(c, args)
	unreadable, rest := lint.Unreadable(err)
	if rest != nil {
		return err // all of it, what is not YAML too
	}

	table, err := readRoutes(c, &o.inputs.cluster, o.routes)
	if err != nil {
		return err
	}

	r := lint.Look(read, unreadable, o.ignore, table)
	switch o.output.format {
	case "json":
		err = terminal.JSON(c.OutOrStdout(), r)
	case "sarif":
		err = terminal.JSON(c.OutOrStdout(), lint.SARIF(r.Findings, buildVersion()))
	default:
		r.Text(c.OutOrStdout())
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return ranks[string(f.Severity)] <= rank }) {
		return errFindings
	}

	return nil
}

// readRoutes reads the routes of files and clusters; nil for none.
func readRoutes(c *cobra.Command, cluster *clusterFlags, names []string) (*route.Table, error) {
	var objects []map[string]any
	for _, name := range names {
		if strings.HasPrefix(name, clusterPrefix) {
			list, err := cluster.readRoutes(c.Context(), name)
			if err != nil {
				return nil, fmt.Errorf("--routes %s: %w", name, err)
			}

			objects = append(objects, list...)
			continue
		}

		data, err := read.File(name, c.InOrStdin())
		if err != nil {
			return nil, fmt.Errorf("--routes %s: cannot be read", name)
		}

		docs, err := input.Parse(name, data)
		if err != nil {
			return nil, err
		}

		objects = append(objects, docs.Objects()...)
	}

	table := route.Parse(objects)
	if len(names) > 0 && table.Empty() {
		return nil, fmt.Errorf("--routes %s: there is no VirtualService and no HTTPRoute with a rule in it", strings.Join(names, ", "))
	}

	return table, nil
}

// explainCheck prints a check's page, or that of all.
func explainCheck(w io.Writer, check string) error {
	if check == "all" {
		_, err := io.WriteString(w, lint.Page())
		return err
	}

	about, ok := lint.Check(check).Find()
	if !ok {
		return fmt.Errorf("--explain %s: there is no such check; `wasm-rewrite lint --help` lists them", check)
	}
	fmt.Fprintf(w, "%s (%s): %s\n\n%s", about.Check, about.Severity, about.Short, about.Help())

	return nil
}

var (
	failOns = []string{"error", "warning", "info", "never"}
	ranks   = map[string]int{"never": 0, "error": 1, "warning": 2, "info": 3}
)
