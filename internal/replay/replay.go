package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/accesslog"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

func newDiff() *cobra.Command {
	var inputs inputFlags
	var output outputFlag
	var requests, scheme string
	var examples int
	var exitCode bool
	c := &cobra.Command{
		Use:   "diff OLD NEW --requests FILE",
		Short: "Show what a change of rules does to real requests",
		Long: `Show what a change of rules does to real requests, grouped by pattern. OLD and NEW are
inputs; FILE is an access log, - for stdin, in any mix of
  Envoy's and Istio's default text format
  JSON with the keys of Istio's or Envoy Gateway's log: method, path, authority,
    response_code, user_agent, scheme
  lines of a method and a URL: GET https://shop.example.com/old
A log shows the path that a rewrite left, unless the rules that wrote it had
originalPathHeader: x-envoy-original-path. Take the log of such a proxy, or of one
without rewrites.`,
		Example: `  kubectl logs deploy/shop -c istio-proxy | wasm-rewrite diff old.yaml new.yaml --requests -`,
		Args:    arguments(2, 2, "OLD and NEW"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if scheme != "http" && scheme != "https" {
				return fmt.Errorf("--scheme %s: want http or https", scheme)
			}
			if examples < 0 {
				return fmt.Errorf("--examples %d: want 0 or more", examples)
			}
			if slices.Contains(args, "-") && requests == "-" {
				return errors.New("rules and --requests cannot both be stdin")
			}
			log, err := readLog(c, requests, scheme)
			if err != nil {
				return err
			}
			read, err := inputs.read(c, args)
			if err != nil {
				return err
			}
			pairs, err := pair(read[0], read[1])
			if err != nil {
				return err
			}
			refused := false
			for _, in := range read {
				for _, f := range refusals(in) {
					writeFinding(c.ErrOrStderr(), f)
					refused = true
				}
			}
			if refused {
				return errFindings
			}
			r := diffReport{Lines: log.Lines, Unread: log.Unread, FirstUnread: log.First, Workloads: []workloadDiff{}}
			for _, p := range pairs {
				d, err := p.compare(log.Requests, examples)
				if err != nil {
					return err
				}
				r.Workloads = append(r.Workloads, d)
				r.Changed += d.Changed
			}
			if output.format == "json" {
				err = writeJSON(c.OutOrStdout(), r)
			} else {
				r.text(c.OutOrStdout())
			}
			if err == nil && exitCode && r.Changed > 0 {
				err = errFindings
			}
			return err
		},
	}
	inputs.add(c)
	output.add(c, "text", "json")
	c.Flags().StringVar(&requests, "requests", "", "the access log, or - for stdin")
	c.Flags().StringVar(&scheme, "scheme", "http", "scheme of requests whose line does not name one")
	c.Flags().IntVar(&examples, "examples", 3, "how many different requests to show of each group")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 1 where a request changes")
	if err := c.MarkFlagRequired("requests"); err != nil {
		panic(err) // the flag was added above
	}
	return c
}

func readLog(c *cobra.Command, name, scheme string) (*accesslog.Log, error) {
	from := c.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--requests %s: cannot be read", name)
		}
		defer f.Close()
		from = f
	}
	log, err := accesslog.Read(from, scheme)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--requests %s: %w", name, err)
	case log.Lines == 0:
		return nil, fmt.Errorf("--requests %s: no line holds a request; `wasm-rewrite diff --help` names the formats", name)
	}
	return log, nil
}

// pairing is one workload before and after; one of them is nil where the
// workload is new or gone.
type pairing struct {
	name     string
	old, new *input.Workload
}

// pair puts workloads of one name together, and the only one of each side
// whatever their names are.
func pair(before, after *input.Input) ([]pairing, error) {
	if len(before.Workloads) == 1 && len(after.Workloads) == 1 {
		return []pairing{{after.Workloads[0].Name, &before.Workloads[0], &after.Workloads[0]}}, nil
	}
	pairs := map[string]*pairing{}
	var names []string
	at := func(name string) *pairing {
		if pairs[name] == nil {
			pairs[name] = &pairing{name: name}
			names = append(names, name)
		}
		return pairs[name]
	}
	for i := range before.Workloads {
		at(before.Workloads[i].Name).old = &before.Workloads[i]
	}
	for i := range after.Workloads {
		at(after.Workloads[i].Name).new = &after.Workloads[i]
	}
	if len(names) > 1 {
		names = slices.DeleteFunc(names, func(name string) bool { return name == "" }) // plain rules
		slices.Sort(names)
		return nil, fmt.Errorf("%s and %s hold %s; a log is of one workload: name it with --workload", before.Name, after.Name, strings.Join(names, ", "))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s and %s hold no workload", before.Name, after.Name)
	}
	return []pairing{*pairs[names[0]]}, nil
}

// diffReport is what diff -o json prints.
type diffReport struct {
	Lines       int            `json:"requests"`              // lines of the log with a request
	Unread      int            `json:"unread"`                // lines without
	FirstUnread int            `json:"firstUnread,omitempty"` // the first of them, from 1
	Changed     int            `json:"changed"`
	Workloads   []workloadDiff `json:"workloads"`
}

type workloadDiff struct {
	Workload string      `json:"workload,omitempty"`
	Changed  int         `json:"changed"`
	Groups   []diffGroup `json:"groups"`
}

// diffGroup are the changed requests of one pattern before and one after.
type diffGroup struct {
	Old      []string      `json:"old"` // the patterns that acted
	New      []string      `json:"new"`
	Times    int           `json:"times"`
	Distinct int           `json:"distinct"` // how many different requests they are
	Examples []diffExample `json:"examples"`
}

