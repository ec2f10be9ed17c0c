package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/environment"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/pending"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// pendingFlags are those of pending.
type pendingFlags struct {
	cluster     clusterFlags
	root, chart string
}

func newPending() *cobra.Command {
	var f pendingFlags
	c := &cobra.Command{
		Use:   "pending ENVIRONMENT",
		Short: "Show what a push of an environment would change on its cluster",
		Long: `Show what a push of an environment, as it is here, would change on its cluster: which
objects would be new, changed and gone, and in them which patterns. The chart that
release.yaml pins is fetched from the registry and rendered as Argo CD does; nothing is
changed.

Exit codes: 0 nothing, 1 something, 2 the chart cannot be fetched or the cluster cannot be asked.`,
		Example: `  wasm-rewrite pending production --context production`,
		Args:    arguments(1, 1, "an ENVIRONMENT"),
		RunE:    f.run,
	}
	f.cluster.add(c.Flags(), "the API server")
	c.Flags().StringVar(&f.root, "environments", "environments", "the folder of the environments")
	c.Flags().StringVar(&f.chart, "chart", "", "folder, .tgz or oci://REPOSITORY:VERSION of a chart instead of that which release.yaml pins")

	return c
}

func (f *pendingFlags) run(c *cobra.Command, args []string) error {
	e, err := environment.Read(f.root, args[0])
	if err != nil {
		return err
	}
	if faults := e.Faults(); faults != nil {
		return errors.Join(faults...)
	}
	if err := e.Unpublished(); err != nil {
		return err
	}

	planned, err := f.plan(c.Context(), e)
	if err != nil {
		return err
	}
	if refused := lint.Refusals(planned); refused != nil {
		for _, finding := range refused {
			finding.Write(c.OutOrStdout())
		}
		return errFindings
	}

	running, err := f.running(c.Context(), e, planned)
	if err != nil {
		return err
	}

	changed, err := pending.Tell(c.OutOrStdout(), running, planned)
	if err == nil && !changed {
		fmt.Fprintf(c.OutOrStdout(), "nothing: the cluster has what %s says\n", e.Dir)
	}

	return findings(!changed, err)
}

// plan renders the environment.
func (f *pendingFlags) plan(ctx context.Context, e *environment.Environment) (in *input.Input, err error) {
	dir, err := os.MkdirTemp("", "wasm-rewrite-pending-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	chart, err := environment.Instead{Chart: f.chart}.FetchChart(ctx, e, dir)
	if err != nil {
		return nil, err
	}

	return e.Render(chart, dir)
}

// running reads what the cluster has of the environment.
func (f *pendingFlags) running(ctx context.Context, e *environment.Environment, planned *input.Input) (*input.Input, error) {
	config, _, err := f.cluster.connect()
	if err != nil {
		return nil, err
	}

	var list []unstructured.Unstructured
	for _, namespace := range pending.Namespaces(e, planned) {
		cluster, err := status.Connect(config, status.Options{Namespace: namespace, Timeout: f.cluster.timeout})
		if err != nil {
			return nil, err
		}

		some, err := cluster.List(ctx)
		if err != nil {
			return nil, err
		}

		list = append(list, some...)
	}

	return pending.Running(list)
}
