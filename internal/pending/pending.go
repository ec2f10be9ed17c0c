package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

func newPending() *cobra.Command {
	var cluster clusterFlags
	var root, chart string
	c := &cobra.Command{
		Use:   "pending ENVIRONMENT",
		Short: "Show what a push of an environment would change on its cluster",
		Long: `Show what a push of an environment, as it lies here, would change on its cluster: which
objects would be new, changed and gone, and in them which patterns. The chart that
release.yaml pins is fetched from the registry and rendered as Argo CD does; nothing is
changed.

Exit codes: 0 nothing, 1 something, 2 the chart cannot be had or the cluster cannot be asked.`,
		Example: `  wasm-rewrite pending production --context production`,
		Args:    arguments(1, 1, "an ENVIRONMENT"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			e, err := readEnvironment(root, args[0])
			if err != nil {
				return err
			}
			if faults := e.faults(); faults != nil {
				return errors.Join(faults...)
			}
			dir, err := os.MkdirTemp("", "wasm-rewrite-pending-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			fetched, err := pinned{chart: chart}.fetchChart(c.Context(), e, dir)
			if err != nil {
				return err
			}
			planned, err := e.render(fetched, dir)
			if err != nil {
				return err
			}
			if refused := refusals(planned); refused != nil {
				for _, f := range refused {
					writeFinding(c.OutOrStdout(), f)
				}
				return errFindings
			}
			running, err := e.running(c.Context(), &cluster, planned)
			if err != nil {
				return err
			}
			changed, err := tellObjects(c.OutOrStdout(), running, planned)
			switch {
			case err != nil:
				return err
			case changed:
				return errFindings
			}
			fmt.Fprintf(c.OutOrStdout(), "nothing: the cluster has what %s says\n", e.dir)
			return nil
		},
	}
	cluster.add(c.Flags(), "the API server")
	c.Flags().StringVar(&root, "environments", "environments", "the folder of the environments")
	c.Flags().StringVar(&chart, "chart", "", "folder or .tgz of a chart instead of that which release.yaml pins")
	return c
}

// running reads the objects that the environment's cluster has of it: in its
// own namespace and in those that are planned.
func (e *environment) running(ctx context.Context, flags *clusterFlags, planned *input.Input) (*input.Input, error) {
	config, _, err := flags.connect()
	if err != nil {
		return nil, err
	}
	namespaces := map[string]bool{e.place.Global.Destination.Namespace: true}
	for _, o := range planned.Objects {
		namespaces[(&unstructured.Unstructured{Object: o}).GetNamespace()] = true
	}
	var list []unstructured.Unstructured
	for _, namespace := range slices.Sorted(maps.Keys(namespaces)) {
		cluster, err := status.Connect(config, status.Options{Namespace: namespace, Timeout: flags.timeout})
		if err != nil {
			return nil, err
		}
		some, err := cluster.List(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", config.Host, err)
		}
		list = append(list, slices.DeleteFunc(some, func(o unstructured.Unstructured) bool {
			return o.GetLabels()["app.kubernetes.io/instance"] != releaseName
		})...)
	}
	return read.Cluster(list)
}

// releaseName is that of every environment, as argocd/applicationset.yaml says.
const releaseName = "wasm-rewrite"

// kinds are those of the chart's deliveries.
var kinds = []string{"WasmPlugin", "TrafficExtension", "EnvoyFilter"}

// object is one object and the configuration in it.
type object struct {
	fields   map[string]any // labels, annotations and spec without the configuration
	workload *input.Workload
}

// objects gives those of an input by kind, namespace and name.
func objects(in *input.Input) (map[string]object, error) {
	all := map[string]object{}
	workloads := map[string]*input.Workload{}
	for i := range in.Workloads {
		workloads[in.Workloads[i].Object] = &in.Workloads[i]
	}
	for _, fields := range in.Objects {
		text, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		// One type of number on both sides.
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal(text, &u.Object); err != nil {
			return nil, err
		}
		if !slices.Contains(kinds, u.GetKind()) {
			continue
		}
		annotations := u.GetAnnotations()
		maps.DeleteFunc(annotations, func(key, _ string) bool {
			return key == "argocd.argoproj.io/tracking-id" || key == "kubectl.kubernetes.io/last-applied-configuration"
		})
		name := fmt.Sprintf("%s %s/%s", u.GetKind(), u.GetNamespace(), u.GetName())
		spec, _ := u.Object["spec"].(map[string]any)
		delete(spec, "pluginConfig")
		if wasm, ok := spec["wasm"].(map[string]any); ok {
			delete(wasm, "pluginConfig")
		}
		all[name] = object{map[string]any{"labels": texts(u.GetLabels()), "annotations": texts(annotations), "spec": spec}, workloads[name]}
	}
	return all, nil
}

func texts(m map[string]string) map[string]any {
	all := map[string]any{}
	for key, value := range m {
		all[key] = value
	}
	return all
}

// tellObjects says what is otherwise, and whether anything is.
func tellObjects(w io.Writer, running, planned *input.Input) (changed bool, err error) {
	was, err := objects(running)
	if err != nil {
		return false, err
	}
	is, err := objects(planned)
	if err != nil {
		return false, err
	}
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		before, had := was[name]
		after, has := is[name]
		lines, err := ruleChanges(before.workload, after.workload)
		if err != nil {
			return changed, fmt.Errorf("%s: %w", name, err)
		}
		title := name
		switch {
		case !had:
			title += ", new"
		case !has:
			title += ", gone"
		default:
			for _, change := range valueChanges("", before.fields, after.fields) {
				lines = append(lines, "changed  "+change)
			}
			if lines == nil {
				continue
			}
		}
		changed = true
		fmt.Fprintln(w, title)
		for _, line := range lines {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	return changed, nil
}
