// Package input reads what a rule author has at hand: plain rules, values of
// the chart, an environment folder, a rendered manifest, or a cluster's objects.
package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
)

// Kind is what an input is.
type Kind string

// The kinds of input. An input is what the first of these lines says that
// fits:
//
//	a folder with release.yaml                    an environment
//	a file with a document that has apiVersion
//	and kind                                      a manifest
//	a file with the key workloads                 values of the chart
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

// Options say how inputs are read. The zero value reads plain rules and
// manifests; the others want Chart.
type Options struct {
	As        Kind      // instead of telling the kind apart; "" tells it apart
	Values    []string  // more files of values, over an input of the chart's values or an environment
	Set       []string  // NAME=VALUE over all of them, as Helm's --set
	Chart     string    // folder or .tgz of the chart
	Release   string    // the release's name; default wasm-rewrite
	Namespace string    // the release's namespace; default: default
	Stdin     io.Reader // what "-" reads
}

// Input is one input, read.
type Input struct {
	Name      string // as the user named it
	Kind      Kind
	Workloads []Workload       // by name
	Objects   []map[string]any // what the workloads were read from, and what the chart makes beside it
	Refusals  []Refusal        // why the chart would not render; the workloads are then what it would have rendered
	// Unpinned: these values name no module. The chart of a release carries the
	// digest of its own, the one at hand does not, so all zeros stand in for it.
	Unpinned bool
}

// Workload is the configuration of one filter and what is known around it.
type Workload struct {
	Name      string // its key in the values, kind namespace/name in a manifest and where two of a cluster have one key, "" for plain rules
	Object    string // kind namespace/name of the object that it was read from, or ""
	Config    []byte // the configuration as JSON, as the filter receives it
	Phase     string // AUTHN, AUTHZ, STATS, UNSPECIFIED_PHASE, or "" where it is not known
	Plugin    string // the plugin's name in metrics, or ""
	Tests     []example.Test
	TestFault example.Errors // what is wrong with the tests' form
}

// Refusal is one reason for which the chart does not render.
type Refusal struct {
	Workload string // "" for none in particular
	Path     string // "" where the chart names none
	Reason   string // with the value in front, where there is one
}

// Error is an input that cannot be read.
type Error struct{ Name, Reason string }

func (e *Error) Error() string { return e.Name + ": " + e.Reason }

// Read reads an input. name is a file, a folder, or - for stdin. The error is
// an *Error.
func Read(name string, o Options) (*Input, error) {
	in, err := read(name, o)
	if err != nil {
		var known *Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, &Error{name, reason(err)}
	}
	in.Name = name
	return in, nil
}

// reason leaves out of an error of the file system what is said already.
func reason(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file or folder"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

func read(name string, o Options) (*Input, error) {
	if name != "-" {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return readFolder(name, o)
		}
	}
	if o.As == Environment {
		return nil, errors.New("is a file; an environment is a folder with release.yaml")
	}
	data, err := ReadFile(name, o.Stdin)
	if err != nil {
		return nil, err
	}
	docs, err := Documents(data)
	if err != nil {
		return nil, err
	}
	kind := o.As
	if kind == "" {
		kind = tell(docs)
	}
	if kind != Manifest && len(docs) > 1 {
		return nil, fmt.Errorf("holds %d documents; only a manifest, where each has apiVersion and kind, may hold several", len(docs))
	}
	if kind != Values && (len(o.Values) > 0 || len(o.Set) > 0) {
		return nil, fmt.Errorf("is read as %s; --values and --set go with the chart's values and environments only", kind)
	}
	switch kind {
	case Manifest:
		return readManifest(docs)
	case Values:
		return readValues(data, name, o)
	}
	var object map[string]any
	if len(docs) > 0 {
		object = docs[0]
	}
	return readRules(object)
}

// ReadFile gives the content of a file, or of stdin for -.
func ReadFile(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

func tell(docs []map[string]any) Kind {
	for _, doc := range docs {
		if isObject(doc) {
			return Manifest
		}
	}
	for _, doc := range docs {
		if _, ok := doc["workloads"]; ok {
			return Values
		}
	}
	return Rules
}

func isObject(doc map[string]any) bool {
	version, _ := doc["apiVersion"].(string)
	kind, _ := doc["kind"].(string)
	return version != "" && kind != ""
}

func readFolder(dir string, o Options) (*Input, error) {
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case o.As != "" && o.As != Environment:
		return nil, fmt.Errorf("is a folder, --as says %s", o.As)
	case exists("release.yaml"):
		return readEnvironment(dir, o)
	case exists("Chart.yaml"):
		return nil, errors.New("is a chart; name a file of values, and the chart with --chart")
	}
	return nil, errors.New("is a folder without release.yaml, so no environment")
}

// readRules reads plain rules: a configuration, with tests beside its keys.
func readRules(object map[string]any) (*Input, error) {
	w := Workload{}
	if tests, ok := object["tests"]; ok {
		w.Tests, w.TestFault = example.Parse(tests)
		delete(object, "tests")
	}
	var err error
	if w.Config, err = compactJSON(object); err != nil {
		return nil, err
	}
	return &Input{Kind: Rules, Workloads: []Workload{w}}, nil
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

// Documents splits YAML into its documents, each an object; empty ones are
// left out.
func Documents(data []byte) ([]map[string]any, error) {
	var docs []map[string]any
	for i, text := range split(data) {
		text, err := yaml.YAMLToJSONStrict(text)
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
			docs = append(docs, doc)
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

// split cuts a stream of YAML at its lines that begin with ---.
func split(data []byte) (docs [][]byte) {
	start := 0
	for at := 0; at < len(data); {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		line := data[at:end]
		if bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || strings.ContainsRune(" \t\r\n", rune(line[3]))) {
			docs = append(docs, data[start:at])
			start = at + 3
		}
		at = end
	}
	return append(docs, data[start:])
}
