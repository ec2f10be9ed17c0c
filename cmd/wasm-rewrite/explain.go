package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/explain"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// explainFlags are those of explain.
type explainFlags struct {
	inputs                   inputFlags
	output                   outputFlag
	headers, responseHeaders []string
	status                   int
}

func newExplain() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain METHOD URL INPUT",
		Short: "Show what rules do to one request, pattern by pattern",
		Long: `Show what rules do to one request: which pattern acted, why not the ones before it, and
what each one changed. A URL without scheme and host is taken as one of http://example.com.`,
		Example: `  wasm-rewrite explain GET https://shop.example.com/old/shoes?v=2 rules.yaml -H 'x-env: blue'
  wasm-rewrite explain GET /gone environments/dev -w checkout --response-status 404`,
		Args: arguments(3, 3, "METHOD, URL and INPUT"),
		RunE: f.run,
	}
	f.inputs.add(c)
	f.output.add(c, "text", "json")
	c.Flags().StringArrayVarP(&f.headers, "header", "H", nil, "'name: value' of the request; may be repeated")
	c.Flags().IntVar(&f.status, "response-status", 200, "status of the upstream's answer")
	c.Flags().StringArrayVar(&f.responseHeaders, "response-header", nil, "'name: value' of the upstream's answer; may be repeated")

	return c
}

func (f *explainFlags) run(c *cobra.Command, args []string) error {
	request, response, err := f.exchange(args[0], args[1])
	if err != nil {
		return err
	}

	read, err := f.inputs.read(c, args[2:])
	if err != nil {
		return err
	}

	in := read[0]
	if refused := lint.Refusals(in); refused != nil {
		for _, finding := range refused {
			finding.Write(c.ErrOrStderr())
		}
		return errFindings
	}

	all := []workloadExplanation{}
	for _, w := range in.Workloads {
		config, _, err := rewrite.Read(w.Config)
		if err != nil {
			return err
		}

		e, err := explain.Explain(config, request, response)
		if err != nil {
			return err
		}

		all = append(all, workloadExplanation{in.Name, w.Name, e})
	}

	if f.output.format == "json" {
		return terminal.JSON(c.OutOrStdout(), all)
	}

	for i, one := range all {
		if i > 0 {
			fmt.Fprintln(c.OutOrStdout())
		}
		if len(all) > 1 {
			fmt.Fprintf(c.OutOrStdout(), "%s\n", terminal.Where(one.Input, one.Workload))
		}
		one.Text(c.OutOrStdout(), request)
	}

	return nil
}

// exchange is the request that is explained, and its answer.
func (f *explainFlags) exchange(method, url string) (request, response message.Message, err error) {
	if err := f.output.check(); err != nil {
		return request, response, err
	}

	request, err = exchange.ParseRequest(method, url, f.headers)
	if err != nil {
		return request, response, err
	}
	if f.status < 100 || f.status > 599 {
		return request, response, fmt.Errorf("--response-status %d: want a status from 100 to 599", f.status)
	}

	headers, err := exchange.ParseHeaders("--response-header", f.responseHeaders)

	return request, exchange.Response(f.status, headers), err
}

// workloadExplanation is one element of what explain -o json prints.
type workloadExplanation struct {
	Input    string `json:"input"`
	Workload string `json:"workload,omitempty"`
	*explain.Explanation
}
