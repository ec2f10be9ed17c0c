// Command generate makes values.schema.json and README.md of the chart from
// values.yaml and from the Go struct of the rule language, and its dashboard. `make generate` runs it.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Files of the chart that are made here.
const (
	schemaFile = "values.schema.json"
	editorFile = "editor.schema.json"
	boardFile  = "dashboard.json"
	readmeFile = "README.md"
)

func main() {
	g := generator{}
	flag.StringVar(&g.chart, "chart", "charts/wasm-rewrite", "the chart's directory")
	flag.StringVar(&g.config, "config", "plugin/rewrite/config.go", "the Go file of the rule language's struct")
	flag.StringVar(&g.bin, "bin", "build/bin", "where helm-docs and helm-schema are (make build/bin/helm-docs build/bin/helm-schema)")

	check := flag.Bool("check", false, "write nothing, fail where a file is not what would be made")
	flag.Parse()
	if err := run(g, *check); err != nil {
		fmt.Fprintln(os.Stderr, "charts/generate:", err)
		os.Exit(1)
	}
}

func run(g generator, check bool) error {
	made, err := g.generate()
	if err != nil {
		return err
	}

	var faults []error
	for name, content := range made {
		file := filepath.Join(g.chart, name)
		if !check {
			faults = append(faults, os.WriteFile(file, content, 0o644))
			continue
		}
		if is, err := os.ReadFile(file); err != nil || !bytes.Equal(is, content) {
			faults = append(faults, fmt.Errorf("%s is not what is made from values.yaml and %s: run make generate", file, g.config))
		}
	}

	return errors.Join(faults...)
}

type generator struct{ chart, config, bin string }

// generate gives the made files by name.
func (g generator) generate() (made map[string][]byte, err error) {
	work, err := os.MkdirTemp("", "chart")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	values, err := os.ReadFile(filepath.Join(g.chart, "values.yaml"))
	if err != nil {
		return nil, err
	}

	values, err = uncommented(values)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(work, "values.yaml"), values, 0o644); err != nil {
		return nil, err
	}

	rules, err := readRules(g.config)
	if err != nil {
		return nil, err
	}

	made = map[string][]byte{}
	whole, err := g.schema(work, rules.schemas())
	if err != nil {
		return nil, err
	}
	if made[schemaFile], err = indented(define(whole)); err != nil {
		return nil, err
	}

	hovering, err := forHovering(forEditors(whole))
	if err != nil {
		return nil, err
	}
	if made[editorFile], err = indented(define(hovering)); err != nil {
		return nil, err
	}

	if made[boardFile], err = makeDashboard(); err != nil {
		return nil, err
	}
	if made[readmeFile], err = g.readme(work, rules.table()); err != nil {
		return nil, err
	}

	return made, nil
}

// uncommented makes the example of workloads, which values.yaml holds as a
// comment, a value, so that its keys are documented like all others.
func uncommented(values []byte) ([]byte, error) {
	const value, example = "\nworkloads: {}", "\n# workloads:\n"
	before, after, found := strings.Cut(string(values), value)
	line, after, _ := strings.Cut(after, "\n")
	between, block, found2 := strings.Cut("\n"+after, example)
	if !found || !found2 || strings.TrimSpace(between) != "" {
		return nil, errors.New("values.yaml wants workloads: {} and behind it a commented example under # workloads: alone")
	}

	out := []string{before, "workloads:" + line}
	for _, line := range strings.Split(strings.TrimSuffix(block, "\n"), "\n") {
		text, ok := strings.CutPrefix(line, "# ")
		if !ok {
			return nil, fmt.Errorf("values.yaml: after # workloads: nothing but the example may come, not %q", line)
		}

		out = append(out, text)
	}

	return []byte(strings.Join(out, "\n") + "\n"), nil
}

func (g generator) tool(name, dir string, args ...string) error {
	tool, err := filepath.Abs(filepath.Join(g.bin, name))
	if err != nil {
		return err
	}
	if _, err := os.Stat(tool); err != nil {
		return fmt.Errorf("%w: run make build/bin/%s", err, name)
	}

	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output)
	}

	return nil
}

// schemaID is where the schema of the newest version is.
const schemaID = "https://raw.githubusercontent.com/wasm-rewrite/wasm-rewrite/main/charts/wasm-rewrite/" + schemaFile

