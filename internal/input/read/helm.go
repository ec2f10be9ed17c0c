package read

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
)

// written are values and where they are written.
type written struct {
	values map[string]any
	places *source.Map
}

// readValues reads values of the chart: the input, then --values over it.
func readValues(data []byte, name string, o Options) (*input.Input, error) {
	w, err := parseValues(data, name)
	if err != nil {
		return nil, err
	}
	if w, err = w.merge(o.Values, o); err != nil {
		return nil, err
	}
	return o.render(input.Values, w)
}

func parseValues(data []byte, name string) (written, error) {
	docs, err := source.Parse(name, data)
	if err != nil {
		return written{}, err
	}

	w := written{values: map[string]any{}}
	if err := yaml.Unmarshal(data, &w.values); err != nil {
		return written{}, &input.Error{Name: name, Reason: input.YAMLReason(err)}
	}
	if w.values == nil {
		w.values = map[string]any{}
	}

	for _, doc := range docs {
		w.places = doc.Places
	}

	return w, nil
}

// merge puts files of values over values, as `helm template --values`. All
// that cannot be read is told at once.
func (w written) merge(files []string, o Options) (written, error) {
	var faults []error
	for _, file := range files {
		data, err := File(file, o.Stdin)
		if err != nil {
			faults = append(faults, &input.Error{Name: o.shown(file), Reason: reason(err)})
			continue
		}

		over, err := parseValues(data, o.shown(file))
		if err != nil {
			faults = append(faults, err)
			continue
		}

		w.values, w.places = chartutil.MergeTables(over.values, w.values), w.places.Over(over.places)
	}

	for _, set := range o.Set {
		if err := strvals.ParseInto(set, w.values); err != nil {
			faults = append(faults, &input.Error{Name: "--set " + set, Reason: reason(err)})
			continue
		}
		// What the command line says is written in no file.
		name, _, _ := strings.Cut(set, "=")
		w.places = w.places.Without(strings.Split(name, ".")...)
	}

	return w, errors.Join(faults...)
}

// aside takes what the filter never gets: what lint is to leave out, and tests.
func aside(w *input.Workload, whole map[string]any, everywhere []input.Ignored) {
	w.Ignored = slices.Concat(everywhere, input.TakeIgnored(whole))
	if tests := whole["tests"]; tests != nil {
		w.Tests, w.TestFault = example.Parse(tests)
	}
}

// render makes workloads of values as `helm template` does. Where the chart
// refuses them, its reasons are kept, and the workloads are what the chart's
// templates give without its schema and its requirements.
func (o Options) render(kind input.Kind, from written) (*input.Input, error) {
	values, in := from.values, &input.Input{Kind: kind, Places: from.places}
	if o.Release == "" {
		o.Release = "wasm-rewrite"
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}

	in.Namespace = o.Namespace
	if kind == input.Values && o.chartless(values) {
		return in, nil
	}

	c, err := loadChart(o.chartOf(values))
	if err != nil {
		return nil, err
	}
	if err := pin(in, c, values); err != nil {
		return nil, err
	}

	docs, top, err := o.template(c, values)
	if err != nil {
		if in.Refusals = refusals(err); in.Refusals == nil {
			return nil, fmt.Errorf("the chart cannot be rendered: %w", err)
		}

		// Where the schema refuses, the requirements have not spoken yet.
		c.Schema = nil
		if _, _, err := o.template(c, values); err != nil {
			in.Refusals = unite(in.Refusals, refusals(err))
		}

		c.Templates = slices.DeleteFunc(c.Templates, func(f *chart.File) bool { return path.Base(f.Name) == requirements })
		if docs, top, err = o.template(c, values); err != nil {
			return in, nil
		}
	}
	if err := in.Take(docs); err != nil {
		return nil, err
	}

	workloads, _ := top["workloads"].(map[string]any)
	defaults, _ := top["defaults"].(map[string]any)

	everywhere := input.TakeIgnored(defaults)
	for i := range in.Workloads {
		w := &in.Workloads[i]
		w.Name = strings.TrimPrefix(w.Name[strings.LastIndexByte(w.Name, '/')+1:], o.Release+"-")
		w.Places = from.places.At("defaults").Over(from.places.At("workloads", w.Name))
		whole, _ := workloads[w.Name].(map[string]any)
		aside(w, whole, everywhere)
	}
	slices.SortFunc(in.Workloads, func(a, b input.Workload) int { return strings.Compare(a.Name, b.Name) })

	return in, nil
}

// dotted writes a JSON pointer as the engine writes a place.
func dotted(pointer string) string {
	var b strings.Builder
	if pointer == "" || pointer == "/" {
		return ""
	}

	for _, key := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		key = strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
		switch {
		case schemaIndex.MatchString(key):
			b.WriteString("[" + key + "]")
		case !plainKey.MatchString(key):
			b.WriteString("[" + strconv.Quote(key) + "]")
		case b.Len() > 0:
			b.WriteString("." + key)
		default:
			b.WriteString(key)
		}
	}

	return b.String()
}

// unite adds refusals of places that none has named yet.
func unite(list, more []input.Refusal) []input.Refusal {
	for _, r := range more {
		known := slices.ContainsFunc(list, func(one input.Refusal) bool { return one.Workload == r.Workload && one.Path == r.Path })
		if !known {
			list = append(list, r)
		}
	}
	return list
}

// requirements is the template that only fails.
const requirements = "requirements.yaml"

func loadChart(name string) (*chart.Chart, error) {
	if strings.HasPrefix(name, oci) {
		return pullLoad(name)
	}

	c, err := loader.Load(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &input.Error{Name: name, Reason: "there is no chart here; name its folder, .tgz or oci://REPOSITORY:VERSION with --chart"}
	case err != nil:
		return nil, &input.Error{Name: name, Reason: reason(err)}
	}

	return c, nil
}

// template renders the chart as `helm template` does, and gives the objects
// and the values as the templates saw them.
func (o Options) template(c *chart.Chart, values map[string]any) ([]map[string]any, chartutil.Values, error) {
	if err := chartutil.ProcessDependenciesWithMerge(c, values); err != nil {
		return nil, nil, err
	}

	top, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{Name: o.Release, Namespace: o.Namespace, Revision: 1, IsInstall: true},
		chartutil.DefaultCapabilities.Copy())
	if err != nil {
		return nil, nil, err
	}

	files, err := engine.Render(c, top)
	if err != nil {
		return nil, nil, err
	}

	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}

	_, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, nil, err
	}

	var docs []map[string]any
	for _, m := range manifests {
		some, err := input.Parse(m.Name, []byte(m.Content))
		if err != nil {
			return nil, nil, err
		}

		for _, doc := range some {
			docs = append(docs, doc.Object)
		}
	}

	return docs, top["Values"].(chartutil.Values), nil
}
