// Package shape holds objects against the types of their API, so that what is
// malformed is named by its path before anything reads it.
package shape

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Fault is a place that is not as the API wants it.
type Fault struct {
	Path   string
	Reason string
	// Unknown: the API knows no such field. It may be misspelt or misplaced, or
	// newer than this program.
	Unknown bool
}

// Check holds an object against the type that v points to.
func Check(doc map[string]any, v any) []Fault {
	var c checker
	c.value("", doc, reflect.TypeOf(v).Elem())
	return c.faults
}

type checker struct{ faults []Fault }

func (c *checker) add(path, reason string, args ...any) {
	c.faults = append(c.faults, Fault{Path: path, Reason: fmt.Sprintf(reason, args...)})
}

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	message     = reflect.TypeFor[proto.Message]()
)

// value holds a value against a Go type of a Kubernetes API.
func (c *checker) value(path string, v any, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		if t.Implements(message) {
			break
		}

		t = t.Elem()
	}
	if v == nil {
		return // null is as good as left out
	}
	if m, ok := reflect.New(t).Interface().(proto.Message); ok {
		c.message(path, v, m.ProtoReflect().Descriptor())
		return
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		text, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(text, reflect.New(t).Interface())
		}
		if err != nil {
			c.add(path, "%s cannot be read: %v", short(v), err)
		}
		return
	}

	switch t.Kind() {
	case reflect.Struct:
		c.object(path, v, t)
	case reflect.Map:
		of, ok := v.(map[string]any)
		if !ok {
			c.add(path, "wants keys and values, and has %s", short(v))
			return
		}

		for _, key := range slices.Sorted(maps.Keys(of)) {
			c.value(path+"."+key, of[key], t.Elem())
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return
		}
		c.list(path, v, func(at string, one any) { c.value(at, one, t.Elem()) })
	case reflect.String:
		if _, ok := v.(string); !ok {
			c.add(path, "wants text, and has %s: put it in quotes", short(v))
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			c.add(path, "wants true or false, and has %s", short(v))
		}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		if !whole(v) {
			c.add(path, "wants a whole number, and has %s", short(v))
		}
	}
}

// list holds every entry of a list against its type.
func (c *checker) list(path string, v any, entry func(at string, one any)) {
	list, ok := v.([]any)
	if !ok {
		c.add(path, "wants a list, and has %s", short(v))
		return
	}

	for i, one := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if one == nil {
			c.add(at, "is empty")
			continue
		}
		entry(at, one)
	}
}

// object holds a mapping against a struct with JSON names.
func (c *checker) object(path string, v any, t reflect.Type) {
	of, ok := v.(map[string]any)
	if !ok {
		c.add(path, "wants keys and values, and has %s", short(v))
		return
	}

	known := map[string]reflect.Type{}
	fields(t, known)

	for _, key := range slices.Sorted(maps.Keys(of)) {
		at := strings.TrimPrefix(path+"."+key, ".")
		if kind, ok := known[key]; ok {
			c.value(at, of[key], kind)
		} else {
			c.faults = append(c.faults, Fault{at, "is not a field of this API: it is misspelt or misplaced, or newer than this program", true})
		}
	}
}

func fields(t reflect.Type, known map[string]reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)

		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			fields(f.Type, known)
		case name != "" && name != "-":
			known[name] = f.Type
		}
	}
}

// message holds a mapping against a protobuf message.
func (c *checker) message(path string, v any, d protoreflect.MessageDescriptor) {
	if d.FullName().Parent() == "google.protobuf" {
		return // durations, wrapped numbers and the like have a text of their own
	}

	of, ok := v.(map[string]any)
	if !ok {
		c.add(path, "wants keys and values, and has %s", short(v))
		return
	}

	for _, key := range slices.Sorted(maps.Keys(of)) {
		at := strings.TrimPrefix(path+"."+key, ".")
		f := d.Fields().ByJSONName(key)
		if f == nil {
			f = d.Fields().ByName(protoreflect.Name(key))
		}
		if f == nil {
			c.faults = append(c.faults, Fault{at, "is not a field of this API: it is misspelt or misplaced, or newer than this program", true})
			continue
		}
		c.field(at, of[key], f)
	}
}

func (c *checker) field(path string, v any, f protoreflect.FieldDescriptor) {
	switch {
	case v == nil:
	case f.IsMap():
		of, ok := v.(map[string]any)
		if !ok {
			c.add(path, "wants keys and values, and has %s", short(v))
			return
		}

		for _, key := range slices.Sorted(maps.Keys(of)) {
			if of[key] == nil {
				c.add(path+"."+key, "is empty")
			} else {
				c.scalar(path+"."+key, of[key], f.MapValue())
			}
		}
	case f.IsList():
		c.list(path, v, func(at string, one any) { c.scalar(at, one, f) })
	default:
		c.scalar(path, v, f)
	}
}

func (c *checker) scalar(path string, v any, f protoreflect.FieldDescriptor) {
	switch f.Kind() {
	case protoreflect.MessageKind:
		c.message(path, v, f.Message())
	case protoreflect.StringKind:
		if _, ok := v.(string); !ok {
			c.add(path, "wants text, and has %s: put it in quotes", short(v))
		}
	case protoreflect.BoolKind:
		if _, ok := v.(bool); !ok {
			c.add(path, "wants true or false, and has %s", short(v))
		}
	case protoreflect.EnumKind:
		text, ok := v.(string)
		if ok && f.Enum().Values().ByName(protoreflect.Name(text)) == nil || !ok && !whole(v) {
			c.add(path, "%s is none of its words", short(v))
		}
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		if !whole(v) {
			c.add(path, "wants a whole number, and has %s", short(v))
		} else if n, ok := v.(float64); ok && n < 0 && (f.Kind() == protoreflect.Uint32Kind || f.Kind() == protoreflect.Uint64Kind) {
			c.add(path, "wants a number from 0, and has %s", short(v))
		}
	}
}

func whole(v any) bool {
	switch n := v.(type) {
	case int, int64, uint64:
		return true
	case float64:
		return n == float64(int64(n))
	}
	return false
}

// short shows a value on a line.
func short(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "keys and values"
	case []any:
		return "a list"
	case string:
		if len(v) > 60 {
			v = v[:60] + "…"
		}
		return fmt.Sprintf("%q", v)
	}

	return fmt.Sprint(v)
}
