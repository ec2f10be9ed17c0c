// Package change says in words what a change of rules means: which values and patterns differ, and what an exchange with
// a client becomes before and after it.
package change

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Values are the paths below which two values differ, with both where they are short.
func Values(path string, was, is any) (changes []string) {
	before, ok := was.(map[string]any)
	after, ok2 := is.(map[string]any)
	if ok && ok2 {
		all := map[string]any{}
		maps.Copy(all, before)
		maps.Copy(all, after)

		for _, key := range slices.Sorted(maps.Keys(all)) {
			changes = append(changes, Values(strings.TrimPrefix(path+"."+terminal.Line(key), "."), before[key], after[key])...)
		}
		return changes
	}
	if reflect.DeepEqual(was, is) {
		return nil
	}

	return []string{fmt.Sprintf("%s %s → %s", path, valueText(was), valueText(is))}
}

func valueText(v any) string {
	if v == nil {
		return "none"
	}

	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return terminal.Cut(string(text))
}

// Rules are lines that say which patterns are new, changed and gone, and what else is different. A workload that is nil
// has no rules.
func Rules(was, is *input.Workload) (lines []string, err error) {
	before, err := parse(was)
	if err != nil {
		return nil, err
	}

	after, err := parse(is)
	if err != nil {
		return nil, err
	}

	add := func(word, what string) { lines = append(lines, fmt.Sprintf("%-8s %s", word, what)) }

	for _, name := range after.order {
		old, ok := before.patterns[name]
		switch {
		case !ok:
			add("new", name)
		case !reflect.DeepEqual(old, after.patterns[name]):
			add("changed", name+": "+strings.Join(Values("", old, after.patterns[name]), ", "))
		}
	}

	for _, name := range before.order {
		if _, ok := after.patterns[name]; !ok {
			add("gone", name)
		}
	}

	// The order of those that stayed.
	if now := after.kept(before); !slices.Equal(before.kept(after), now) {
		add("order", strings.Join(now, ", "))
	}

	for _, change := range Values("", before.rest, after.rest) {
		add("changed", change)
	}

	return lines, nil
}

// rules is a configuration, as JSON gives it.
type rules struct {
	patterns map[string]any
	order    []string
	rest     map[string]any // without patterns and revision
}

// kept are the patterns that another configuration has, too.
func (r rules) kept(in rules) []string {
	return slices.DeleteFunc(slices.Clone(r.order), func(name string) bool { _, ok := in.patterns[name]; return !ok })
}

func parse(w *input.Workload) (rules, error) {
	r := rules{patterns: map[string]any{}, rest: map[string]any{}}
	if w == nil || len(w.Config) == 0 {
		return r, nil
	}
	var whole map[string]any
	if err := json.Unmarshal(w.Config, &whole); err != nil {
		return r, fmt.Errorf("its configuration is not a JSON object: %w", err)
	}

	list, _ := whole["patterns"].([]any)
	for i, pattern := range list {
		name := fmt.Sprintf("pattern-%d", i)
		if p, ok := pattern.(map[string]any); ok {
			if written, ok := p["name"].(string); ok && written != "" {
				name = written
			}
		}

		r.patterns[name] = pattern
		r.order = append(r.order, name)
	}

	delete(whole, "patterns")
	delete(whole, "revision")
	maps.Copy(r.rest, whole)

	return r, nil
}
