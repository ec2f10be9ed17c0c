package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
)

// environment is a folder of environments/: what is written there of where and
// what it runs.
type environment struct {
	name, dir string
	rules     map[string]ruleFile // rules/<workload>.yaml by workload
	release   []byte              // release.yaml
	place     struct {
		Global struct {
			Destination struct {
				Namespace string `json:"namespace"`
			} `json:"destination"`
			PromotedFrom string `json:"promotedFrom"`
		} `json:"global"`
		Workloads map[string]any `json:"workloads"`
	}
	// What common.yaml and release.yaml say together.
	values struct {
		Global struct {
			Chart struct {
				Repository string `json:"repository"`
				Version    string `json:"version"`
			} `json:"chart"`
		} `json:"global"`
		Image struct {
			Registry   string `json:"registry"`
			Repository string `json:"repository"`
			Digest     string `json:"digest"`
		} `json:"image"`
	}
}

// ruleFile is a file of rules, and where it was read.
type ruleFile struct {
	path string
	text []byte
}

// readEnvironment reads an environment; the error names the others where there
// is none of this name.
func readEnvironment(root, name string) (*environment, error) {
	e := &environment{name: name, dir: filepath.Join(root, name), rules: map[string]ruleFile{}}
	place, err := os.ReadFile(filepath.Join(e.dir, "place.yaml"))
	if errors.Is(err, fs.ErrNotExist) || name == "" {
		found, _ := filepath.Glob(filepath.Join(root, "*", "place.yaml"))
		for i, file := range found {
			found[i] = filepath.Base(filepath.Dir(file))
		}
		if found == nil {
			return nil, fmt.Errorf("%s: holds no environment, a folder with place.yaml; run this at the top of the repository, or name the folder with --environments", root)
		}
		return nil, fmt.Errorf("%q: is no environment; want %s", name, join(found))
	}
	if err != nil {
		return nil, err
	}
	if e.release, err = os.ReadFile(filepath.Join(e.dir, "release.yaml")); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(e.dir, "rules", "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		e.rules[strings.TrimSuffix(filepath.Base(file), ".yaml")] = ruleFile{file, text}
	}
	if err := unmarshal(e.file("place.yaml"), place, &e.place); err != nil {
		return nil, err
	}
	common, err := os.ReadFile(filepath.Join(root, "common.yaml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return e, errors.Join(unmarshal(filepath.Join(root, "common.yaml"), common, &e.values), unmarshal(e.file("release.yaml"), e.release, &e.values))
}

func unmarshal(file string, text []byte, into any) error {
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %s", file, input.YAMLReason(err))
	}
	return nil
}

func (e *environment) file(name ...string) string {
	return filepath.Join(append([]string{e.dir}, name...)...)
}

// with is the environment with other rules and another release.
func (e *environment) with(rules map[string]ruleFile, text []byte) (*environment, error) {
	changed := *e
	changed.rules, changed.release = rules, text
	return &changed, unmarshal(e.file("release.yaml"), text, &changed.values)
}

// samePromoted tells whether what may be promoted is the same in two.
func (e *environment) samePromoted(other *environment) bool {
	return bytes.Equal(e.release, other.release) &&
		maps.EqualFunc(e.rules, other.rules, func(a, b ruleFile) bool { return bytes.Equal(a.text, b.text) })
}

// faults are what Argo CD would stumble over: it reads the rules of those
// workloads that place.yaml names.
func (e *environment) faults() (faults []error) {
	for _, workload := range slices.Sorted(maps.Keys(e.rules)) {
		if _, ok := e.place.Workloads[workload]; !ok {
			faults = append(faults, fmt.Errorf("%s: workloads.%s: is missing, and Argo CD reads %s only where it stands there; write the selector of %[2]s in %[4]s", e.file("place.yaml"), workload, e.file("rules", workload+".yaml"), e.name))
		}
		file := e.rules[workload]
		var values map[string]any
		if err := unmarshal(file.path, file.text, &values); err != nil {
			faults = append(faults, err)
			continue
		}
		workloads, _ := values["workloads"].(map[string]any)
		for _, other := range append(slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(workloads))...) {
			if other != "workloads" && other != workload {
				faults = append(faults, fmt.Errorf("%s: %s: does not belong here: the file holds workloads.%s and nothing else", file.path, other, workload))
			}
		}
	}
	for _, workload := range slices.Sorted(maps.Keys(e.place.Workloads)) {
		if _, ok := e.rules[workload]; !ok {
			faults = append(faults, fmt.Errorf("%s: workloads.%s: there is no %s, which Argo CD would read; remove the entry, or write the file", e.file("place.yaml"), workload, e.file("rules", workload+".yaml")))
		}
	}
	return faults
}

