package plan

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Fields is a mapping whose keys stay in order: a piece of the rule language.
type Fields []Field

// Field is one key of Fields. Its value is text, a number, a boolean, Fields or
// a list of these.
type Field struct {
	Key   string
	Value any
}

// With gives the fields and one more, unless its value is empty.
func (f Fields) With(key string, value any) Fields {
	switch v := value.(type) {
	case nil:
		return f
	case string:
		if v == "" {
			return f
		}
	case Fields:
		if len(v) == 0 {
			return f
		}
	case []any:
		if len(v) == 0 {
			return f
		}
	}

	return append(slices.Clip(f), Field{key, value})
}

// Get gives the value of a key, or nil.
func (f Fields) Get(key string) any {
	for _, one := range f {
		if one.Key == key {
			return one.Value
		}
	}
	return nil
}

// Put gives the fields with key set to value, where it was or in front.
func (f Fields) Put(key string, value any) Fields {
	f = slices.Clone(f)
	for i := range f {
		if f[i].Key == key {
			f[i].Value = value
			return f
		}
	}
	return append(Fields{{key, value}}, f...)
}

// Merge gives the fields of both. A key that both have is merged: mappings by
// their keys, lists one after the other; of anything else the second's counts.
func (f Fields) Merge(g Fields) Fields {
	all := slices.Clone(f)
	for _, one := range g {
		i := slices.IndexFunc(all, func(f Field) bool { return f.Key == one.Key })
		if i < 0 {
			all = append(all, one)
			continue
		}

		switch v := one.Value.(type) {
		case Fields:
			if was, ok := all[i].Value.(Fields); ok {
				all[i].Value = was.Merge(v)
				continue
			}
		case []any:
			if was, ok := all[i].Value.([]any); ok {
				all[i].Value = append(slices.Clip(was), v...)
				continue
			}
		}

		all[i].Value = one.Value
	}

	return all
}

// Plain is the mapping as YAML and JSON give it back.
func (f Fields) Plain() map[string]any {
	m := make(map[string]any, len(f))
	for _, one := range f {
		m[one.Key] = plain(one.Value)
	}
	return m
}

func plain(value any) any {
	switch v := value.(type) {
	case Fields:
		return v.Plain()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case int:
		return float64(v)
	}

	return value
}

// flow are the mappings that are written on one line.
var flow = []string{"match", "rewrite", "redirect", "respond", "headers", "selector", "unless"}

// MarshalYAML keeps the order of the keys, and short mappings on one line.
func (f Fields) MarshalYAML() (any, error) { return node(f), nil }

// ambiguous is text that some parsers of YAML take for something else.
var ambiguous = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|~|[-+.]?[0-9][-+.:_0-9a-fox]*)$`)

// node writes a value as YAML. The tree is made by hand: encoding each value by
// itself takes many times as long.
func node(value any) *yaml.Node {
	n := &yaml.Node{}
	switch v := value.(type) {
	case Fields:
		n.Kind = yaml.MappingNode
		for _, one := range v {
			child := node(one.Value)
			if slices.Contains(flow, one.Key) {
				child.Style = yaml.FlowStyle
			}

			n.Content = append(n.Content, node(one.Key), child)
		}
	case []any:
		n.Kind = yaml.SequenceNode
		for _, one := range v {
			n.Content = append(n.Content, node(one))
		}
	case string:
		n.SetString(v)
		// What is not plain text survives in no other style, and what is not seen can be escaped in no other.
		if n.Style == yaml.LiteralStyle || strings.ContainsRune(v, '\u0085') || strings.ContainsFunc(v, Unseen) || ambiguous.MatchString(v) {
			n.Style = yaml.DoubleQuotedStyle
		}
	case int:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!int", strconv.Itoa(v)
	case bool:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!bool", strconv.FormatBool(v)
	}

	return n
}

// Unseen reports whether a character is not seen, or turns the direction of the text around it.
func Unseen(r rune) bool { return unicode.Is(unicode.Cf, r) }

// Literal writes text so that it holds no reference.
func Literal(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "$", "$$")
}

// Without gives the fields without a key.
func (f Fields) Without(key string) Fields {
	return slices.DeleteFunc(slices.Clone(f), func(one Field) bool { return one.Key == key })
}
