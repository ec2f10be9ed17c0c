package answers

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// read reads what a user pastes: values of the chart, plain rules, or a rendered manifest.
func read(text string) (*input.Input, error) {
	docs, err := input.Parse("values", []byte(text))
	if err != nil {
		return nil, err
	}
	if docs.Tell() != input.Values {
		return docs.Input("")
	}

	in := &input.Input{Kind: input.Values}
	for _, doc := range docs {
		if err := workloads(in, doc); err != nil {
			return nil, err
		}
	}

	return in, nil
}

// workloads does for the rules what the chart's templates do, but that no revision is written: it is of rules and module.
func workloads(in *input.Input, doc input.Document) error {
	values := doc.Object
	written, _ := values["workloads"].(map[string]any)
	defaults, _ := values["defaults"].(map[string]any)

	everywhere := input.TakeIgnored(defaults)
	for _, name := range slices.Sorted(maps.Keys(written)) {
		one, isMap := written[name].(map[string]any)
		if !isMap {
			continue
		}

		// The defaults lie under what the workload says.
		ignored := append(slices.Clone(everywhere), input.TakeIgnored(one)...)
		whole := map[string]any{"enabled": true, "phase": "UNSPECIFIED_PHASE"}
		overlay(whole, defaults)
		overlay(whole, one)
		if whole["enabled"] == false {
			continue
		}

		// Of the whole, the filter gets the keys of the language.
		w := input.Workload{Name: name, Ignored: ignored, Places: doc.Places.At("defaults").Over(doc.Places.At("workloads", name))}
		w.Phase, _ = whole["phase"].(string)

		config := map[string]any{}
		for _, key := range ruleKeys() {
			if v, ok := whole[key]; ok {
				config[key] = v
			}
		}
		var err error
		if w.Config, err = compact(config); err != nil {
			return err
		}
		if tests := one["tests"]; tests != nil {
			w.Tests, w.TestFault = example.Parse(tests)
		}

		in.Workloads = append(in.Workloads, w)
	}

	return nil
}

// overlay writes a map over another: maps merge deeply, everything else replaces, null removes. What from holds is not
// changed.
func overlay(into, from map[string]any) {
	for key, value := range from {
		below, isMap := value.(map[string]any)
		switch {
		case value == nil:
			delete(into, key)
		case isMap:
			merged := map[string]any{}
			if was, ok := into[key].(map[string]any); ok {
				maps.Copy(merged, was)
			}
			overlay(merged, below)
			into[key] = merged
		default:
			into[key] = value
		}
	}
}

// ruleKeys are the keys of a configuration that a user writes.
func ruleKeys() (keys []string) {
	config := reflect.TypeFor[rewrite.Config]()
	for i := range config.NumField() {
		key, _, _ := strings.Cut(config.Field(i).Tag.Get("json"), ",")
		if key != "" && key != "-" && key != "revision" {
			keys = append(keys, key)
		}
	}
	return keys
}

func compact(v any) ([]byte, error) {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(text.String(), "\n")), nil
}

// pick gives the workload of a name, or else the first.
func pick(in *input.Input, name string) (*input.Workload, error) {
	for i := range in.Workloads {
		if in.Workloads[i].Name == name {
			return &in.Workloads[i], nil
		}
	}
	if len(in.Workloads) == 0 {
		return nil, errNoWorkload
	}
	return &in.Workloads[0], nil
}
