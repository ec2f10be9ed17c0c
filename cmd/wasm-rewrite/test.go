package main

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/suite"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// testFlags are those of test.
type testFlags struct {
	inputs     inputFlags
	output     outputFlag
	wasm, only string
	atLeast    float64
}

func newTest() *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test INPUT…",
		Short: "Run the tests that come with rules",
		Long: `Run the tests that come with rules, under the key tests, with the engine, or with
--wasm in the compiled filter itself.

  tests:
  - name: teapot
    request: {method: GET, scheme: https, host: blue.dev.example.com, path: "/banana/418?v=2", headers: {x-env: blue}}
    response: {status: 418, headers: {}}     # what the upstream answers
    expect: {pattern: teapot, path: "/status/418?v=2", responseHeaders: {site: youdianzhishi.com}}

Defaults are GET, http, example.com, / and 200. expect takes pattern, path, host,
status, location, requestHeaders, absentRequestHeaders, responseHeaders and
absentResponseHeaders. pattern is one that acted, "" for none, or a list of all
that acted, those on the request in order, then those on the response. A header
is compared with all its values: a string, or a list where it is repeated.
A random sample counts as in.`,
		Example: `  wasm-rewrite test rules.yaml
  wasm-rewrite test environments/dev --wasm build/plugin.wasm -o junit > tests.xml`,
		Args: arguments(1, 0, "an INPUT or more"),
		RunE: f.run,
	}
	f.inputs.add(c)
	f.output.add(c, "text", "json", "junit")
	c.Flags().StringVar(&f.wasm, "wasm", "", "the compiled filter to run them in, instead of the engine: build/plugin.wasm")
	c.Flags().StringVar(&f.only, "run", "", "only the tests whose name this regex fits")
	c.Flags().Float64Var(&f.atLeast, "min-coverage", 0, "percent of the patterns that must act in some test")

	return c
}

func (f *testFlags) run(c *cobra.Command, args []string) (err error) {
	s, err := f.suite()
	if err != nil {
		return err
	}

	read, err := f.inputs.read(c, args)
	if err != nil {
		return err
	}

	if f.wasm != "" {
		if s.Module, err = compiled.ReadFile(c.Context(), f.wasm); err != nil {
			return fmt.Errorf("--wasm %w", err)
		}
		defer func() { err = errors.Join(err, s.Module.Close(c.Context())) }()
	}

	r, err := s.Run(c.Context(), read...)
	if err != nil {
		return err
	}

	switch f.output.format {
	case "json":
		err = terminal.JSON(c.OutOrStdout(), r)
	case "junit":
		err = r.JUnit(c.OutOrStdout())
	default:
		r.Text(c.OutOrStdout())
	}
	if err == nil && !r.Fine() {
		err = errFindings
	}

	return err
}

// suite checks the flags.
func (f *testFlags) suite() (*suite.Suite, error) {
	if err := f.output.check(); err != nil {
		return nil, err
	}

	only, err := regexp.Compile(f.only)
	if err != nil {
		return nil, fmt.Errorf("--run %s: %w", f.only, err)
	}
	if f.atLeast < 0 || f.atLeast > 100 {
		return nil, fmt.Errorf("--min-coverage %v: want a number from 0 to 100", f.atLeast)
	}

	return &suite.Suite{Only: only, AtLeast: f.atLeast}, nil
}
