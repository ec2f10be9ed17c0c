// Package environment reads the folders of environments/, compares them, fetches what they pin and renders them as Argo CD
// does. It decides nothing and changes no environment but with [Environment.Write].
package environment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// ReleaseName is that of the Helm release in every environment, as argocd/applicationset.yaml says.
const ReleaseName = "wasm-rewrite"

// Environment is a folder of environments/: what is written there of where and what it runs.
type Environment struct {
	Name, Dir string
	Rules     map[string]RuleFile // rules/<workload>.yaml by workload
	Release   []byte              // release.yaml
	Place     Place               // place.yaml
	Pins      Pins                // what all of its files say of chart and module

	common, place []byte // common.yaml and place.yaml, as they are written
}

// Place is where an environment runs, and where its promotions come from.
type Place struct {
	Global struct {
		Destination struct {
			Namespace string `json:"namespace"`
		} `json:"destination"`
		PromotedFrom string `json:"promotedFrom"`
	} `json:"global"`
	Workloads map[string]any `json:"workloads"`
}

// RuleFile is a file of rules, and where it was read.
type RuleFile struct {
	Path string
	Text []byte
}

// Read reads the environment of a name below root. No link is followed below root: what is promoted would be written to
// where it leads.
func Read(root, name string) (*Environment, error) {
	e := &Environment{Name: name, Dir: filepath.Join(root, name), Rules: map[string]RuleFile{}}
	if !isName.MatchString(name) {
		return nil, unknown(root, name)
	}
	if err := noLinks(e.Dir, e.File("place.yaml"), e.File("release.yaml"), e.File("rules"), e.Common()); err != nil {
		return nil, err
	}

	var err error
	e.place, err = os.ReadFile(e.File("place.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown(root, name)
	}
	if err != nil {
		return nil, err
	}
	if err := unmarshal(e.File("place.yaml"), e.place, &e.Place); err != nil {
		return nil, err
	}

	if e.Release, err = os.ReadFile(e.File("release.yaml")); err != nil {
		return nil, err
	}
	if err := e.readRules(); err != nil {
		return nil, err
	}

	e.common, err = os.ReadFile(e.Common())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	e.Pins, err = e.pins()

	return e, err
}

// isName is the form of the names of environments and of workloads, which become names of Kubernetes' objects and of files.
var isName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

const wantName = "at most 63 of a-z, 0-9 and -, letters or digits at both ends"

func noLinks(files ...string) error {
	for _, file := range files {
		info, err := os.Lstat(file)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s: is a link, and links are not followed here: put the file or folder itself there", file)
		}
	}
	return nil
}

// unknown names the environments that there are.
func unknown(root, name string) error {
	found, _ := filepath.Glob(filepath.Join(root, "*", "place.yaml"))
	if found == nil {
		return fmt.Errorf("%s: holds no environment, a folder with place.yaml; run this at the top of the repository, or name the folder with --environments", root)
	}

	for i, file := range found {
		found[i] = filepath.Base(filepath.Dir(file))
	}
	return fmt.Errorf("%q: is not an environment; want %s", name, terminal.List(found))
}

func (e *Environment) readRules() error {
	files, err := filepath.Glob(e.File("rules", "*.yaml"))
	if err != nil {
		return err
	}
	if err := noLinks(files...); err != nil {
		return err
	}

	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}

		e.Rules[strings.TrimSuffix(filepath.Base(file), ".yaml")] = RuleFile{file, text}
	}

	return nil
}

func unmarshal(file string, text []byte, into any) error {
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %s", file, input.YAMLReason(err))
	}
	return nil
}

// File names a file of the environment.
func (e *Environment) File(name ...string) string {
	return filepath.Join(append([]string{e.Dir}, name...)...)
}

// Common names the file that all environments share.
func (e *Environment) Common() string { return filepath.Join(filepath.Dir(e.Dir), "common.yaml") }

// PlaceValues are all that place.yaml says.
func (e *Environment) PlaceValues() (values map[string]any, err error) {
	return values, unmarshal(e.File("place.yaml"), e.place, &values)
}

