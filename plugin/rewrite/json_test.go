package rewrite

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/tools/txtar"
)

// JSON is accepted and read as by encoding/json, but for what no configuration
// means: invalid UTF-8, half surrogate pairs, a key twice, and deep nesting.
func FuzzJSON(f *testing.F) {
	for _, text := range append(tableJSON(f),
		``, ` `, `null`, `true`, `false`, `0`, `-0`, `1.5e-3`, `01`, `1.`, `.5`, `+1`, `-`, `1e`, `""`, `"\u00e9\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`,
		`"\x"`, "\"\t\"", "\"\xff\"", `[`, `[]`, `[1,]`, `[1 2]`, `{}`, `{"a"}`, `{"a":1,}`, `{"a":1,"a":2}`, `{"a":{"a":1}}`, `nul`, `tru e`, "{\r}", "[1,\r\n2]", "\ufeff{}",
		strings.Repeat("[", 65)+strings.Repeat("]", 65), strings.Repeat("[", 66)+strings.Repeat("]", 66)) {
		f.Add(text)
	}

	surrogate := regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	f.Fuzz(func(t *testing.T, text string) {
		v, reason := parseJSON(text)
		if reason == "" {
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.UseNumber()
			var want any
			if err := decoder.Decode(&want); err != nil || !json.Valid([]byte(text)) {
				t.Fatalf("%q is accepted, encoding/json says %v", text, err)
			}
			if got := v.plain(); !reflect.DeepEqual(got, want) {
				t.Fatalf("%q is %#v, want %#v", text, got, want)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			return
		}

		switch {
		case strings.Contains(reason, "is twice"):
		case strings.Contains(reason, "not valid UTF-8") && !utf8.ValidString(text):
		case strings.Contains(reason, "half a surrogate pair") && surrogate.MatchString(text):
		case strings.Contains(reason, "nested deeper") && strings.Count(text, "[")+strings.Count(text, "{") > maxDepth:
		default:
			t.Fatalf("%q is refused: %s", text, reason)
		}
	})
}

// plain gives the value as encoding/json has it.
func (v value) plain() any {
	switch v.kind {
	case kindBool:
		return v.flag
	case kindNumber:
		return json.Number(v.text)
	case kindString:
		return v.text
	case kindList:
		list := make([]any, 0, len(v.list))
		for _, e := range v.list {
			list = append(list, e.plain())
		}
		return list
	case kindObject:
		m := make(map[string]any, len(v.members))
		for _, e := range v.members {
			m[e.key] = e.value.plain()
		}
		return m
	}

	return nil
}

// tableJSON gives the texts of the case table that are written in JSON.
func tableJSON(f *testing.F) (texts []string) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}

	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}

		for _, section := range txtar.Parse(data).Files {
			if section.Name == "config.json" && len(section.Data) < 64<<10 {
				texts = append(texts, string(section.Data))
			}
		}
	}

	return texts
}
