// Package input is what a rule author has at hand, read: plain rules, values of
// the chart, an environment folder, a rendered manifest, or a cluster's objects.
// It reads texts alone: package read knows files, folders and the chart.
package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
)

// Kind is what an input is.
type Kind string

// The kinds of input. An input is what the first of these lines says that
// fits:
//
//	a folder with release.yaml                    an environment
//	a file with a document that has apiVersion
//	and kind                                      a manifest
//	a file with the key workloads, image or global
//	                                              values of the chart
//	any other file                                plain rules
const (
	Rules       Kind = "rules"
	Values      Kind = "values"
	Environment Kind = "environment"
	Manifest    Kind = "manifest"
	Cluster     Kind = "cluster" // objects that were not read from a file
)

// Kinds are those of files, in the order in which help names them.
var Kinds = []Kind{Rules, Values, Environment, Manifest}

// Input is one input, read.
type Input struct {
	Name      string // as the user named it
	Kind      Kind
	Workloads []Workload       // by name
	Objects   []map[string]any // what the workloads were read from, and what the chart makes next to it
	Places    *source.Map      // where the keys of the whole are written; nil where that is not known
	Refusals  []Refusal        // why the chart would not render; the workloads are then what it would have rendered
	Gaps      []Gap            // of an environment
	Namespace string           // of objects that name none; "" for default
	// Unpinned: these values name no module. The chart of a release carries the
	// digest of its own, the one at hand does not, so another one stands in for it.
	Unpinned bool
	// Unpublished are the values of an environment that are [NeverPublished];
	// another digest stands in for each.
	Unpublished []string
}

// NeverPublished keeps the place of a digest in environments/ until there is an
// image.
const NeverPublished = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// UnpublishedReason says what such a digest means.
const UnpublishedReason = "is all zeros: this image was never published; write the digest that `make publish` prints"

// Workload is the configuration of one filter and what is known around it.
type Workload struct {
	Name      string // its key in the values, kind namespace/name in a manifest and where two of a cluster have one key, "" for plain rules
	Object    string // kind namespace/name of the object that it was read from, or ""
	Config    []byte // the configuration as JSON, as the filter receives it
	Phase     string // AUTHN, AUTHZ, STATS, UNSPECIFIED_PHASE, or "" where it is not known
	Plugin    string // the plugin's name in metrics, or ""
	Routes    string // what chooses a route by the request after the filter: a gateway, a waypoint, a client's sidecar; "" for none, or where it is not known
	Namespace string // where it runs in every proxy, as its object selects none in particular; "" where it selects, or is not known
	Tests     []example.Test
	Ignored   []Ignored      // what lint is to leave out
	Places    *source.Map    // where the keys of the configuration and of the tests are written; nil where that is not known
	TestFault example.Errors // what is wrong with the tests' form
}

// Ignored is a check that lint is to leave out, with the reason.
type Ignored struct {
	Pattern int    // its index, or -1 for the whole workload
	Path    string // patterns[2].lint.ignore.unreachable
	Check   string
	Reason  string // "" where none is written
}

// Refusal is one reason for which the chart does not render.
type Refusal struct {
	Workload string // "" for none in particular
	Path     string // "" where the chart names none
	Reason   string // with the value in front, where there is one
}

// Gap is a workload of an environment that has rules and no place, or the other way round, or whose rules are in a file of
// another name. With a Reason it is something else that the files of an environment do not agree on.
type Gap struct {
	Workload string
	Rules    bool     // it has rules
	File     string   // of the rules, where it is not that of the workload
	Others   []string // workloads with the other gap, of which one may be meant
	Place    source.Place

	Key, Reason, Advice string
}

// Error is an input that cannot be read.
type Error struct{ Name, Reason string }

func (e *Error) Error() string { return e.Name + ": " + e.Reason }

// Text reads plain rules or a manifest out of a text. name is what places are
// given for; as says which it is, "" tells it apart. The error is of type
// source.Errors where the text is not YAML.
func Text(name string, data []byte, as Kind) (*Input, error) {
	docs, err := Parse(name, data)
	if err != nil {
		return nil, err
	}
	return docs.Input(as)
}

// Input reads plain rules or a manifest out of documents.
func (docs Documents) Input(as Kind) (*Input, error) {
	if as == "" {
		as = docs.Tell()
	}

	switch {
	case as == Manifest:
		return readManifest(docs)
	case len(docs) > 1:
		return nil, fmt.Errorf("holds %d documents; only a manifest, where each has apiVersion and kind, may hold several", len(docs))
	case as != Rules:
		return nil, fmt.Errorf("is read as %s, which the chart has to render", as)
	case len(docs) == 0:
		return readRules(Document{})
	}

	return readRules(docs[0])
}

