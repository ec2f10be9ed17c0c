package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newChanges() *cobra.Command {
	var p promotion
	var since string
	c := &cobra.Command{
		Use:   "changes ENVIRONMENT --since FOLDER",
		Short: "Say in words what has changed in an environment",
		Long: `Say in words what has changed in an environment since FOLDER, another copy of the folder of
the environments: for each pattern and for each test, as promote does. The chart and the
module that each side pins are fetched from the registry. The tests of the new rules run.

Exit codes: 0 nothing or something has changed, 1 refused rules or failed tests, 2 a wrong
command line, or a chart or module that cannot be had.`,
		Example: `  git archive main environments | tar -x -C /tmp/main
  wasm-rewrite changes production --since /tmp/main/environments`,
		Args: arguments(1, 1, "an ENVIRONMENT"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if p.dir, err = os.MkdirTemp("", "wasm-rewrite-changes-"); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(p.dir)) }()
			p.out = c.OutOrStdout()
			return p.changes(c.Context(), since, args[0])
		},
	}
	c.Flags().StringVar(&since, "since", "", "the folder of the environments as they were")
	c.Flags().StringVar(&p.root, "environments", "environments", "the folder of the environments")
	c.Flags().StringVar(&p.pinned.chart, "chart", "", "folder or .tgz of a chart instead of those that release.yaml pins")
	c.Flags().StringVar(&p.pinned.module, "wasm", "", "the compiled filter instead of those that release.yaml pins: build/plugin.wasm")
	if err := c.MarkFlagRequired("since"); err != nil {
		panic(err) // the flag was added above
	}
	return c
}

func (p *promotion) changes(ctx context.Context, since, name string) error {
	is, err := readEnvironment(p.root, name)
	if err != nil {
		return err
	}
	was, err := readEnvironment(since, name)
	if err != nil {
		return err
	}
	places, err := placeChanges(was, is)
	if err != nil {
		return err
	}
	if len(places) == 0 && is.samePromoted(was) {
		fmt.Fprintln(p.out, "nothing has changed")
		return nil
	}
	if faults := is.faults(); faults != nil {
		return errors.Join(faults...)
	}
	for _, change := range places {
		fmt.Fprintf(p.out, "place: %s\n", change)
	}
	passed, err := p.compare(ctx, was, is)
	if err == nil && !passed {
		err = errFindings
	}
	return err
}

// placeChanges are lines that say what place.yaml has otherwise.
func placeChanges(was, is *environment) ([]string, error) {
	var sides [2]map[string]any
	for i, e := range []*environment{was, is} {
		text, err := os.ReadFile(e.file("place.yaml"))
		if err != nil {
			return nil, err
		}
		if err := unmarshal(e.file("place.yaml"), text, &sides[i]); err != nil {
			return nil, err
		}
	}
	return valueChanges("", sides[0], sides[1]), nil
}
