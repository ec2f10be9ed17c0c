package rewrite

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The struct of an object and its table have the same keys in the same order.
func TestTablesHaveTheKeysOfTheirStructs(t *testing.T) {
	seen := 0
	var compare func(of *Type, in reflect.Type, path string)
	compare = func(of *Type, in reflect.Type, path string) {
		for in.Kind() == reflect.Pointer || in.Kind() == reflect.Slice {
			in = in.Elem()
		}
		if in == reflect.TypeFor[Query]() {
			in = reflect.TypeFor[QueryEdits]()
		}
		if of.Form == List {
			of = of.Elem
		}
		if of.Keys == nil {
			return
		}
		seen++

		// The keys of the struct are the names in its tags.
		var tags, keys []string

		var fields []reflect.Type
		for i := range in.NumField() {
			if field := in.Field(i); field.IsExported() {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				tags, fields = append(tags, name), append(fields, field.Type)
			}
		}

		for _, key := range of.Keys {
			keys = append(keys, key.Name)
		}
		if !slices.Equal(tags, keys) {
			t.Errorf("%s: the struct %s has the keys %q, the table %q", path, in.Name(), tags, keys)
			return
		}

		for i, key := range of.Keys {
			compare(key.Type, fields[i], path+"."+key.Name)
		}
	}
	compare(Language(), reflect.TypeFor[Config](), "")
	if seen < 20 {
		t.Errorf("%d objects were compared: this test reads the language wrongly", seen)
	}
}

// What excludes or needs what names keys that there are.
func TestTablesExcludeKeysThatThereAre(t *testing.T) {
	var look func(of *Type, path string)
	look = func(of *Type, path string) {
		if of == nil {
			return
		}

		has := func(name string) bool {
			return slices.ContainsFunc(of.Keys, func(k Key) bool { return k.Name == name })
		}
		for _, name := range slices.Concat(of.ExactlyOne, of.AtMostOne, of.AtLeastOne) {
			if !has(name) {
				t.Errorf("%s has no key %s", path, name)
			}
		}
		look(of.Elem, path+"[]")

		for _, key := range of.Keys {
			look(key.Type, path+"."+key.Name)
		}
	}
	look(Language(), "")
}

// Every place of a configuration where references may be is visited, in order.
func TestEveryTextWithReferencesIsVisited(t *testing.T) {
	config, err := Parse([]byte(`{
		"vars": {"a": "$1"},
		"patterns": [{
			"name": "one",
			"match": {"path": {"regex": "$1"}, "headers": [{"name": "a", "exact": "$1"}]},
			"rewrite": {"path": "/1", "host": "2", "query": {"rename": {"$": "$"}, "replace": [{"name": "a", "regex": "$", "replacement": "3"}],
				"set": {"b": ["4", "5"]}, "overwrite": {"a": "6"}, "default": {"a": "7"}, "add": {"b": "8"}}},
			"redirect": {"host": "9", "path": "/10"},
			"respond": {"status": 200, "body": "$", "headers": {"b": "11"}},
			"headers": {"request": {"copy": {"$": "$"}, "set": {"b": "13", "a": "12"}}, "response": {"replace": [{"name": "a", "regex": "$", "replacement": "14"}]}}
		}],
		"headers": {"response": {"default": {"b": "15"}}},
		"patternHeader": "$"
	}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	config.VisitTexts(func(s Site) {
		own := ""
		if s.Own {
			own = " its own"
		}

		got = append(got, s.Path+" "+s.Text+own)
	})

	want := []string{
		"patterns[0].rewrite.path /1",
		"patterns[0].rewrite.host 2",
		"patterns[0].rewrite.query.replace[0].replacement 3 its own",
		"patterns[0].rewrite.query.set.b[0] 4",
		"patterns[0].rewrite.query.set.b[1] 5",
		"patterns[0].rewrite.query.overwrite.a 6",
		"patterns[0].rewrite.query.default.a 7",
		"patterns[0].rewrite.query.add.b 8",
		"patterns[0].redirect.host 9",
		"patterns[0].redirect.path /10",
		"patterns[0].respond.headers.b 11",
		"patterns[0].headers.request.set.a 12",
		"patterns[0].headers.request.set.b 13",
		"patterns[0].headers.response.replace[0].replacement 14 its own",
		"headers.response.default.b 15",
	}
	if !slices.Equal(got, want) {
		t.Errorf("visited\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The compiler looks up references in the same texts, and in no others: each that is visited, and nothing else, is refused
// for a reference that there is not.
func TestTheTextsThatAreVisitedAreThoseThatAreCompiled(t *testing.T) {
	const no = "${no-such-reference}"
	config, err := Parse([]byte(strings.ReplaceAll(`{
		"patterns": [
			{"match": {"path": {"regex": "^/(a)$"}},
				"rewrite": {"path": "/NO", "host": "NO", "query": {"replace": [{"name": "a", "regex": "b", "replacement": "NO"}],
					"set": {"b": ["NO", "NO"]}, "overwrite": {"c": "NO"}, "default": {"d": "NO"}, "add": {"e": "NO"}}},
				"headers": {"request": {"set": {"b": "NO", "a": "NO"}}, "response": {"replace": [{"name": "a", "regex": "b", "replacement": "NO"}]}}},
			{"redirect": {"host": "NO", "path": "/NO"}},
			{"respond": {"status": 200, "body": "NO", "headers": {"b": "NO"}}}
		],
		"headers": {"request": {"overwrite": {"b": "NO"}}, "response": {"default": {"b": "NO"}, "add": {"c": ["NO", "NO"]}}}
	}`, "NO", no)))
	if err != nil {
		t.Fatal(err)
	}

	var visited, refused []string
	config.VisitTexts(func(s Site) { visited = append(visited, s.Path) })

	_, err = Compile(config)
	var faults Errors
	if !errors.As(err, &faults) {
		t.Fatalf("%v, want faults", err)
	}

	for _, fault := range faults {
		if strings.Contains(fault.Reason, no) && !slices.Contains(refused, fault.Path) {
			refused = append(refused, fault.Path)
		}
	}
	if !slices.Equal(visited, refused) {
		t.Errorf("visited\n%s\nrefused\n%s", strings.Join(visited, "\n"), strings.Join(refused, "\n"))
	}
}
