package main

import (
	"encoding/json"
	"os"
	"testing"
)

// TestEditorsShowTexts looks for keys without a text in the schema of editors: what a key says in
// a condition hides what it says in its place, so both need one.
func TestEditorsShowTexts(t *testing.T) {
	text, err := os.ReadFile("../wasm-rewrite/" + editorFile)
	if err != nil {
		t.Fatal(err)
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}

	seen := 0
	var look func(at string, s schema)
	look = func(at string, s schema) {
		properties, _ := s["properties"].(schema)
		for key, property := range properties {
			property, ok := property.(schema)
			if !ok {
				continue
			}

			seen++
			refused := property["const"] != nil || property["then"] != nil && property["if"] != nil // answered, and no key at all
			if property["description"] == nil && !refused {
				t.Errorf("%s.%s has no text", at, key)
			}
			look(at+"."+key, property)
		}

		for _, key := range []string{"items", "additionalProperties", "if", "not"} {
			if part, ok := s[key].(schema); ok {
				look(at, part)
			}
		}
	}
	look("", root)

	definitions, _ := root["definitions"].(schema)
	for name, definition := range definitions {
		look("definitions."+name, definition.(schema))
	}

	if seen < 150 {
		t.Errorf("%d keys: some are missing", seen)
	}
}
