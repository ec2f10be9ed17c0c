package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

func newImport() *cobra.Command {
	var output outputFlag
	var selector map[string]string
	c := &cobra.Command{
		Use:   "import FILE…",
		Short: "Turn rewrites of ingress-nginx, VirtualService and HTTPRoute into values of the chart",
		Long: `Turn rewrites into values of the chart: the annotations of ingress-nginx (rewrite-target,
use-regex, upstream-vhost, x-forwarded-prefix, app-root, permanent-redirect,
temporal-redirect, ssl-redirect), and the rewrites, redirects, direct responses and
header rules of VirtualService and HTTPRoute. Objects of other kinds are passed over.

What could not be carried over stands at the head of the values, as a comment. Where
requests are sent stays with the objects: import writes rules only. Remove the
rewrites from the objects when the rules are in force, not before, and not after.`,
		Example: `  kubectl get ingress,virtualservice,httproute -A -o yaml | wasm-rewrite import - > values.yaml
  wasm-rewrite lint values.yaml`,
		Args: arguments(1, 0, "a FILE or more"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			var docs []map[string]any
			var faults []error
			for _, name := range args {
				data, err := read.File(name, c.InOrStdin())
				if err != nil {
					faults = append(faults, fmt.Errorf("%s: cannot be read", name))
					continue
				}
				some, err := input.Parse(name, data)
				var unreadable source.Errors
				switch {
				case errors.As(err, &unreadable):
					faults = append(faults, err) // it says where
				case err != nil:
					faults = append(faults, fmt.Errorf("%s: %w", name, err))
				}
				docs = append(docs, some.Objects()...)
			}
			if err := errors.Join(faults...); err != nil {
				return err
			}
			r, err := migrate.Convert(docs, migrate.Options{Selector: selector})
			if err != nil {
				return err
			}
			if r.Read == 0 {
				return fmt.Errorf("%s: there is no Ingress, VirtualService or HTTPRoute in it", strings.Join(args, ", "))
			}
			if output.format == "json" {
				report := importReport{Left: append([]migrate.Left{}, r.Left...)}
				if err := yaml.Unmarshal(r.Values, &report.Values); err != nil {
					return err
				}
				return terminal.JSON(c.OutOrStdout(), report)
			}
			out := c.OutOrStdout()
			if len(r.Left) > 0 {
				fmt.Fprintln(out, "# Not carried over:")
			}
			for _, l := range r.Left {
				fmt.Fprintf(out, "# - %s: %s: %s\n", l.Object, l.Path, strings.ReplaceAll(l.Reason, "\n", " "))
			}
			if _, err := out.Write(r.Values); err != nil {
				return err
			}
			fmt.Fprintf(c.ErrOrStderr(), "%s read, %s not carried over\n", terminal.Count(r.Read, "object"), terminal.Count(len(r.Left), "thing"))
			return nil
		},
	}
	output.add(c, "yaml", "json")
	c.Flags().StringToStringVar(&selector, "selector", map[string]string{"istio": "ingressgateway"}, "labels of the Pods whose proxies run what is of no Gateway")
	return c
}

// importReport is what import -o json prints.
type importReport struct {
	Values map[string]any `json:"values"`
	Left   []migrate.Left `json:"left"`
}
