package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/accesslog"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/replay"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// diffFlags are those of diff.
type diffFlags struct {
	inputs           inputFlags
	output           outputFlag
	requests, scheme string
	examples         int
	exitCode         bool
}

func newDiff() *cobra.Command {
	var f diffFlags
	c := &cobra.Command{
		Use:   "diff OLD NEW --requests FILE",
		Short: "Show what a change of rules does to real requests",
		Long: `Show what a change of rules does to real requests, grouped by pattern. OLD and NEW are
inputs; FILE is an access log, - for stdin, in any mix of
  Envoy's and Istio's default text format
  JSON with the keys of Istio's or Envoy Gateway's log: method, path, authority,
    response_code, user_agent, scheme
  nginx's combined format, and ingress-nginx's, which name no host: example.com is
    taken, so rules for a host see none of these
  lines of a method and a URL: GET https://shop.example.com/old
A log shows the path that a rewrite left, unless the rules that wrote it had
originalPathHeader: x-envoy-original-path. Take the log of such a proxy, or of one
without rewrites.`,
		Example: `  kubectl logs deploy/shop -c istio-proxy | wasm-rewrite diff old.yaml new.yaml --requests -`,
		Args:    arguments(2, 2, "OLD and NEW"),
		RunE:    f.run,
	}
	f.inputs.add(c)
	f.output.add(c, "text", "json")
	c.Flags().StringVar(&f.requests, "requests", "", "the access log, or - for stdin")
	c.Flags().StringVar(&f.scheme, "scheme", "http", "scheme of requests whose line does not name one")
	c.Flags().IntVar(&f.examples, "examples", 3, "how many different requests to show of each group")
	c.Flags().BoolVar(&f.exitCode, "exit-code", false, "exit with 1 where a request changes")
	require(c, "requests")

	return c
}

func (f *diffFlags) run(c *cobra.Command, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}

	log, err := f.readLog(c)
	if err != nil {
		return err
	}

	read, err := f.inputs.read(c, args)
	if err != nil {
		return err
	}

	pair, err := replay.Match(read[0], read[1])
	if err != nil {
		return err
	}
	if refused := slices.Concat(lint.Refusals(read[0]), lint.Refusals(read[1])); refused != nil {
		for _, finding := range refused {
			finding.Write(c.ErrOrStderr())
		}
		return errFindings
	}

	r, err := pair.Compare(log, f.examples)
	if err != nil {
		return err
	}

	if f.output.format == "json" {
		err = terminal.JSON(c.OutOrStdout(), r)
	} else {
		r.Text(c.OutOrStdout())
	}
	if err == nil && f.exitCode && r.Changed > 0 {
		err = errFindings
	}

	return err
}

func (f *diffFlags) check(args []string) error {
	if err := f.output.check(); err != nil {
		return err
	}
	if f.scheme != "http" && f.scheme != "https" {
		return fmt.Errorf("--scheme %s: want http or https", f.scheme)
	}
	if f.examples < 0 {
		return fmt.Errorf("--examples %d: want 0 or more", f.examples)
	}
	if slices.Contains(args, "-") && f.requests == "-" {
		return errors.New("rules and --requests cannot both be stdin")
	}

	return nil
}

func (f *diffFlags) readLog(c *cobra.Command) (*accesslog.Log, error) {
	from := c.InOrStdin()
	if f.requests != "-" {
		file, err := os.Open(f.requests)
		if err != nil {
			return nil, fmt.Errorf("--requests %s: cannot be read", f.requests)
		}
		defer file.Close()

		from = file
	}

	log, err := accesslog.Read(from, f.scheme)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--requests %s: %w", f.requests, err)
	case log.Lines == 0:
		return nil, fmt.Errorf("--requests %s: no line holds a request; `wasm-rewrite diff --help` names the formats", f.requests)
	}

	return log, nil
}
