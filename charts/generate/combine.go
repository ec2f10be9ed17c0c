package main

import (
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// What the keys of an object say together. A key with null is as good as absent.

// combine adds to an object what excludes and what needs what.
func combine(object schema, t *rewrite.Type, name string) {
	var list []refusal
	if t.ExactlyOne != nil {
		want := "an object with one of " + strings.Join(t.ExactlyOne, ", ")
		list = append(list, refusal{twoOf(t, t.ExactlyOne), want}, refusal{noneOf(t, t.ExactlyOne), want})
	}
	if t.AtMostOne != nil {
		list = append(list, refusal{twoOf(t, t.AtMostOne), "an object with one of " + either(t.AtMostOne, "and")})
	}
	if t.AtLeastOne != nil {
		list = append(list, refusal{noneOf(t, t.AtLeastOne), "an object with " + either(t.AtLeastOne, "or")})
	}
	refuse(object, append(list, combinations[name]...))
}

// combinations are what the table does not say: they reach over several objects.
var combinations = map[string][]refusal{
	"Pattern": {
		{schema{"allOf": []any{
			schema{"not": schema{"anyOf": []any{has("rewrite"), has("redirect"), has("respond"), with("then", schema{"const": "stop"})}}},
			schema{"properties": schema{"headers": objectOf(objectOf(empty))}},
		}}, "a pattern that does something: rewrite, redirect, respond or headers"},
		{schema{"allOf": []any{onResponse, has("rewrite")}}, "a pattern without rewrite, as match.response makes it one on the response: the request " +
			"has gone by then; redirect and respond may be used there"},
		{schema{"allOf": []any{onResponse, with("headers", schema{"not": schema{"properties": schema{"request": objectOf(empty)}}})}},
			"a pattern without headers.request, as match.response makes it one on the response: the request has gone by then"},
		{schema{"allOf": []any{with("then", schema{"const": "next"}), hasAny("redirect", "respond")}},
			"a pattern without then: next, as nothing comes after the answer of redirect or respond"},
		{newPath("rewrite", wholePath, `^([^/$\\]|//)|^$`), "a pattern whose rewrite.path is a path: it begins with exactly one /"},
		{newPath("redirect", wholePath, `^([^/$\\]|//)|^$`), "a pattern whose redirect.path is a path: it begins with exactly one /"},
		{newPath("rewrite", prefixPath, `^([^/$\\?]|//)`), "a pattern whose rewrite.path begins with exactly one /, as it replaces a prefix"},
		{newPath("redirect", prefixPath, `^([^/$\\?]|//)`), "a pattern whose redirect.path begins with exactly one /, as it replaces a prefix"},
		{schema{"allOf": []any{
			schema{"anyOf": []any{with("rewrite", with("replace", schema{"const": "first"})), with("redirect", with("replace", schema{"const": "first"}))}},
			schema{"not": with("match", with("path", has("regex")))},
		}}, "a pattern with match.path.regex, as replace: first needs one"},
	},
	"Rewrite": {
		{schema{"required": []any{"query"}, "properties": schema{"query": schema{"enum": []any{"keep", nil}}, "path": isNull, "host": isNull}},
			"an object with path, host or a query that changes"},
		replaceAlone,
	},
	"QueryEdits": {{schema{"type": "object", "additionalProperties": empty, "not": with("keep", schema{"type": "array"})}, "keep, drop or at least one edit"}},
	"Redirect":   {replaceAlone},
	"Respond": {
		{schema{"allOf": []any{with("status", schema{"enum": []any{204, 205, 304}}), with("body", schema{"type": "string", "minLength": 1})}},
			"an object without body, as responses with this status have none"},
	},
}

var (
	isNull = schema{"type": "null"}
	empty  = schema{"anyOf": []any{isNull, schema{"type": "array", "maxItems": 0}, schema{"type": "object", "maxProperties": 0}}}

	onResponse   = with("match", has("response"))
	replaceAlone = refusal{schema{"allOf": []any{has("replace"), schema{"not": has("path")}}}, "an object with path, which replace needs"}

	// Where the new path replaces the whole path, and where a prefix.
	wholePath = schema{"anyOf": []any{
		schema{"not": has("match")},
		with("match", schema{"anyOf": []any{schema{"not": has("path")}, with("path", has("exact"))}}),
	}}
	prefixPath = with("match", with("path", has("prefix")))
)

// newPath fits a pattern with a wrong path under a key, where match fits or the
// whole path is replaced.
func newPath(key string, match schema, wrong string) schema {
	bad := with("path", schema{"type": "string", "pattern": wrong})
	whole := with("replace", schema{"const": "whole"})
	if match["anyOf"] != nil {
		return schema{"anyOf": []any{
			schema{"allOf": []any{match, with(key, bad)}},
			with(key, schema{"allOf": []any{bad, whole}}),
		}}
	}
	return schema{"allOf": []any{match, with(key, schema{"allOf": []any{bad, schema{"not": whole}}})}}
}

// objectOf fits null and an object whose every value fits.
func objectOf(of schema) schema {
	return schema{"anyOf": []any{isNull, schema{"type": "object", "additionalProperties": of}}}
}

func either(names []string, word string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + word + " " + names[last]
}

// has fits an object with a key that has a value.
func has(key string) schema { return with(key, schema{"not": isNull}) }

// with fits an object whose key fits a schema.
func with(key string, fits schema) schema {
	return schema{"type": "object", "required": []any{key}, "properties": schema{key: fits}}
}

func hasAny(keys ...string) schema {
	var list []any
	for _, key := range keys {
		list = append(list, has(key))
	}
	return schema{"anyOf": list}
}

// given fits an object with one of the keys; of some the empty text is not a value.
func given(t *rewrite.Type, keys []string) schema {
	var list []any
	for _, key := range keys {
		i := slices.IndexFunc(t.Keys, func(k rewrite.Key) bool { return k.Name == key })
		if t.Keys[i].Type.MayBeEmpty {
			list = append(list, with(key, schema{"not": schema{"enum": []any{nil, ""}}}))
		} else {
			list = append(list, has(key))
		}
	}
	return schema{"anyOf": list}
}

func noneOf(t *rewrite.Type, keys []string) schema {
	return schema{"type": "object", "not": given(t, keys)}
}

// twoOf fits an object with at least two of the keys.
func twoOf(t *rewrite.Type, keys []string) schema {
	var pairs []any
	for i := range keys[1:] {
		pairs = append(pairs, schema{"allOf": []any{given(t, keys[i:i+1]), given(t, keys[i+1:])}})
	}
	return schema{"anyOf": pairs}
}
