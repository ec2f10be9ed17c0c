// Command wasm-rewrite is the rule author's tool: it checks, tries and explains
// rules with the engine that runs in the proxies. `wasm-rewrite help` has the
// commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// The exit codes, for CI.
const (
	exitFine     = 0
	exitFindings = 1 // findings, failed tests, refused rules
	exitUsage    = 2 // a wrong command line, input that cannot be read, a cluster that cannot be asked
)

// errFindings ends a command with exitFindings; what was found is on stdout.
var errFindings = errors.New("findings")

// version is set where the tool is built for a release.
var version = ""

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)

	said, complaints := terminal.New(stdout), terminal.New(stderr)
	root.SetOut(said)
	root.SetErr(complaints)

	for _, c := range root.Commands() {
		if c.Annotations[printsData] != "" {
			c.SetOut(stdout)
		}
	}

	code := exitCode(root.Execute(), complaints)
	if err := errors.Join(said.Flush(), complaints.Flush()); err != nil && code == exitFine {
		return exitUsage
	}

	return code
}

// findings is the error of a command that finds out whether something is fine.
func findings(fine bool, err error) error {
	if err == nil && !fine {
		return errFindings
	}
	return err
}

// exitCode is that of an error, which it shows.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errFindings):
		return exitFindings
	default:
		fmt.Fprintln(stderr, "wasm-rewrite: "+err.Error())
		return exitUsage
	}
}

// printsData marks commands that print YAML for programs: its own escapes keep it what it means.
const printsData = "prints data"

func data(c *cobra.Command) *cobra.Command {
	c.Annotations = map[string]string{printsData: "YAML"}
	return c
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "wasm-rewrite",
		Short: "Check, try and explain the rules of wasm-rewrite",
		Long: `Check, try and explain the rules of wasm-rewrite, with the engine that runs in the proxies.

An INPUT is a file, a folder, - for stdin, or cluster:NAMESPACE. The first line that
fits says what it is; for a file, --as overrides it:
  cluster:NAMESPACE                                       the chart's objects in a cluster
  a folder with release.yaml                              an environment
  a file with a document that has apiVersion and kind     a rendered manifest
  a file with the key workloads, image or global          values of the chart
  any other file                                          plain rules, in YAML or JSON
Values and environments are rendered with the chart as helm template does; an
environment is ../common.yaml, release.yaml, rules/*.yaml by name and place.yaml,
each over the ones before. In a manifest, every WasmPlugin, TrafficExtension and
EnvoyFilter with a Wasm filter is read, unless its label app.kubernetes.io/name names
another program; in a cluster, only those that are labelled wasm-rewrite. Neither holds
tests, because tests are never sent to a cluster.

Exit codes: 0 fine, 1 findings or failed tests or refused rules or rules not in
force, 2 a wrong command line, or input or a cluster that cannot be read.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       buildVersion(),
	}
	if name := called(os.Args[0]); name != "" {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: name}
	}
	root.SetVersionTemplate("wasm-rewrite {{.Version}}\n")
	root.AddCommand(newLint(), newTest(), newExplain(), newDiff(), data(newImport()), data(newConfigMap()), newStatus(), newVerify(), newPromote(),
		newChanges(), newPending())

	return root
}

// called is how people call the tool where they call it as a plugin of kubectl, by
// the program's name; "" for its own name.
func called(program string) string {
	if strings.HasPrefix(filepath.Base(program), "kubectl-") {
		return "kubectl wasm-rewrite"
	}
	return ""
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// inputFlags are the flags of commands that read inputs.
type inputFlags struct {
	options  read.Options
	cluster  clusterFlags
	as       string
	workload []string
}

func (f *inputFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.as, "as", "", "what the input is, instead of telling it apart: "+terminal.List(input.Kinds))
	flags.StringArrayVarP(&f.options.Values, "values", "f", nil, "values over the input's, as in helm template; may be repeated")
	flags.StringArrayVar(&f.options.Set, "set", nil, "NAME=VALUE over all values, as in helm template; may be repeated")
	flags.StringVar(&f.options.Chart, "chart", "", "folder, .tgz or oci://REPOSITORY:VERSION of the chart that renders values\n"+
		"(default charts/wasm-rewrite; where that is not there, what an environment pins)")
	flags.StringVar(&f.options.Release, "release", "wasm-rewrite", "name of the release that is rendered")
	flags.StringVarP(&f.options.Namespace, "namespace", "n", "", "namespace of the release that is rendered (default: the one in place.yaml, else default)")
	flags.StringSliceVarP(&f.workload, "workload", "w", nil, "only these workloads, by name")
	f.cluster.add(flags, "the API server")
	complete(c, "as", input.Kinds)
}

// read reads inputs; none is an error. Those that could be read come with the
// error, too.
func (f *inputFlags) read(c *cobra.Command, names []string) ([]*input.Input, error) {
	f.options.As, f.options.Stdin = input.Kind(f.as), c.InOrStdin()
	if f.as != "" && !slices.Contains(input.Kinds, f.options.As) {
		return nil, fmt.Errorf("--as %s: want %s", f.as, terminal.List(input.Kinds))
	}
	var inputs []*input.Input
	var faults []error

	found := map[string]bool{}
	for _, name := range names {
		in, err := f.readOne(c.Context(), name)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if len(f.workload) > 0 {
			// Plain rules are of any workload.
			in.Workloads = slices.DeleteFunc(in.Workloads, func(w input.Workload) bool { return w.Name != "" && !slices.Contains(f.workload, w.Name) })
		}

		for _, w := range in.Workloads {
			found[w.Name] = true
		}

		inputs = append(inputs, in)
	}
	if len(faults) > 0 {
		return inputs, errors.Join(faults...)
	}

	for _, name := range f.workload {
		if !found[name] {
			return nil, fmt.Errorf("--workload %s: there is none of this name in %s", name, strings.Join(names, ", "))
		}
	}

	return inputs, nil
}

func (f *inputFlags) readOne(ctx context.Context, name string) (*input.Input, error) {
	if !strings.HasPrefix(name, clusterPrefix) {
		return read.Input(name, f.options)
	}
	if len(f.options.Values) > 0 || len(f.options.Set) > 0 || f.as != "" {
		return nil, fmt.Errorf("%s: is a cluster's; --as, --values and --set go with files only", name)
	}
	return f.cluster.readCluster(ctx, name)
}

// outputFlag is -o.
type outputFlag struct {
	format  string
	formats []string
}

func (f *outputFlag) add(c *cobra.Command, formats ...string) {
	f.formats = formats
	c.Flags().StringVarP(&f.format, "output", "o", formats[0], "format of what is printed: "+terminal.List(formats))
	complete(c, "output", formats)
}

func (f *outputFlag) check() error {
	if !slices.Contains(f.formats, f.format) {
		return fmt.Errorf("--output %s: want %s", f.format, terminal.List(f.formats))
	}
	return nil
}

func complete[S ~string](c *cobra.Command, flag string, words []S) {
	list := make([]cobra.Completion, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was added a line before
	}
}

// arguments wants from least to most arguments, described by what; most 0 is
// no limit.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= least && (most == 0 || len(args) <= most) {
			return nil
		}
		return fmt.Errorf("%s wants %s, and got %s: see `%s --help`", c.Name(), what, terminal.Count(len(args), "argument"), c.CommandPath())
	}
}

// require makes a flag one that has to be set.
func require(c *cobra.Command, flag string) {
	if err := c.MarkFlagRequired(flag); err != nil {
		panic(err) // the flag was added a line before
	}
}