// With is the environment with other rules and another release.
func (e *Environment) With(rules map[string]RuleFile, release []byte) (*Environment, error) {
	changed := *e
	changed.Rules, changed.Release = rules, release
	var err error
	changed.Pins, err = changed.pins()
	return &changed, err
}

// SamePromoted reports whether what may be promoted is the same in two.
func (e *Environment) SamePromoted(other *Environment) bool {
	return bytes.Equal(e.Release, other.Release) &&
		maps.EqualFunc(e.Rules, other.Rules, func(a, b RuleFile) bool { return bytes.Equal(a.Text, b.Text) })
}

// Faults are what Argo CD would stumble over: it reads the rules of those workloads that place.yaml names.
func (e *Environment) Faults() (faults []error) {
	// Every file of rules has a place, and holds its own workload alone.
	for _, workload := range slices.Sorted(maps.Keys(e.Rules)) {
		if !isName.MatchString(workload) {
			faults = append(faults, fmt.Errorf("%s: %q: cannot be the name of a workload: %s", e.File("rules", workload+".yaml"), workload, wantName))
			continue
		}
		if _, ok := e.Place.Workloads[workload]; !ok {
			faults = append(faults, fmt.Errorf("%s: workloads.%s: is missing, and Argo CD reads %s only where it is named there; write the selector of %[2]s in %[4]s",
				e.File("place.yaml"), workload, e.File("rules", workload+".yaml"), e.Name))
		}

		faults = append(faults, e.Rules[workload].faults(workload)...)
	}

	// Every place has its file of rules.
	for _, workload := range slices.Sorted(maps.Keys(e.Place.Workloads)) {
		if !isName.MatchString(workload) {
			faults = append(faults, fmt.Errorf("%s: workloads: %q: cannot be the name of a workload: %s", e.File("place.yaml"), workload, wantName))
			continue
		}
		if _, ok := e.Rules[workload]; !ok {
			faults = append(faults, fmt.Errorf("%s: workloads.%s: there is no %s, which Argo CD would read; remove the entry, or write the file",
				e.File("place.yaml"), workload, e.File("rules", workload+".yaml")))
		}
	}

	return faults
}

// faults are what does not belong into a workload's file.
func (f RuleFile) faults(workload string) (faults []error) {
	var values map[string]any
	if err := unmarshal(f.Path, f.Text, &values); err != nil {
		return []error{err}
	}

	workloads, _ := values["workloads"].(map[string]any)
	for _, other := range append(slices.Sorted(maps.Keys(values)), slices.Sorted(maps.Keys(workloads))...) {
		if other != "workloads" && other != workload {
			faults = append(faults, fmt.Errorf("%s: %s: does not belong here: the file holds workloads.%s and nothing else", f.Path, terminal.Line(other), workload))
		}
	}

	return faults
}

// Write puts the environment's files that may be promoted into a folder of environments, and leaves everything else there.
// Nothing outside of the environment's own folder is written or removed, whatever links are there.
func (e *Environment) Write(root string) error {
	to := filepath.Join(root, e.Name)
	if err := noLinks(to, filepath.Join(to, "release.yaml"), filepath.Join(to, "rules")); err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}

	folder, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.MkdirAll("rules", 0o755); err != nil {
		return err
	}
	if err := folder.WriteFile("release.yaml", e.Release, 0o644); err != nil {
		return err
	}

	// What is gone before is gone after.
	there, err := fs.Glob(folder.FS(), "rules/*.yaml")
	if err != nil {
		return err
	}

	for _, file := range there {
		if _, ok := e.Rules[strings.TrimSuffix(path.Base(file), ".yaml")]; ok {
			continue
		}
		if err := folder.Remove(file); err != nil {
			return err
		}
	}

	for workload, file := range e.Rules {
		if err := folder.WriteFile(path.Join("rules", workload+".yaml"), file.Text, 0o644); err != nil {
			return err
		}
	}

	return nil
}