func (g generator) schema(work string, rules schema) (schema, error) {
	err := g.tool("helm-schema", work, "--values", "values.yaml", "--output", schemaFile,
		"--draft", "7", "--no-additional-properties", "--use-helm-docs")
	if err != nil {
		return nil, err
	}

	text, err := os.ReadFile(filepath.Join(work, schemaFile))
	if err != nil {
		return nil, err
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	if err := complete(root, rules); err != nil {
		return nil, err
	}

	// Under this name editors and schema stores find it.
	root["$id"] = schemaID

	return root, nil
}

// complete adds to the schema of the values what the language says of rules.
func complete(root, rules schema) error {
	properties := root["properties"].(schema)
	workloads := properties["workloads"].(schema)
	workload := workloads["additionalProperties"].(schema)

	keys := workload["properties"].(schema)
	for key, rule := range rules {
		if keys[key] == nil {
			return fmt.Errorf("the example of workloads in values.yaml does not document %s", key)
		}

		keys[key] = rule
	}
	// The example's labels are none of the schema's; Istio's own form is answered.
	keys["selector"].(schema)["properties"] = schema{"matchLabels": schema{
		"if":   schema{"type": []any{"object", "array"}},
		"then": schema{"const": "(selector holds the labels themselves, without matchLabels: selector: {app: httpbin})"},
	}}

	// A pattern may say what lint is to leave out, as its workload may.
	noted, err := clone(keys["lint"].(schema))
	if err != nil {
		return err
	}

	keys["patterns"].(schema)["items"].(schema)["properties"].(schema)["lint"] = noted

	defaults := properties["defaults"].(schema)

	ofDefaults := defaults["properties"].(schema)
	for key, value := range keys {
		if !slices.Contains([]string{"selector", "targetRefs", "patterns", "tests"}, key) && ofDefaults[key] == nil {
			ofDefaults[key] = value
		}
	}
	// What people write at the top by mistake is answered with where it goes.
	for key := range rules {
		properties[key] = schema{"const": "(a key of a workload: write workloads.<name>." + key + ")"}
	}

	for _, key := range []string{"selector", "targetRefs", "tests"} {
		properties[key] = schema{"const": "(a key of a workload: write workloads.<name>." + key + ")"}
	}

	properties["workload"] = schema{"const": "(the key is workloads: a map of names to workloads)"}

	// Twice the same value would be made nullable twice.
	if defaults, err = clone(defaults); err != nil {
		return err
	}

	properties["defaults"] = defaults
	nullable(defaults)
	nullable(workloads)

	return nil
}

// forEditors makes the schema of one file of values: what the chart's own values
// or another file has does not have to be in it.
func forEditors(root schema) schema {
	properties := maps.Clone(root["properties"].(schema))
	for name, property := range properties {
		if name != "workloads" && name != "defaults" {
			properties[name] = partial(property.(schema))
		}
	}

	root = maps.Clone(root)
	delete(root, "required")
	root["$id"] = strings.Replace(schemaID, schemaFile, editorFile, 1)
	root["properties"] = properties

	return root
}

// partial is a schema in which nothing has to be there, at any depth.
func partial(s schema) schema {
	s = maps.Clone(s)
	delete(s, "required")
	properties, nested := s["properties"].(schema)
	if nested {
		properties = maps.Clone(properties)
		for name, property := range properties {
			properties[name] = partial(property.(schema))
		}

		s["properties"] = properties
	}

	return s
}

func indented(s schema) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(s)
	return out.Bytes(), err
}

func clone(s schema) (c schema, err error) {
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	return c, err
}

// nullable allows null for every key below a schema: in an overlay it removes
// what the values before it wrote. An entry of a list cannot be null, nor can a
// key that has to be there.
func nullable(s schema) {
	required, _ := s["required"].([]any)
	for _, of := range []string{"properties", "patternProperties"} {
		properties, _ := s[of].(schema)
		for key, property := range properties {
			if slices.Contains(required, any(key)) {
				nullable(property.(schema))
			} else {
				orNull(property.(schema))
			}
		}
	}
	if all, ok := s["additionalProperties"].(schema); ok {
		orNull(all)
	}
	if items, ok := s["items"].(schema); ok {
		nullable(items)
	}
}

func orNull(s schema) {
	nullable(s)

	switch types := s["type"].(type) {
	case string:
		s["type"] = []any{types, "null"}
	case []any:
		if !slices.Contains(types, any("null")) {
			s["type"] = append(slices.Clone(types), "null")
		}
	}
	if enum, ok := s["enum"].([]any); ok {
		s["enum"] = append(slices.Clone(enum), nil)
	}
}

func (g generator) readme(work string, table []byte) ([]byte, error) {
	for _, name := range []string{"Chart.yaml", "README.md.gotmpl"} {
		content, err := os.ReadFile(filepath.Join(g.chart, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(work, name), content, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(work, "rules.md"), table, 0o644); err != nil {
		return nil, err
	}
	if err := g.tool("helm-docs", work, "--sort-values-order", "file", "--output-file", readmeFile); err != nil {
		return nil, err
	}

	return os.ReadFile(filepath.Join(work, readmeFile))
}
