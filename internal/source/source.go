// Package source knows where things are written in YAML: the file, line and
// column of every key, also where several files are merged.
package source

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	problem "sigs.k8s.io/yaml"
)

// Place is where a key, or an entry of a list, is written. Lines and columns
// count from 1; the zero value is not a place.
type Place struct {
	File         string
	Line, Column int
}

// IsZero reports whether it is not a place.
func (p Place) IsZero() bool { return p.Line == 0 }

func (p Place) String() string {
	if p.IsZero() {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}

// Map is a value of YAML with the places of all that is in it. It is never
// changed once it is made. A nil Map knows no places.
type Map struct {
	place Place
	keys  map[string]*Map
	items []*Map
	text  string
	plain bool
	key   string // as it is written, where YAML reads it as something else
}

// Place is where the value's key is written, or the entry of a list itself.
func (m *Map) Place() Place {
	if m == nil {
		return Place{}
	}
	return m.place
}

// Text is a scalar as it is written, without its quotes; plain says that it
// has none.
func (m *Map) Text() (text string, plain bool) {
	if m == nil {
		return "", false
	}
	return m.text, m.plain
}

// At gives what is under keys, or nil.
func (m *Map) At(keys ...string) *Map {
	for _, key := range keys {
		if m == nil {
			return nil
		}

		m = m.keys[key]
	}
	return m
}

// Item gives an entry of a list, or nil.
func (m *Map) Item(i int) *Map {
	if m == nil || i < 0 || i >= len(m.items) {
		return nil
	}
	return m.items[i]
}

// Misread calls visit for every key below that is not what is written, with its
// path and the text as it is written.
func (m *Map) Misread(at string, visit func(path, written string, place Place)) {
	if m == nil {
		return
	}
	if m.key != "" {
		visit(at, m.key, m.place)
	}

	for _, key := range slices.Sorted(maps.Keys(m.keys)) {
		m.keys[key].Misread(strings.TrimPrefix(at+"."+key, "."), visit)
	}

	for i, item := range m.items {
		item.Misread(at+"["+strconv.Itoa(i)+"]", visit)
	}
}

// Keys are the keys of a map, in no order.
func (m *Map) Keys() (keys []string) {
	if m == nil {
		return nil
	}

	for key := range m.keys {
		keys = append(keys, key)
	}
	return keys
}

// Find gives what a path such as patterns[2].headers.set.x-a names, or the
// nearest thing around it; exact says which.
func (m *Map) Find(path string) (found *Map, exact bool) {
	for path != "" {
		next, rest := m.step(path)
		if next == nil {
			return m, false
		}

		m, path = next, strings.TrimPrefix(rest, ".")
	}
	return m, true
}

// step takes the first part of a path. Keys may have dots in them, so the
// longest key that fits is meant.
func (m *Map) step(path string) (next *Map, rest string) {
	if m == nil {
		return nil, ""
	}
	if index, ok := strings.CutPrefix(path, "["); ok {
		number, rest, _ := strings.Cut(index, "]")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(m.items) {
			return nil, ""
		}
		return m.items[i], rest
	}

	for end := len(path); end > 0; end-- {
		if end < len(path) && path[end] != '.' && path[end] != '[' {
			continue
		}
		if next := m.keys[path[:end]]; next != nil {
			return next, path[end:]
		}
	}

	return nil, ""
}

// Over gives m with other over it, as Helm merges values: maps key by key,
// anything else whole.
func (m *Map) Over(other *Map) *Map {
	switch {
	case m == nil:
		return other
	case other == nil:
		return m
	case m.keys == nil || other.keys == nil:
		return other
	}

	merged := &Map{place: other.place, key: other.key, keys: make(map[string]*Map, len(m.keys)+len(other.keys))}
	for key, value := range m.keys {
		merged.keys[key] = value
	}

	for key, value := range other.keys {
		merged.keys[key] = merged.keys[key].Over(value)
	}

	return merged
}

// Without gives m without what is under keys.
func (m *Map) Without(keys ...string) *Map {
	if m == nil || m.keys[keys[0]] == nil {
		return m
	}

	less := &Map{place: m.place, key: m.key, keys: make(map[string]*Map, len(m.keys))}
	for key, value := range m.keys {
		less.keys[key] = value
	}
	if len(keys) > 1 {
		less.keys[keys[0]] = m.keys[keys[0]].Without(keys[1:]...)
	} else {
		delete(less.keys, keys[0])
	}

	return less
}

// reader makes a Map of nodes.
type reader struct {
	file  string
	lines []string            // the document's
	above int                 // lines of the file before the document
	made  map[*yaml.Node]*Map // a node that aliases name is made once
	twice func(key, first Place, name string)
	// misread is told of two that are one for what YAML reads one of them as.
	misread func(key, first Place, name, written string)
	// none is told of a key that is not a text and cannot be one.
	none func(key Place, written string)
	// cut is told of a text that a comma cuts in two, and of what follows it.
	cut func(text Place, first, rest string)
}

func (r *reader) at(n *yaml.Node) Place { return Place{r.file, r.above + n.Line, n.Column} }

// value makes a Map of a node whose key is at place.
func (r *reader) value(n *yaml.Node, place Place) *Map {
	if n.Kind == yaml.AliasNode {
		if made := r.made[n.Alias]; made != nil {
			shared := *made
			shared.place = place
			return &shared
		}
		return &Map{place: place}
	}

	m := &Map{place: place}
	switch n.Kind {
	case yaml.MappingNode:
		r.mapping(m, n)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			m.items = append(m.items, r.value(item, r.at(item)))
		}
	case yaml.ScalarNode:
		m.text, m.plain = n.Value, n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0
	}
	if n.Anchor != "" {
		r.made[n] = m
	}

	return m
}

