// Package read reads inputs: files, folders, and the values that the chart
// renders.
package read

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
)

// Options say how inputs are read. The zero value reads plain rules and
// manifests; the others want Chart.
type Options struct {
	As        input.Kind // instead of telling the kind apart; "" tells it apart
	Values    []string   // more files of values, over an input of the chart's values or an environment
	Set       []string   // NAME=VALUE over all of them, as Helm's --set
	Chart     string     // folder, .tgz or oci://REPOSITORY:VERSION of the chart; default [LocalChart], else what an environment pins
	Release   string     // the release's name; default wasm-rewrite
	Namespace string     // the release's namespace; default: default
	Stdin     io.Reader  // what "-" reads
	// Shown gives how a file is called where it is shown; as it is if nil. It is
	// for copies, which are gone by then.
	Shown func(file string) string
}

func (o Options) shown(file string) string {
	if o.Shown == nil {
		return file
	}
	return o.Shown(file)
}

// Input reads an input. name is a file, a folder, or - for stdin. The error is
// an *input.Error, or source.Errors where a text is not YAML.
func Input(name string, o Options) (*input.Input, error) {
	in, err := read(name, o)
	if err != nil {
		var known *input.Error
		var errs source.Errors
		if errors.As(err, &known) || errors.As(err, &errs) {
			return nil, err
		}
		return nil, &input.Error{Name: o.shown(name), Reason: reason(err)}
	}

	in.Name = o.shown(name)

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

func read(name string, o Options) (*input.Input, error) {
	if name != "-" {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			return folder(name, o)
		}
	}
	if o.As == input.Environment {
		return nil, errors.New("is a file; an environment is a folder with release.yaml")
	}

	data, err := File(name, o.Stdin)
	if err != nil {
		return nil, err
	}

	docs, err := input.Parse(name, data)
	if err != nil {
		return nil, err
	}

	kind := o.As
	if kind == "" {
		kind = docs.Tell()
	}
	if kind != input.Values && (len(o.Values) > 0 || len(o.Set) > 0) {
		return nil, fmt.Errorf("is read as %s; --values and --set go with the chart's values and environments only", kind)
	}
	if kind == input.Values {
		return readValues(data, name, o)
	}

	return docs.Input(kind)
}

// File gives the content of a file, or of stdin for -.
func File(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

func folder(dir string, o Options) (*input.Input, error) {
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case o.As != "" && o.As != input.Environment:
		return nil, fmt.Errorf("is a folder, --as says %s", o.As)
	case exists("release.yaml"):
		return readEnvironment(dir, o)
	case exists("Chart.yaml"):
		return nil, errors.New("is a chart; name a file of values, and the chart with --chart")
	}

	if below, err := filepath.Glob(filepath.Join(dir, "*", "release.yaml")); err == nil && len(below) > 0 {
		return nil, fmt.Errorf("is a folder of environments: name one, as %s, or all, %s", filepath.Dir(below[0]), filepath.Join(dir, "*/"))
	}

	return nil, errors.New("is a folder without release.yaml, so no environment")
}
