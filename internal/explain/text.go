package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/explain"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

func newExplain() *cobra.Command {
	var inputs inputFlags
	var output outputFlag
	var headers, responseHeaders []string
	var status int
	c := &cobra.Command{
		Use:   "explain METHOD URL INPUT",
		Short: "Show what rules do to one request, pattern by pattern",
		Long: `Show what rules do to one request: which pattern acted, why not the ones before it, and
what each one changed. A URL without scheme and host is of http://example.com.`,
		Example: `  wasm-rewrite explain GET https://shop.example.com/old/shoes?v=2 rules.yaml -H 'x-env: blue'
  wasm-rewrite explain GET /gone environments/dev -w checkout --response-status 404`,
		Args: arguments(3, 3, "METHOD, URL and INPUT"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			request, err := parseRequest(args[0], args[1], headers)
			if err != nil {
				return err
			}
			if status < 100 || status > 599 {
				return fmt.Errorf("--response-status %d: want a status from 100 to 599", status)
			}
			answered, err := parseHeaders("--response-header", responseHeaders)
			if err != nil {
				return err
			}
			read, err := inputs.read(c, args[2:])
			if err != nil {
				return err
			}
			in := read[0]
			if refused := refusals(in); refused != nil {
				for _, f := range refused {
					writeFinding(c.ErrOrStderr(), f)
				}
				return errFindings
			}
			all := []workloadExplanation{}
			for _, w := range in.Workloads {
				config, _, err := load(w.Config)
				if err != nil {
					return err
				}
				e, err := explain.Explain(config, request, exchange.Response(status, answered))
				if err != nil {
					return err
				}
				all = append(all, workloadExplanation{in.Name, w.Name, e})
			}
			if output.format == "json" {
				return writeJSON(c.OutOrStdout(), all)
			}
			for i, one := range all {
				if i > 0 {
					fmt.Fprintln(c.OutOrStdout())
				}
				if len(all) > 1 {
					fmt.Fprintf(c.OutOrStdout(), "%s\n", where(one.Input, one.Workload))
				}
				writeExplanation(c.OutOrStdout(), request, one.Explanation)
			}
			return nil
		},
	}
	inputs.add(c)
	output.add(c, "text", "json")
	c.Flags().StringArrayVarP(&headers, "header", "H", nil, "'name: value' of the request; may be repeated")
	c.Flags().IntVar(&status, "response-status", 200, "status of the upstream's answer")
	c.Flags().StringArrayVar(&responseHeaders, "response-header", nil, "'name: value' of the upstream's answer; may be repeated")
	return c
}

// workloadExplanation is one element of what explain -o json prints.
type workloadExplanation struct {
	Input    string `json:"input"`
	Workload string `json:"workload,omitempty"`
	*explain.Explanation
}

func parseRequest(method, url string, headers []string) (message.Message, error) {
	if method == "" || method != strings.ToUpper(method) {
		return message.Message{}, fmt.Errorf("%q is no method; want one in upper case, such as GET", method)
	}
	scheme, authority, target := "http", "example.com", url
	if before, rest, ok := strings.Cut(url, "://"); ok && !strings.HasPrefix(url, "/") {
		if before != "http" && before != "https" {
			return message.Message{}, fmt.Errorf("%s: want http:// or https://", url)
		}
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		scheme, authority, target = before, rest[:end], rest[end:]
		if !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
	}
	target, _, _ = strings.Cut(target, "#") // clients keep it to themselves
	if !strings.HasPrefix(target, "/") && target != "*" || authority == "" {
		return message.Message{}, fmt.Errorf("%s: want a URL such as https://shop.example.com/old?v=2, or a path", url)
	}
	list, err := parseHeaders("--header", headers)
	if err != nil {
		return message.Message{}, err
	}
	for i := 0; i < len(list); i++ {
		if list[i].Name == "host" {
			authority = list[i].Value
			list = append(list[:i], list[i+1:]...)
			i--
		}
	}
	return exchange.Request(method, scheme, authority, target, list), nil
}

func parseHeaders(flag string, lines []string) (list []message.Header, err error) {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.ToLower(strings.TrimSpace(name)); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%s %q: want 'name: value'", flag, line)
		}
		list = append(list, message.Header{Name: name, Value: strings.TrimSpace(value)})
	}
	return list, nil
}

const maxShown = 160

func cut(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return s
}

func writeExplanation(w io.Writer, request message.Message, e *explain.Explanation) {
	fmt.Fprintln(w, exchange.Line(request))
	writeSteps(w, e.Request)
	if e.Untried > 0 {
		fmt.Fprintf(w, "  the search ended: %s not tried\n", number(e.Untried, "pattern"))
	}
	writeOutside(w, e.Outside)
	if e.Answer != nil {
		fmt.Fprintf(w, "is answered with %s\n", e.Answer.Value(":status"))
	} else {
		// No rule can change the status, so it is the upstream's.
		fmt.Fprintf(w, "goes upstream as %s\nis answered with %s\n", exchange.Line(e.Upstream.Host()), e.Client.Value(":status"))
	}
	writeSteps(w, e.Response)
	writeOutside(w, e.OutsideResponse)
	fmt.Fprintf(w, "the client gets %s\n", e.Client.Value(":status"))
	for _, h := range e.Client.Headers {
		if h.Name != ":status" {
			fmt.Fprintf(w, "  %s: %s\n", h.Name, cut(h.Value))
		}
	}
	if e.Client.Body != "" {
		fmt.Fprintf(w, "\n  %s\n", strings.ReplaceAll(strings.TrimSuffix(cut(e.Client.Body), "\n"), "\n", "\n  "))
	}
}

func writeSteps(w io.Writer, steps []explain.Step) {
	for _, s := range steps {
		fmt.Fprintf(w, "  %s: %s", s.Pattern, s.Verdict)
		if s.Why != "" {
			fmt.Fprintf(w, ", %s", cut(s.Why))
		}
		fmt.Fprintln(w)
		writeChanges(w, s.Changes)
	}
}

func writeOutside(w io.Writer, changes []explain.Change) {
	if len(changes) > 0 {
		fmt.Fprintf(w, "  outside the patterns:\n")
		writeChanges(w, changes)
	}
}

func writeChanges(w io.Writer, changes []explain.Change) {
	for _, c := range changes {
		fmt.Fprintf(w, "    %s %s: %s\n", c.Op, c.Name, cut(c.Value))
	}
}
