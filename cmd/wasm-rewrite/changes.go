package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wasm-rewrite/wasm-rewrite/internal/change"
	"github.com/wasm-rewrite/wasm-rewrite/internal/environment"
)

// changesFlags are those of changes.
type changesFlags struct {
	root, since string
	trial       change.Trial
}

func newChanges() *cobra.Command {
	var f changesFlags
	c := &cobra.Command{
		Use:   "changes ENVIRONMENT --since FOLDER",
		Short: "Say in words what has changed in an environment",
		Long: `Say in words what has changed in an environment since FOLDER, another copy of the folder of
the environments: for each pattern and for each test, as promote does. The chart and the
module that each side pins are fetched from the registry. The tests of the new rules run.

Exit codes: 0 nothing or something has changed, 1 refused rules or failed tests, 2 a wrong
command line, or a chart or module that cannot be fetched.`,
		Example: `  git archive main environments | tar -x -C /tmp/main
  wasm-rewrite changes production --since /tmp/main/environments`,
		Args: arguments(1, 1, "an ENVIRONMENT"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			f.trial.Dir, err = os.MkdirTemp("", "wasm-rewrite-changes-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(f.trial.Dir)) }()

			f.trial.Out = c.OutOrStdout()
			return f.run(c.Context(), args[0])
		},
	}
	c.Flags().StringVar(&f.since, "since", "", "the folder of the environments as they were")
	c.Flags().StringVar(&f.root, "environments", "environments", "the folder of the environments")
	addInstead(c.Flags(), &f.trial.Instead)
	require(c, "since")

	return c
}

// addInstead adds the flags of commands that fetch what an environment pins.
func addInstead(flags *pflag.FlagSet, instead *environment.Instead) {
	flags.StringVar(&instead.Chart, "chart", "", "folder, .tgz or oci://REPOSITORY:VERSION of a chart instead of those that release.yaml pins")
	flags.StringVar(&instead.Module, "wasm", "", "the compiled filter instead of those that release.yaml pins: build/plugin.wasm")
}

func (f *changesFlags) run(ctx context.Context, name string) error {
	is, err := environment.Read(f.root, name)
	if err != nil {
		return err
	}

	was, err := environment.Read(f.since, name)
	if err != nil {
		return err
	}

	places, err := change.Places(was, is)
	if err != nil {
		return err
	}
	if len(places) == 0 && is.SamePromoted(was) {
		fmt.Fprintln(f.trial.Out, "nothing has changed")
		return nil
	}

	if faults := is.Faults(); faults != nil {
		return errors.Join(faults...)
	}

	for _, change := range places {
		fmt.Fprintf(f.trial.Out, "place: %s\n", change)
	}

	return findings(f.trial.Run(ctx, was, is))
}
