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

// rules reads the rule language: its tables from the engine, the manual from the
// comments of its structs.
type rules struct {
	structs map[string]map[string]manual // by Go type, by key
}

// manual is what the struct of an object says about a key.
type manual struct {
	comment string
	of      string // the struct of its value, or of what is in it
}

// readRules takes the file of rewrite.Config, whose comments become descriptions.
func readRules(configGo string) (rules, error) {
	structs, err := manuals(configGo)
	return rules{structs}, err
}

// schemas gives the schema of every key but revision, which the chart writes.
func (r rules) schemas() schema {
	keys := r.of(rewrite.Language(), "Config")["properties"].(schema)
	delete(keys, "revision")
	return keys
}

// of gives the schema of a type, whose Go struct has a name.
func (r rules) of(t *rewrite.Type, name string) schema {
	s := r.bare(t, name)
	s[named] = nameOf(t, name)
	return s
}

// nameOf is what the definition of a type is called.
func nameOf(t *rewrite.Type, name string) string {
	switch t.Form {
	case rewrite.Text:
		return formats[t.Format].name
	case rewrite.TextOrList:
		return formats[t.Format].name + "OrList"
	case rewrite.Object, rewrite.WordOrObject:
		return strings.ToLower(name[:1]) + name[1:]
	case rewrite.List:
		return nameOf(t.Elem, name) + "List"
	case rewrite.Map:
		return nameOf(t.Elem, name) + "ByName"
	}

	return strings.ToLower(strings.Join(t.Words, "Or"))
}

func (r rules) bare(t *rewrite.Type, name string) schema {
	s := schema{}
	switch t.Form {
	case rewrite.Text:
		s["type"] = "string"
		hold(s, t)
	case rewrite.TextOrList:
		items := schema{"type": "string", named: formats[t.Format].name}
		hold(items, t)
		hold(s, t)
		s["type"], s["items"] = []any{"string", "array"}, items
	case rewrite.Flag:
		s["type"] = "boolean"
	case rewrite.Number:
		s["type"] = "integer"
	case rewrite.Share:
		s["type"] = "number"
	case rewrite.Word:
		s["type"], s["enum"] = "string", words(t)
	case rewrite.Status:
		s["type"] = []any{"integer", "string"}
		refuse(s, []refusal{{
			bad: schema{"not": schema{"anyOf": []any{isNull, schema{"type": "integer", "minimum": 100, "maximum": 599},
				schema{"type": "string", "pattern": "^[1-5]xx$"}}}},
			want: "a status from 100 to 599, or a class from 1xx to 5xx",
		}})
	case rewrite.List:
		s["type"], s["items"] = "array", r.of(t.Elem, name)
		if t.Max > 0 {
			s["maxItems"] = t.Max
		}
	case rewrite.Map:
		s["type"] = "object"
		s["additionalProperties"] = r.of(t.Elem, name)
		holdNames(s, t.Names)
	case rewrite.Object:
		s = r.object(t, name)
	case rewrite.WordOrObject:
		s = r.object(t, name)
		s["type"], s["pattern"] = []any{"string", "object"}, "^("+strings.Join(t.Words, "|")+")$"
	}
	if t.Numbers != nil {
		enum := make([]any, len(t.Numbers))
		for i, n := range t.Numbers {
			enum[i] = n
		}

		s["enum"] = enum
	} else if t.Form == rewrite.Number || t.Form == rewrite.Share {
		s["minimum"], s["maximum"] = t.Min, t.Max
	}
	if t.Empty != "" {
		s["minItems"] = 1
	}

	return s
}

func words(t *rewrite.Type) (enum []any) {
	for _, word := range t.Words {
		enum = append(enum, word)
	}
	return enum
}

func (r rules) object(t *rewrite.Type, name string) schema {
	properties := schema{}

	var required []any
	for _, key := range t.Keys {
		said := r.said(name, key.Name)
		property := r.of(key.Type, said.of)
		if said.comment != "" {
			property["description"] = said.comment
		}

		properties[key.Name] = property
		if key.Type.Required || key.Type.Missing != "" {
			required = append(required, key.Name)
		}
	}

	object := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		object["required"] = required
	}
	combine(object, t, name)

	return object
}

// said gives the manual of a key.
func (r rules) said(name, key string) manual {
	said, found := r.structs[name][key]
	if !found {
		panic(fmt.Sprintf("the struct %s of the configuration has no field for %s", name, key))
	}
	return said
}

// table gives all keys in their order as rows of a Markdown table.
func (r rules) table() []byte {
	t := table{rules: r, at: map[string]string{}}
	t.text.WriteString("| Key | Type | Meaning |\n|-----|------|---------|\n")
	t.rows(rewrite.Language(), "Config", "")
	return t.text.Bytes()
}

type table struct {
	rules
	text bytes.Buffer
	at   map[string]string // where a struct was described
}

func (t *table) rows(of *rewrite.Type, name, path string) {
	for _, key := range of.Keys {
		if key.Name == "revision" {
			continue
		}

		said, at, inner := t.said(name, key.Name), path+key.Name, key.Type
		if inner.Form == rewrite.List && inner.Elem.Form == rewrite.Object {
			at, inner = at+"[]", inner.Elem
		}

		meaning, before, described := said.comment, t.at[said.of], t.at[said.of] != ""
		if inner.Keys != nil && described {
			meaning = strings.TrimPrefix(strings.TrimSuffix(meaning, ".")+". The same keys as `"+before+"`.", ". ")
		}
		fmt.Fprintf(&t.text, "| `%s` | %s | %s |\n", at, typeName(key.Type), strings.ReplaceAll(meaning, "|", `\|`))
		if inner.Keys != nil && !described {
			t.at[said.of] = at
			t.rows(inner, said.of, at+".")
		}
	}
}

// typeName names a type in the reference.
func typeName(t *rewrite.Type) string {
	switch t.Form {
	case rewrite.Flag:
		return "boolean"
	case rewrite.Number:
		return "integer"
	case rewrite.Share:
		return "number"
	case rewrite.TextOrList:
		return "string or array"
	case rewrite.WordOrObject:
		return "string or object"
	case rewrite.Map, rewrite.Object:
		return "object"
	case rewrite.List:
		if t.Elem.Form == rewrite.Text {
			return "list of strings"
		}
		return "list"
	}

	return "string"
}

// manuals reads the structs of a Go file: the comment of each field, and the
// struct it leads to, by the field's key.
func manuals(file string) (map[string]map[string]manual, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}

	structs := map[string]map[string]manual{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.StructType); ok {
			structs[spec.Name.Name] = fields(of)
		}
		return false
	})

	// What is in a field that is a word or an object is its object.
	for _, keys := range structs {
		for key, said := range keys {
			if edits, found := structs[said.of]; found && len(edits) == 0 {
				said.of += "Edits"
				keys[key] = said
			}
		}
	}

	return structs, nil
}

func fields(of *ast.StructType) map[string]manual {
	keys := map[string]manual{}
	for _, field := range of.Fields.List {
		if field.Tag == nil {
			continue
		}

		key, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
		text := field.Doc.Text()
		if text == "" {
			text = field.Comment.Text()
		}

		keys[key] = manual{strings.Join(strings.Fields(text), " "), structOf(field.Type)}
	}

	return keys
}

// structOf names the type that a field leads to.
func structOf(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.StarExpr:
		return structOf(of.X)
	case *ast.ArrayType:
		return structOf(of.Elt)
	case *ast.MapType:
		return structOf(of.Value)
	}

	return ""
}