// pinned says which chart and module an environment runs.
type pinned struct {
	chart, module string // "" for those that release.yaml pins
}

// fetchChart gets the environment's chart, as a file in dir where it comes from a registry.
func (p pinned) fetchChart(ctx context.Context, e *environment, dir string) (string, error) {
	if p.chart != "" {
		return p.chart, nil
	}
	return e.fetchChart(ctx, dir)
}

// fetchModule gets the environment's module.
func (p pinned) fetchModule(ctx context.Context, e *environment) (*compiled.Module, error) {
	if p.module != "" {
		return compile(ctx, p.module)
	}
	image := e.values.Image
	text, err := release.Module{Image: image.Registry + "/" + image.Repository + "@" + image.Digest}.Fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.file("release.yaml"), err)
	}
	module, err := compiled.Compile(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("%s: the module: %w", e.file("release.yaml"), err)
	}
	return module, nil
}

const chartLayer types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// fetchChart gets the chart that release.yaml pins, as a file in dir.
func (e *environment) fetchChart(ctx context.Context, dir string) (file string, err error) {
	chart := e.values.Global.Chart
	repository, ok := strings.CutPrefix(chart.Repository, "oci://")
	if !ok || chart.Version == "" {
		return "", fmt.Errorf("%s: global.chart: repository %q, version %q: want oci://… in %s and a version here", e.file("release.yaml"), chart.Repository, chart.Version, filepath.Join(filepath.Dir(e.dir), "common.yaml"))
	}
	text, err := pullChart(ctx, repository, chart.Version)
	if err != nil {
		return "", fmt.Errorf("%s: global.chart.version: %s of %s: %w", e.file("release.yaml"), chart.Version, chart.Repository, err)
	}
	file = filepath.Join(dir, "chart-"+chart.Version+".tgz")
	return file, os.WriteFile(file, text, 0o600)
}

func pullChart(ctx context.Context, repository, version string) ([]byte, error) {
	// A tag has no +, so Helm writes _ for it.
	reference, err := name.NewTag(repository + ":" + strings.ReplaceAll(version, "+", "_"))
	if err != nil {
		return nil, err
	}
	image, err := remote.Image(reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, fmt.Errorf("%w; is it published?", err)
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		kind, err := layer.MediaType()
		if err != nil || kind != chartLayer {
			continue
		}
		content, err := layer.Compressed()
		if err != nil {
			return nil, err
		}
		defer content.Close()
		var text bytes.Buffer
		_, err = text.ReadFrom(content)
		return text.Bytes(), err
	}
	return nil, errors.New("what is there has no layer with a chart; see that the repository is that of the chart")
}

// write puts the environment's files that may be promoted into a folder of
// environments, and leaves everything else there.
func (e *environment) write(root string) error {
	rules := filepath.Join(root, e.name, "rules")
	if err := os.MkdirAll(rules, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, e.name, "release.yaml"), e.release, 0o644); err != nil {
		return err
	}
	there, err := filepath.Glob(filepath.Join(rules, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range there {
		if _, ok := e.rules[strings.TrimSuffix(filepath.Base(file), ".yaml")]; !ok {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	for workload, file := range e.rules {
		if err := os.WriteFile(filepath.Join(rules, workload+".yaml"), file.text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// render makes the environment's workloads with a chart, in a copy of its
// folder that lies in dir.
func (e *environment) render(chart, dir string) (*input.Input, error) {
	root, err := os.MkdirTemp(dir, "environments")
	if err != nil {
		return nil, err
	}
	if err := e.write(root); err != nil {
		return nil, err
	}
	for from, to := range map[string]string{e.file("place.yaml"): filepath.Join(root, e.name, "place.yaml"), filepath.Join(filepath.Dir(e.dir), "common.yaml"): filepath.Join(root, "common.yaml")} {
		text, err := os.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	in, err := read.Input(filepath.Join(root, e.name), read.Options{Chart: chart, Namespace: e.place.Global.Destination.Namespace})
	if known := (*input.Error)(nil); errors.As(err, &known) {
		known.Name = strings.Replace(known.Name, root, filepath.Dir(e.dir), 1) // the copy is gone when it is read
	}
	if err != nil {
		return nil, err
	}
	in.Name = e.dir
	return in, nil
}
