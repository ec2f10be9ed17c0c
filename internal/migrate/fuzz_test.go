package migrate

import (
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
	kyaml "sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// FuzzConvert holds that objects of any form give values or an error, never a
// panic, and that what is printed is YAML.
func FuzzConvert(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}

	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}

		for _, section := range archive.Files {
			if section.Name == "input.yaml" {
				f.Add(section.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := input.Parse("objects", data)
		if err != nil {
			return
		}

		for _, o := range []Options{{}, {At: Gateway, Moving: true}} {
			r, err := Convert(docs.Objects(), o)
			if err != nil {
				continue
			}
			var values any
			if err := kyaml.Unmarshal(r.Document(), &values); err != nil {
				t.Errorf("%v\n%s", err, r.Document())
			}
		}
	})
}