type diffExample struct {
	Request string       `json:"request"`
	Times   int          `json:"times"`
	Changes []diffChange `json:"changes"`
}

// diffChange is one thing that is otherwise, "" where it was not there.
type diffChange struct {
	What string `json:"what"` // path, host, status, location, request header x-a, response header x-b
	Old  string `json:"old"`
	New  string `json:"new"`
}

func (p pairing) compare(requests []accesslog.Counted, examples int) (workloadDiff, error) {
	d := workloadDiff{Workload: p.name, Groups: []diffGroup{}}
	before, err := runner(p.old)
	if err != nil {
		return d, err
	}
	after, err := runner(p.new)
	if err != nil {
		return d, err
	}
	groups := map[string]*diffGroup{}
	for _, r := range requests {
		request := exchange.Request(r.Method, r.Scheme, r.Host, r.Target, r.Headers)
		response := exchange.Response(r.Status, nil)
		was, is := before(request, response), after(request, response)
		changes := differences(was, is)
		if len(changes) == 0 {
			continue
		}
		d.Changed += r.Times
		key := fmt.Sprintf("%q %q", was.Acted, is.Acted)
		g := groups[key]
		if g == nil {
			g = &diffGroup{Old: append([]string{}, was.Acted...), New: append([]string{}, is.Acted...), Examples: []diffExample{}}
			groups[key] = g
		}
		g.Times += r.Times
		g.Distinct++
		g.Examples = append(g.Examples, diffExample{exchange.Line(request), r.Times, changes})
	}
	for _, g := range groups {
		slices.SortStableFunc(g.Examples, func(a, b diffExample) int { return b.Times - a.Times })
		g.Examples = g.Examples[:min(len(g.Examples), examples)]
		d.Groups = append(d.Groups, *g)
	}
	slices.SortFunc(d.Groups, func(a, b diffGroup) int {
		return cmp.Or(b.Times-a.Times, slices.Compare(a.Old, b.Old), slices.Compare(a.New, b.New))
	})
	return d, nil
}

// runner puts requests through a workload; none changes nothing.
func runner(w *input.Workload) (func(request, response message.Message) exchange.Seen, error) {
	var text []byte
	if w != nil {
		text = w.Config
	}
	rules, err := rewrite.Load(text)
	if err != nil {
		return nil, err
	}
	stream := rules.NewStream()
	return func(request, response message.Message) exchange.Seen {
		return exchange.Run(stream, rules, request, response)
	}, nil
}

// differences are what an upstream or a client sees otherwise.
func differences(was, is exchange.Seen) (changes []diffChange) {
	add := func(what, a, b string) {
		if a != b {
			changes = append(changes, diffChange{what, a, b})
		}
	}
	goes := func(s exchange.Seen) string {
		if s.Upstream == nil {
			return "answered with " + exchange.Value(s.Client, ":status")
		}
		return "goes upstream"
	}
	if (was.Upstream == nil) != (is.Upstream == nil) {
		add("outcome", goes(was), goes(is))
	} else {
		add("status", exchange.Value(was.Client, ":status"), exchange.Value(is.Client, ":status"))
	}
	side := func(prefix string, a, b *message.Message) {
		var none message.Message
		if a == nil {
			a = &none
		}
		if b == nil {
			b = &none
		}
		var names []string
		for _, h := range append(slices.Clone(a.Headers), b.Headers...) {
			if !slices.Contains(names, h.Name) && h.Name != ":status" && h.Name != ":method" && h.Name != ":scheme" {
				names = append(names, h.Name)
			}
		}
		for _, name := range names {
			what := prefix + name
			switch name {
			case ":path":
				what = "path"
			case ":authority":
				what = "host"
			case "location":
				what = "location"
			}
			add(what, strings.Join(exchange.Values(*a, name), ", "), strings.Join(exchange.Values(*b, name), ", "))
		}
	}
	if was.Upstream != nil && is.Upstream != nil {
		side("request header ", was.Upstream, is.Upstream)
	}
	side("response header ", &was.Client, &is.Client)
	if was.Client.Body != is.Client.Body {
		add("body", was.Client.Body, is.Client.Body)
	}
	return changes
}

func (r diffReport) text(w io.Writer) {
	for _, d := range r.Workloads {
		for _, g := range d.Groups {
			fmt.Fprintf(w, "%s → %s: %s, %d different\n", acted(g.Old), acted(g.New), number(g.Times, "request"), g.Distinct)
			for _, e := range g.Examples {
				fmt.Fprintf(w, "  %s (%d)\n", e.Request, e.Times)
				for _, c := range e.Changes {
					fmt.Fprintf(w, "    - %s: %s\n    + %s: %s\n", c.What, shown(c.Old), c.What, shown(c.New))
				}
			}
			if more := g.Distinct - len(g.Examples); more > 0 {
				fmt.Fprintf(w, "  and %d more\n", more)
			}
		}
	}
	fmt.Fprintf(w, "%s, %d changed\n", number(r.Lines, "request"), r.Changed)
	if r.Unread > 0 {
		fmt.Fprintf(w, "%s without a request, the first is line %d\n", number(r.Unread, "line"), r.FirstUnread)
	}
}

func acted(names []string) string {
	if len(names) == 0 {
		return "no pattern"
	}
	return strings.Join(names, ", ")
}

func shown(value string) string {
	if value == "" {
		return "none"
	}
	return cut(value)
}
