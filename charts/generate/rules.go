package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// schema is a JSON Schema of the subset that Helm and editors read alike
// (draft-07 without references).
type schema = map[string]any

// limits are what rewrite.Parse holds a field to beyond its Go type. A test
// holds them against Parse.
var limits = map[string]schema{
	"Config.OnUnsafe":      {"enum": []any{"reject", "keep"}},
	"Pattern.Then":         {"enum": []any{"stop", "next"}},
	"Pattern.Mode":         {"enum": []any{"enforce", "shadow", "disabled"}},
	"Match.Scheme":         {"enum": []any{"http", "https"}},
	"Match.Methods":        {"minItems": 1},
	"Rewrite.Replace":      {"enum": []any{"all", "first", "whole"}},
	"Redirect.Replace":     {"enum": []any{"all", "first", "whole"}},
	"Redirect.Scheme":      {"enum": []any{"http", "https"}},
	"Redirect.Query":       {"enum": []any{"keep", "drop"}},
	"Redirect.Status":      {"enum": []any{301, 302, 303, 307, 308}},
	"Redirect.Port":        {"minimum": 1, "maximum": 65535},
	"Respond.Status":       {"minimum": 200, "maximum": 599},
	"Sample.Percent":       {"minimum": 0, "maximum": 100},
	"ResponseMatch.Status": {"minItems": 1},
}

// rules reads the rule language from the Go struct of its configuration.
//
// invopop/jsonschema would read the same structs, but writes neither a union of
// types, which null needs here, nor knows omitzero.
type rules struct {
	comments map[string]string // of struct fields, by Type.Field
}

// readRules takes the file of rewrite.Config, whose comments become descriptions.
func readRules(configGo string) (rules, error) {
	comments, err := fieldComments(configGo)
	return rules{comments}, err
}

// schemas gives the schema of every key but revision, which the chart writes.
func (r rules) schemas() schema {
	keys := r.object(reflect.TypeFor[rewrite.Config]())["properties"].(schema)
	delete(keys, "revision")
	return keys
}

// table gives all keys in their order as rows of a Markdown table.
func (r rules) table() []byte {
	t := table{rules: r, at: map[reflect.Type]string{}}
	t.text.WriteString("| Key | Type | Meaning |\n|-----|------|---------|\n")
	t.rows(reflect.TypeFor[rewrite.Config](), "")
	return t.text.Bytes()
}

type table struct {
	rules
	text bytes.Buffer
	at   map[reflect.Type]string // where a struct was described
}

func (t *table) rows(of reflect.Type, path string) {
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "revision" {
			continue
		}
		key, inner := path+name, field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice && inner != reflect.TypeFor[rewrite.Strings]() {
			if inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct && inner.Elem() != reflect.TypeFor[rewrite.StatusRange]() {
				key += "[]"
			}
			inner = inner.Elem()
		}
		if inner == reflect.TypeFor[rewrite.Query]() {
			inner = reflect.TypeFor[rewrite.QueryEdits]()
		}
		meaning := t.comments[of.Name()+"."+field.Name]
		nested := inner.Kind() == reflect.Struct && inner != reflect.TypeFor[rewrite.StatusRange]()
		before, described := t.at[inner]
		if nested && described {
			meaning = strings.TrimPrefix(strings.TrimSuffix(meaning, ".")+". The same keys as `"+before+"`.", ". ")
		}
		fmt.Fprintf(&t.text, "| `%s` | %s | %s |\n", key, t.typeOf(field), strings.ReplaceAll(meaning, "|", `\|`))
		if nested && !described {
			t.at[inner] = key
			t.rows(inner, key+".")
		}
	}
}

// typeOf names the types of a field.
func (t *table) typeOf(field reflect.StructField) string {
	s := t.of(field.Type)
	switch kind := s["type"].(type) {
	case []any:
		return fmt.Sprintf("%s or %s", kind...)
	case string:
		items, _ := s["items"].(schema)
		if of, ok := items["type"].(string); ok && of != "object" {
			return "list of " + of + "s"
		}
		return strings.Replace(kind, "array", "list", 1)
	}
	return "any"
}

func (r rules) of(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[rewrite.Var]():
		return schema{}
	case reflect.TypeFor[rewrite.Strings]():
		return schema{"type": []any{"string", "array"}, "items": schema{"type": "string"}, "minItems": 1}
	case reflect.TypeFor[rewrite.StatusRange]():
		return schema{"type": []any{"integer", "string"}, "minimum": 100, "maximum": 599, "pattern": "^[1-5]xx$"}
	case reflect.TypeFor[rewrite.Query]():
		edits := r.of(reflect.TypeFor[rewrite.QueryEdits]())
		edits["type"] = []any{"string", "object"}
		edits["pattern"] = "^(keep|drop)$"
		return edits
	}
	switch t.Kind() {
	case reflect.Pointer:
		return r.of(t.Elem())
	case reflect.Struct:
		return r.object(t)
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": r.of(t.Elem())}
	case reflect.Slice:
		return schema{"type": "array", "items": r.of(t.Elem())}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int:
		return schema{"type": "integer"}
	case reflect.Float64:
		return schema{"type": "number"}
	}
	panic(fmt.Sprintf("a configuration with a field of type %s has no schema yet", t))
}

func (r rules) object(t reflect.Type) schema {
	properties := schema{}
	var required []any
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			continue
		}
		name, _, optional := strings.Cut(field.Tag.Get("json"), ",")
		if !optional {
			required = append(required, name)
		}
		property := r.of(field.Type)
		place := t.Name() + "." + field.Name
		for key, value := range limits[place] {
			property[key] = value
		}
		if comment := r.comments[place]; comment != "" {
			property["description"] = comment
		}
		properties[name] = property
	}
	object := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		object["required"] = required
	}
	return object
}

// fieldComments gives the comments of all struct fields in a Go file, by Type.Field.
func fieldComments(file string) (map[string]string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range of.Fields.List {
				text := field.Doc.Text()
				if text == "" {
					text = field.Comment.Text()
				}
				for _, name := range field.Names {
					comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(text), " ")
				}
			}
		}
		return false
	})
	return comments, nil
}
