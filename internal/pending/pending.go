// Package pending compares what an environment says with what its cluster has of it.
package pending

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/change"
	"github.com/wasm-rewrite/wasm-rewrite/internal/environment"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Namespaces are those that may have objects of an environment: its own and those that are planned.
func Namespaces(e *environment.Environment, planned *input.Input) []string {
	namespaces := map[string]bool{e.Place.Global.Destination.Namespace: true}
	for _, o := range planned.Objects {
		namespaces[(&unstructured.Unstructured{Object: o}).GetNamespace()] = true
	}
	return slices.Sorted(maps.Keys(namespaces))
}

// Running reads those of a cluster's objects that are of an environment.
func Running(list []unstructured.Unstructured) (*input.Input, error) {
	return read.Cluster(slices.DeleteFunc(list, func(o unstructured.Unstructured) bool {
		return o.GetLabels()["app.kubernetes.io/instance"] != environment.ReleaseName
	}))
}

// Tell says what a rollout would change, and whether there is anything.
func Tell(w io.Writer, running, planned *input.Input) (changed bool, err error) {
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
		lines, err := before.changes(after, had && has)
		if err != nil {
			return changed, fmt.Errorf("%s: %w", name, err)
		}

		title := terminal.Line(name)
		switch {
		case !had:
			title += ", new"
		case !has:
			title += ", gone"
		case lines == nil:
			continue
		}

		changed = true
		fmt.Fprintln(w, title)

		for _, line := range lines {
			fmt.Fprintf(w, "  %s\n", terminal.Line(line))
		}
	}

	return changed, nil
}

// object is one object and the configuration in it.
type object struct {
	fields   map[string]any // labels, annotations and spec without the configuration
	workload *input.Workload
}

// changes are lines that say what becomes of an object; both says that it was and will be there.
func (o object) changes(is object, both bool) ([]string, error) {
	lines, err := change.Rules(o.workload, is.workload)
	if err != nil || !both {
		return lines, err
	}

	for _, one := range change.Values("", o.fields, is.fields) {
		lines = append(lines, "changed  "+one)
	}
	return lines, nil
}

// objects gives those of an input by kind, namespace and name.
func objects(in *input.Input) (map[string]object, error) {
	workloads := map[string]*input.Workload{}
	for i := range in.Workloads {
		workloads[in.Workloads[i].Object] = &in.Workloads[i]
	}

	all := map[string]object{}
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
		if !input.Delivers(u.GetKind()) {
			continue
		}

		name := fmt.Sprintf("%s %s/%s", u.GetKind(), u.GetNamespace(), u.GetName())
		all[name] = object{fieldsOf(u), workloads[name]}
	}

	return all, nil
}

// fieldsOf are labels, annotations and spec of an object, without the configuration and without what others write there.
func fieldsOf(u *unstructured.Unstructured) map[string]any {
	annotations := u.GetAnnotations()
	maps.DeleteFunc(annotations, func(key, _ string) bool {
		return key == "argocd.argoproj.io/tracking-id" || key == "kubectl.kubernetes.io/last-applied-configuration"
	})

	spec, _ := u.Object["spec"].(map[string]any)
	delete(spec, "pluginConfig")
	if wasm, ok := spec["wasm"].(map[string]any); ok {
		delete(wasm, "pluginConfig")
	}

	return map[string]any{"labels": texts(u.GetLabels()), "annotations": texts(annotations), "spec": spec}
}

func texts(m map[string]string) map[string]any {
	all := map[string]any{}
	for key, value := range m {
		all[key] = value
	}
	return all
}
