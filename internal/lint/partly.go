package lint

import (
	"encoding/json"
	"slices"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// local are the checks of one text alone, which hold whatever its neighbours are.
var local = []Check{Star, Unanchored, RawPath, ByValue, ByScheme, Grammar, LateHeader, OldName, Dollar, YAMLValue, ConfigShown, ClientHost, UnusedGroup}

// partly looks at what is in order among rules that the engine refuses, so that
// not all of it comes to light one run later. What is refused gives way to a
// pattern that does nothing: the others keep their places.
func partly(w input.Workload, refused []Finding) (findings []Finding) {
	var config map[string]json.RawMessage
	var patterns []json.RawMessage
	if json.Unmarshal(w.Config, &config) != nil || json.Unmarshal(config["patterns"], &patterns) != nil {
		return nil
	}

	broken := map[int]bool{}
	for _, f := range refused {
		if f.Check != Invalid {
			continue
		}

		at := patternOf(f.Path)
		if at < 0 || at >= len(patterns) {
			return nil
		}

		broken[at], patterns[at] = true, json.RawMessage(`{"mode":"disabled","rewrite":{"query":"drop"}}`)
	}

	// The rest, as if it were all.
	var err error
	if config["patterns"], err = json.Marshal(patterns); err != nil {
		return nil
	}
	if w.Config, err = json.Marshal(config); err != nil {
		return nil
	}
	if _, err := rewrite.Load(w.Config); err != nil {
		return nil
	}

	w.TestFault = nil
	for _, f := range workload(w, nil) {
		if slices.Contains(local, f.Check) && !broken[patternOf(f.Path)] {
			findings = append(findings, f)
		}
	}

	return findings
}
