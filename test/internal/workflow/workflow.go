// Package workflow reads GitHub's workflow files as far as this repository uses them: jobs, what they need, the
// workflows that they call, steps that run a command, and expressions that name a value.
package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Workflow is one file.
type Workflow struct {
	File        string            `yaml:"-"`
	Name        string            `yaml:"name"`
	RunName     string            `yaml:"run-name"`
	On          map[string]*Event `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency map[string]any    `yaml:"concurrency"`
	Jobs        map[string]*Job   `yaml:"jobs"`
}

// Event is what starts a workflow. Only what a call hands over is read.
type Event struct {
	Outputs map[string]struct {
		Value string `yaml:"value"`
	} `yaml:"outputs"`
	Rest map[string]any `yaml:",inline"`
}

// UnmarshalYAML takes a list too: a schedule's.
func (e *Event) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	type plain Event
	return node.Decode((*plain)(e))
}

// Job is one job: steps, or a call of another workflow.
type Job struct {
	Name        string            `yaml:"name"`
	Needs       Names             `yaml:"needs"`
	If          string            `yaml:"if"`
	RunsOn      string            `yaml:"runs-on"`
	Timeout     int               `yaml:"timeout-minutes"`
	Environment string            `yaml:"environment"`
	Permissions map[string]string `yaml:"permissions"`
	Strategy    map[string]any    `yaml:"strategy"`
	Env         map[string]string `yaml:"env"`
	Outputs     map[string]string `yaml:"outputs"`
	Uses        string            `yaml:"uses"`
	With        map[string]string `yaml:"with"`
	Steps       []*Step           `yaml:"steps"`
}

// Step is one step: a command, or an action.
type Step struct {
	ID   string            `yaml:"id"`
	Name string            `yaml:"name"`
	If   string            `yaml:"if"`
	Uses string            `yaml:"uses"`
	With map[string]string `yaml:"with"`
	Env  map[string]string `yaml:"env"`
	Run  string            `yaml:"run"`
}

// Names is a name or a list of them.
type Names []string

// UnmarshalYAML takes both.
func (n *Names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*n = Names{node.Value}
		return nil
	}
	return node.Decode((*[]string)(n))
}

// Read reads a file. A key that this package does not know is an error.
func Read(file string) (*Workflow, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}

	w := &Workflow{File: file}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(w); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}

	return w, nil
}

// Order lists the jobs so that each comes after those that it needs, by name where that leaves a choice.
func (w *Workflow) Order() ([]string, error) {
	var order []string
	for len(order) < len(w.Jobs) {
		next := ""
		for _, name := range slices.Sorted(maps.Keys(w.Jobs)) {
			if !slices.Contains(order, name) && !slices.ContainsFunc(w.Jobs[name].Needs, func(need string) bool { return !slices.Contains(order, need) }) {
				next = name
				break
			}
		}
		if next == "" {
			return nil, fmt.Errorf("%s: after %v, every job needs one that never runs", w.File, order)
		}

		order = append(order, next)
	}

	return order, nil
}

// Values are what expressions name, as needs.publish.outputs.filter.
type Values map[string]string

var expression = regexp.MustCompile(`\$\{\{\s*(.*?)\s*\}\}`)

// Expand puts values into the expressions of a text. `a || b` is the first that is not empty. A name without a value is
// an error.
func (v Values) Expand(text string) (string, error) {
	var unknown []error
	out := expression.ReplaceAllStringFunc(text, func(found string) string {
		for name := range strings.SplitSeq(expression.FindStringSubmatch(found)[1], "||") {
			value, ok := v[strings.TrimSpace(name)]
			if !ok {
				unknown = append(unknown, fmt.Errorf("%s: nothing has set %s", found, strings.TrimSpace(name)))
			} else if value != "" {
				return value
			}
		}
		return ""
	})

	return out, errors.Join(unknown...)
}

// Make are the targets that a command asks make for; ok reports whether the command is one make and nothing else.
func (s *Step) Make() (targets []string, ok bool) {
	words := strings.Fields(s.Run)
	if len(words) > 0 && words[0] == "sudo" {
		words = words[1:]
		for len(words) > 0 && strings.HasPrefix(words[0], "-") {
			words = words[1:]
		}
	}
	if len(words) < 2 || words[0] != "make" || strings.ContainsAny(s.Run, "\n;&|<>$`'\"") {
		return nil, false
	}

	for _, word := range words[1:] {
		if !strings.Contains(word, "=") {
			targets = append(targets, word)
		}
	}

	return targets, true
}
