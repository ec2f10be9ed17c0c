package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// recipe is an example of the page: its values, and the request of its first test.
type recipe struct {
	Name    string `json:"name"` // the link's fragment
	Title   string `json:"title"`
	Values  string `json:"values"`
	Method  string `json:"method"`
	URL     string `json:"url"`
	Headers string `json:"headers"`
	Status  string `json:"status"`
	Answers string `json:"response-headers"`
}

func recipes(dir string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("there are no recipes in " + dir)
	}

	// README has them in the order in which they are read; the first is what the page opens with.
	readme, err := os.ReadFile("README.md")
	if err != nil {
		return nil, err
	}

	place := func(file string) int {
		at := bytes.Index(readme, []byte(filepath.ToSlash(file)))
		if at < 0 {
			return len(readme)
		}
		return at
	}
	sort.SliceStable(files, func(i, j int) bool { return place(files[i]) < place(files[j]) })

	var all []recipe
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}

		one, err := read(strings.TrimSuffix(filepath.Base(file), ".yaml"), text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}

		all = append(all, one)
	}

	return json.MarshalIndent(all, "", " ")
}

func read(name string, text []byte) (recipe, error) {
	r := recipe{Name: name, Title: strings.ReplaceAll(name, "-", " "), Values: string(text)}
	docs, err := input.Parse(name, text)
	if err != nil {
		return r, err
	}

	for _, doc := range docs {
		workloads, _ := doc.Object["workloads"].(map[string]any)
		for _, w := range workloads {
			w, _ := w.(map[string]any)
			tests, faults := example.Parse(w["tests"])
			if len(faults) > 0 {
				return r, fmt.Errorf("%s: %s", faults[0].Path, faults[0].Reason)
			}
			if len(tests) == 0 {
				continue
			}

			t := tests[0]
			r.Method, r.Status = t.Request.Method, fmt.Sprint(t.Response.Status)
			r.URL = t.Request.Scheme + "://" + t.Request.Host + t.Request.Path
			r.Headers, r.Answers = lines(t.Request.Headers), lines(t.Response.Headers)

			return r, nil
		}
	}

	return r, errors.New("has no test whose request could be shown")
}

func lines(headers example.Headers) string {
	var list []string
	for name, values := range headers {
		for _, value := range values {
			list = append(list, name+": "+value)
		}
	}
	sort.Strings(list)
	return strings.Join(list, "\n")
}

// licenses are the texts that the bundled packages, and Go, ask to be passed on.
func licenses(packages string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(packages, "*", "LICENSE*"))
	if err != nil {
		return nil, err
	}

	scoped, err := filepath.Glob(filepath.Join(packages, "@*", "*", "LICENSE*"))
	if err != nil {
		return nil, err
	}

	files = append(files, scoped...)
	sort.Strings(files)
	var b strings.Builder

	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}

		name, err := filepath.Rel(packages, filepath.Dir(file))
		if err != nil {
			return nil, err
		}
		if !seen[name] && name != "axe-core" {
			seen[name] = true
			fmt.Fprintf(&b, "%s\n\n%s\n\n", name, text)
		}
	}

	return []byte(b.String()), nil
}
