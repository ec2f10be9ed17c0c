package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// named is a key that a schema carries while it is made: what its definition
// would be called.
const named = "x-name"

// definitions moves what is said more than once to one place. Helm 3 and 4 and
// editors follow local references.
type definitions struct {
	seen  map[string]int    // how often each named schema is there
	names map[string]string // of those that are definitions
	made  schema
}

// define gives a schema with its definitions, and without names.
func define(root schema) schema {
	d := &definitions{seen: map[string]int{}, names: map[string]string{}, made: schema{}}
	d.count(root)
	root = d.rewrite(root).(schema)
	root["definitions"] = d.made
	return root
}

func (d *definitions) count(v any) {
	switch v := v.(type) {
	case schema:
		if v[named] != nil {
			d.seen[content(v)]++
		}

		for _, one := range v {
			d.count(one)
		}
	case []any:
		for _, one := range v {
			d.count(one)
		}
	}
}

// content is what makes two schemas the same: all but their own description.
func content(s schema) string {
	bare := schema{}
	for key, value := range s {
		if key != "description" {
			bare[key] = value
		}
	}

	text, err := json.Marshal(bare)
	if err != nil {
		panic(err) // a schema is made of maps, lists and texts
	}

	return string(text)
}

func (d *definitions) rewrite(v any) any {
	switch v := v.(type) {
	case schema:
		return d.refer(v)
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = d.rewrite(out[i])
		}
		return out
	}

	return v
}

// refer gives a schema whose repeated parts are references, or a reference to it.
func (d *definitions) refer(s schema) schema {
	bare := schema{}
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if key != named && key != "description" {
			bare[key] = d.rewrite(s[key])
		}
	}

	name, _ := s[named].(string)
	text := content(s)
	if name != "" && d.seen[text] > 1 {
		if d.names[text] == "" {
			d.names[text] = d.free(name)
			d.made[d.names[text]] = bare
		}

		bare = schema{"$ref": "#/definitions/" + d.names[text]}
	}
	if s["description"] != nil {
		bare["description"] = s["description"]
	}

	return bare
}

// free gives a name that no definition has.
func (d *definitions) free(name string) string {
	taken := func(name string) bool { return d.made[name] != nil }

	free := name
	for i := 2; taken(free); i++ {
		free = name + strconv.Itoa(i)
	}
	return free
}
