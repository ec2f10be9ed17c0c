package read

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
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

// readEnvironment reads an environment: ../common.yaml where there is one,
// release.yaml, rules/*.yaml by name, place.yaml, then --values, each over the
// ones before.
func readEnvironment(dir string, o Options) (*input.Input, error) {
	files, err := EnvironmentFiles(dir)
	if err != nil {
		return nil, err
	}

	w, err := written{values: map[string]any{}}.merge(append(files, o.Values...), o)
	if err != nil {
		return nil, err
	}

	in, err := o.render(input.Environment, w)
	if err == nil {
		in.Gaps, err = gaps(dir, files)
	}

	return in, err
}

// gaps compares the workloads of place.yaml with those that the other files of
// an environment have rules for. One without a place.yaml has none.
func gaps(dir string, files []string) (list []input.Gap, err error) {
	place := filepath.Join(dir, "place.yaml")
	if !slices.Contains(files, place) {
		return nil, nil
	}

	rules, placed := map[string]source.Place{}, map[string]source.Place{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}

		docs, err := source.Parse(file, data)
		if err != nil {
			return nil, err
		}

		ofRules := filepath.Dir(file) == filepath.Join(dir, "rules")
		for _, doc := range docs {
			workloads := doc.Places.At("workloads")
			for _, name := range workloads.Keys() {
				of := workloads.At(name)
				switch base := filepath.Base(file); {
				case file == place:
					placed[name] = of.Place()
				case ofRules && base != name+".yaml":
					// Argo CD reads the files of the workloads that have a place.
					list = append(list, input.Gap{Workload: name, Rules: true, File: base, Place: of.Place()})
					fallthrough
				default:
					rules[name] = of.Place()
				}
				// A place may have rules of its own.
				if file == place && (of.At("patterns") != nil || of.At("headers") != nil) {
					rules[name] = of.Place()
				}
			}

			if ofRules {
				list = append(list, strays(doc, filepath.Base(file))...)
			}
		}
	}

	unplaced, unruled := missing(rules, placed), missing(placed, rules)
	for _, name := range unplaced {
		list = append(list, input.Gap{Workload: name, Rules: true, Others: unruled, Place: rules[name]})
	}

	for _, name := range unruled {
		list = append(list, input.Gap{Workload: name, Others: unplaced, Place: placed[name]})
	}

	return list, nil
}

// missing are the names of one side that the other one lacks.
func missing(of, in map[string]source.Place) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if _, there := in[name]; !there {
			names = append(names, name)
		}
	}
	return names
}

// strays are the keys of a file of rules next to its workloads. They would be over what release.yaml pins: a team's own file
// would choose the module.
func strays(doc source.Document, file string) (list []input.Gap) {
	for _, key := range doc.Places.Keys() {
		if key != "workloads" {
			list = append(list, input.Gap{Key: key, File: file, Place: doc.Places.At(key).Place()})
		}
	}
	return list
}

// EnvironmentFiles are the files of values of an environment, in the order in
// which Helm and Argo CD merge them.
func EnvironmentFiles(dir string) (files []string, err error) {
	rules, err := filepath.Glob(filepath.Join(dir, "rules", "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(rules)

	candidates := append([]string{filepath.Join(filepath.Dir(filepath.Clean(dir)), "common.yaml"), filepath.Join(dir, "release.yaml")}, rules...)
	for _, file := range append(candidates, filepath.Join(dir, "place.yaml")) {
		if _, err := os.Stat(file); err == nil {
			files = append(files, file)
		}
	}

	return files, nil
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
