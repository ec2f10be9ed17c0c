package read

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
)

// readEnvironment reads an environment: rules/*.yaml by name, ../common.yaml
// where there is one, release.yaml, place.yaml, then --values, each over the
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

	// The namespace of the release is where Argo CD puts it.
	namespace, _, _ := unstructured.NestedString(w.values, "global", "destination", "namespace")
	o.Namespace = cmp.Or(o.Namespace, namespace)

	in, err := o.render(input.Environment, w)
	if err != nil {
		return nil, err
	}

	e := environment{dir: dir, rules: map[string]source.Place{}, placed: map[string]source.Place{}}
	for _, file := range files {
		if err := e.look(file); err != nil {
			return nil, err
		}
	}
	e.compare()
	if err := e.unread(); err != nil {
		return nil, err
	}
	e.alone(w.places)

	// A copy is gone when the names of its files are read.
	for i := range e.gaps {
		e.gaps[i].Place.File = o.shown(e.gaps[i].Place.File)
	}

	in.Gaps = e.gaps

	return in, nil
}

// EnvironmentFiles are the files of values of an environment, in the order in
// which Helm and Argo CD merge them: no file of rules has the last word on what
// is not a rule.
func EnvironmentFiles(dir string) (files []string, err error) {
	rules, err := filepath.Glob(filepath.Join(dir, "rules", "*.yaml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(rules)

	for _, file := range append(rules, filepath.Join(filepath.Dir(filepath.Clean(dir)), "common.yaml"), filepath.Join(dir, "release.yaml"),
		filepath.Join(dir, "place.yaml")) {
		if _, err := os.Stat(file); err == nil {
			files = append(files, file)
		}
	}

	return files, nil
}

// environment is what the files of one agree on, or not.
type environment struct {
	dir           string
	rules, placed map[string]source.Place // workloads
	gaps          []input.Gap
}

func (e *environment) file(name ...string) string {
	return filepath.Join(append([]string{e.dir}, name...)...)
}

// look takes the workloads of a file, and what does not belong into it.
func (e *environment) look(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}

	docs, err := source.Parse(file, data)
	if err != nil {
		return err
	}

	base := filepath.Base(file)
	ofRules, ofPlace := filepath.Dir(file) == e.file("rules"), file == e.file("place.yaml")

	for _, doc := range docs {
		for _, key := range slices.Sorted(slices.Values(doc.Places.Keys())) {
			if ofRules && key != "workloads" {
				e.gaps = append(e.gaps, input.Gap{Place: doc.Places.At(key).Place(), Key: key,
					Reason: "does not belong here: the file holds workloads." + strings.TrimSuffix(base, ".yaml") + " and nothing else",
					Advice: "what a team may change is its rules: gates, module and delivery are written in common.yaml, release.yaml and place.yaml"})
			}
		}

		workloads := doc.Places.At("workloads")
		for _, name := range slices.Sorted(slices.Values(workloads.Keys())) {
			of := workloads.At(name)
			switch {
			case ofPlace:
				e.placed[name] = of.Place()
			case ofRules && base != name+".yaml":
				// Argo CD reads the files of the workloads that have a place.
				e.gaps = append(e.gaps, input.Gap{Workload: name, Rules: true, File: base, Place: of.Place()})
				fallthrough
			default:
				e.rules[name] = of.Place()
			}
			// A place may have rules of its own.
			if ofPlace && (of.At("patterns") != nil || of.At("headers") != nil) {
				e.rules[name] = of.Place()
			}
		}
	}

	return nil
}

// compare holds the workloads of place.yaml against those that the other files
// have rules for.
func (e *environment) compare() {
	if _, err := os.Stat(e.file("place.yaml")); err != nil {
		e.gaps = append(e.gaps, input.Gap{Place: source.Place{File: e.file("place.yaml")},
			Reason: "is missing: nothing says where this environment runs, and Argo CD rolls it out to nowhere",
			Advice: "write it with global.destination.server and .namespace, and the selector and vars of each workload"})
		return
	}

	// Each side's names that the other one lacks.
	missing := func(of, in map[string]source.Place) (names []string) {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			if _, there := in[name]; !there {
				names = append(names, name)
			}
		}
		return names
	}

	unplaced, unruled := missing(e.rules, e.placed), missing(e.placed, e.rules)
	for _, name := range unplaced {
		e.gaps = append(e.gaps, input.Gap{Workload: name, Rules: true, Others: unruled, Place: e.rules[name]})
	}

	for _, name := range unruled {
		e.gaps = append(e.gaps, input.Gap{Workload: name, Others: unplaced, Place: e.placed[name]})
	}
}

// unread names the files among the rules that nothing reads for their ending.
func (e *environment) unread() error {
	entries, err := os.ReadDir(e.file("rules"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}

	for _, entry := range entries {
		ending := filepath.Ext(entry.Name())
		if ending != ".yaml" && slices.Contains([]string{".yml", ".yaml", ".json"}, strings.ToLower(ending)) {
			e.gaps = append(e.gaps, input.Gap{Place: source.Place{File: e.file("rules", entry.Name())},
				Reason: "is read by nothing: Argo CD and this tool read rules/*.yaml",
				Advice: "rename it to " + strings.TrimSuffix(entry.Name(), ending) + ".yaml"})
		}
	}

	return nil
}

// destination is where an environment runs.
type destination struct {
	Server    string `json:"server"`
	Namespace string `json:"namespace"`
}

// destination reads the one of a place.yaml; nothing where it cannot be read,
// which is told where that environment is looked at.
func destinationOf(file string) (d destination) {
	var place struct {
		Global struct {
			Destination destination `json:"destination"`
		} `json:"global"`
	}

	data, err := os.ReadFile(file)
	if err == nil && yaml.Unmarshal(data, &place) == nil {
		d = place.Global.Destination
	}

	return d
}

// alone sees that no other environment runs at the same place: their releases
// have one name, so each would undo the other.
func (e *environment) alone(places *source.Map) {
	own := destinationOf(e.file("place.yaml"))
	if own.Namespace == "" {
		return
	}

	others, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Clean(e.dir)), "*", "place.yaml")) // the pattern is right
	for _, other := range others {
		name := filepath.Base(filepath.Dir(other))
		if name != filepath.Base(filepath.Clean(e.dir)) && destinationOf(other) == own {
			e.gaps = append(e.gaps, input.Gap{Place: places.At("global", "destination", "namespace").Place(), Key: "global.destination.namespace",
				Reason: fmt.Sprintf("%s runs in namespace %s of the same cluster, and each would undo what the other rolls out", name, own.Namespace),
				Advice: "give this environment a namespace or a cluster of its own"})
		}
	}
}