// noColon says that a key of a map in { } is only a piece of text.
func (r *reader) noColon(key, value *yaml.Node) bool {
	if key.Style != 0 || value.Kind != yaml.ScalarNode || value.Style != 0 || value.Value != "" || key.Line > len(r.lines) {
		return false
	}

	written := []rune(r.lines[key.Line-1])
	after := key.Column - 1 + len([]rune(key.Value))

	return after <= len(written) && !strings.HasPrefix(strings.TrimSpace(string(written[after:])), ":")
}

// odd are keys without quotes that YAML may read as a number, a boolean or null.
var odd = regexp.MustCompile(`(?i)^(?:y|yes|n|no|on|off|true|false|null|~|[-+.]?[0-9.].*|[-+]?\.(?:inf|nan))$`)

// readAs gives what Helm and Kubernetes read a key without quotes as: they write
// YAML 1.1, in which y is true, as JSON, whose keys are texts.
func (r *reader) readAs(key *yaml.Node, made *Map) string {
	if !odd.MatchString(key.Value) {
		return key.Value
	}

	var read map[string]any
	if err := problem.Unmarshal([]byte(key.Value+": 1\n"), &read); err != nil {
		r.none(r.at(key), key.Value)
		return key.Value
	}

	for name := range read {
		if name != key.Value {
			made.key = key.Value
			return name
		}
	}

	return key.Value
}

func (r *reader) mapping(m *Map, n *yaml.Node) {
	m.keys = make(map[string]*Map, len(n.Content)/2)

	var merged []*Map
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]

		if i > 0 && n.Style&yaml.FlowStyle != 0 && r.noColon(key, value) {
			if before := n.Content[i-1]; before.Kind == yaml.ScalarNode && before.Style == 0 && before.Value != "" && before.Line == key.Line {
				r.cut(r.at(before), before.Value, key.Value)
			}
		}

		made := r.value(value, r.at(key))
		name := key.Value
		if key.Kind == yaml.ScalarNode && key.Style == 0 && key.Tag != "!!merge" {
			name = r.readAs(key, made)
		}

		switch first := m.keys[name]; {
		case key.Tag == "!!merge":
			merged = append(merged, made)
			merged = append(merged, made.items...)
		case first != nil && (made.key != "" || first.key != ""):
			r.misread(r.at(key), first.place, name, key.Value)
		case first != nil:
			r.twice(r.at(key), first.place, name)
		default:
			m.keys[name] = made
		}
	}

	// What `<<` brings in is under the keys that are written out.
	for _, other := range merged {
		for key, value := range other.keys {
			if m.keys[key] == nil {
				m.keys[key] = value
			}
		}
	}
}