// Tell tells by its documents what a text is.
func (docs Documents) Tell() Kind {
	for _, doc := range docs {
		if isObject(doc.Object) {
			return Manifest
		}
	}

	for _, doc := range docs {
		// workload is not a key, and the chart says what is meant.
		for _, key := range []string{"workloads", "image", "global", "workload"} {
			if _, ok := doc.Object[key]; ok {
				return Values
			}
		}
	}

	return Rules
}

func isObject(doc map[string]any) bool {
	version, _ := doc["apiVersion"].(string)
	kind, _ := doc["kind"].(string)
	return version != "" && kind != ""
}

// readRules reads plain rules: a configuration, with tests next to its keys.
func readRules(doc Document) (*Input, error) {
	w, object := Workload{Places: doc.Places}, doc.Object
	if tests, ok := object["tests"]; ok {
		w.Tests, w.TestFault = example.Parse(tests)
		delete(object, "tests")
	}

	w.Ignored = TakeIgnored(object)
	var err error
	if w.Config, err = compactJSON(object); err != nil {
		return nil, err
	}

	return &Input{Kind: Rules, Workloads: []Workload{w}, Places: doc.Places}, nil
}

// TakeIgnored takes out of a workload's values what does not concern the filter:
// the checks that lint is to leave out, of the whole and of single patterns.
func TakeIgnored(workload map[string]any) (list []Ignored) {
	list = ignored(workload, "", -1)

	patterns, _ := workload["patterns"].([]any)
	for i, p := range patterns {
		if p, ok := p.(map[string]any); ok {
			list = append(list, ignored(p, fmt.Sprintf("patterns[%d].", i), i)...)
		}
	}
	return list
}

// ignored takes the key lint out of a map. What has another form stays, and is
// refused as an unknown key.
func ignored(of map[string]any, at string, pattern int) (list []Ignored) {
	noted, ok := of["lint"].(map[string]any)
	if !ok {
		return nil
	}

	checks, ok := noted["ignore"].(map[string]any)
	if !ok || len(noted) > 1 {
		return nil
	}
	delete(of, "lint")

	for _, check := range slices.Sorted(maps.Keys(checks)) {
		if checks[check] == nil {
			continue // an overlay took it back
		}

		reason, _ := checks[check].(string)
		list = append(list, Ignored{pattern, at + "lint.ignore." + check, check, strings.TrimSpace(reason)})
	}

	return list
}

// compactJSON writes a configuration as istiod does: keys sorted, no spaces,
// no HTML escapes. None is empty.
func compactJSON(v any) ([]byte, error) {
	if m, ok := v.(map[string]any); v == nil || ok && m == nil {
		return nil, nil
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// Document is one document of YAML, an object.
type Document struct {
	Object map[string]any
	Places *source.Map
}

// Documents are those of one text; empty ones are left out.
type Documents []Document

// Objects are the documents themselves.
func (docs Documents) Objects() (objects []map[string]any) {
	for _, doc := range docs {
		objects = append(objects, doc.Object)
	}
	return objects
}

// Parse splits YAML into its documents. The error is of type source.Errors
// where it is not YAML.
func Parse(name string, data []byte) (Documents, error) {
	parts, err := source.Parse(name, data)
	if err != nil {
		return nil, err
	}

	var docs Documents
	for i, part := range parts {
		text, err := yaml.YAMLToJSONStrict(part.Text)
		if err != nil {
			return nil, fmt.Errorf("document %d: %s", i+1, YAMLReason(err))
		}

		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var doc any
		if err := d.Decode(&doc); err != nil {
			return nil, err
		}

		switch doc := doc.(type) {
		case nil:
		case map[string]any:
			docs = append(docs, Document{doc, part.Places})
		default:
			return nil, fmt.Errorf("document %d: want an object with keys", i+1)
		}
	}

	return docs, nil
}

// YAMLReason says why a text is not the YAML that is wanted.
func YAMLReason(err error) string {
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) {
		want := "want an object with keys, got "
		if other.Type.Kind() == reflect.String {
			want = "want a string, got "
		}
		return strings.TrimPrefix(other.Field+": "+want+other.Value, ": ")
	}

	text := err.Error()
	for _, prefix := range []string{"yaml: ", "unmarshal errors:\n  ", "error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		text = strings.TrimPrefix(text, prefix)
	}

	return "no YAML: " + strings.ReplaceAll(text, "\n  ", "; ")
}
