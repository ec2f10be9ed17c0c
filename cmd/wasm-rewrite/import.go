package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
)

const importLong = `Turn the rewrites, redirects, direct responses and header rules of ingress-nginx,
VirtualService and HTTPRoute into values of the chart, each as its controller runs it.
Routes stay with the objects.

What answers runs at the gateway. What rewrites runs at the destination, in the
sidecars of the backend's Pods or in its waypoint: a gateway that rewrites chooses the
route again by the new path. So give it the Services, too, and the Gateways,
ListenerSets, ReferenceGrants, Namespaces, IngressClasses and HTTPRouteFilters, if
there are any. What a Gateway does not let a namespace bind is left out.

Under Envoy Gateway, which has no proxies of services, all rules run at the Gateway, and
the values are for delivery: EnvoyExtensionPolicy. It is known by its GatewayClass, or by
objects of its own API; Ingresses among the input are carried over to its Gateway.

The values begin with a report, as comments. It says for every object whether it was
carried over, carried over with a difference or in part, left out, or belongs to another
controller; then what to take out of which object, and in which order. Whatever is left
out is replaced by a pattern that keeps later ones from taking its requests.

Exit codes: 0 everything was carried over, 1 something was left out or has to be
answered, or all objects are of other controllers (0 with --partial), 2 input that
cannot be read or is malformed.`

func newImport() *cobra.Command {
	var output outputFlag
	var options migrate.Options
	var partial bool
	c := &cobra.Command{
		Use:   "import FILE…",
		Short: "Turn rewrites of ingress-nginx, VirtualService and HTTPRoute into values of the chart",
		Long:  importLong,
		Example: `  kubectl get ingress,ingressclass,virtualservice,httproute,referencegrant,namespace,gatewayclass,gateway,gateways.networking.istio.io,service \
    -A -o yaml | wasm-rewrite import - > values.yaml
  wasm-rewrite lint values.yaml`,
		Args: arguments(1, 0, "a FILE or more"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if options.At != migrate.Destination && options.At != migrate.Gateway {
				return fmt.Errorf("--at %s: want %s or %s", options.At, migrate.Destination, migrate.Gateway)
			}
			// It reads and writes much, once: collecting garbage was a third of its time.
			debug.SetGCPercent(400)

			docs, err := importDocuments(c, args)
			if err != nil {
				return err
			}

			// Where rewrites run by default depends on the objects.
			if !c.Flags().Changed("at") {
				options.At = ""
			}
			if !c.Flags().Changed("selector") {
				options.Selector = nil
			}

			r, err := migrate.Convert(docs, options)
			if err != nil {
				return err
			}
			if len(r.Report.Objects) == 0 {
				return fmt.Errorf("%s: there is no Ingress, VirtualService or HTTPRoute in it", strings.Join(args, ", "))
			}
			if err := printImport(c, output.format, r); err != nil {
				return err
			}
			if !partial && !r.Report.Complete() {
				return errFindings
			}

			return nil
		},
	}
	output.add(c, "yaml", "json")
	flags := c.Flags()
	flags.StringVar(&options.At, "at", migrate.Destination, "where rewrites run: destination or gateway; under Envoy Gateway gateway")
	complete(c, "at", []string{migrate.Destination, migrate.Gateway})
	flags.BoolVar(&options.Waypoint, "waypoint", false, "the backends have waypoints: their rules run there, not in sidecars")
	flags.BoolVar(&options.Moving, "moving", false, "leave alone what the old rewrites have changed, for the time in which both are in force")
	flags.BoolVar(&partial, "partial", false, "exit with 0 where something was left out or has to be answered, too")
	flags.StringToStringVar(&options.Selector, "selector", map[string]string{"istio": "ingressgateway"},
		"labels of a gateway's Pods where no Gateway in the input has them")

	return c
}

// importDocuments reads the objects of all files.
func importDocuments(c *cobra.Command, names []string) (docs []map[string]any, err error) {
	var faults []error
	for _, name := range names {
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

	return docs, errors.Join(faults...)
}

func printImport(c *cobra.Command, format string, r *migrate.Result) error {
	if format == "json" {
		return r.JSON(c.OutOrStdout())
	}
	return r.Text(c.OutOrStdout(), c.ErrOrStderr())
}
