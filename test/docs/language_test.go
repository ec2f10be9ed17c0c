// Package docs_test runs what the documentation shows.
package docs_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/host"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

const languagePage = "../../docs/language.md"

// TestThePathTableOfTheLanguagePage sends the path of each row through its pattern.
func TestThePathTableOfTheLanguagePage(t *testing.T) {
	for _, row := range rows(t, "| `match.path` |") {
		match, path, replace, from, want := row[0], row[1], row[2], row[3], row[4]

		edit := map[string]any{"path": path}
		if replace != "" {
			edit["replace"] = replace
		}

		pattern := map[string]any{"rewrite": edit}
		if match != "" {
			pattern["match"] = map[string]any{"path": fromYAML(t, match)}
		}

		seen := send(t, map[string]any{"patterns": []any{pattern}}, from, nil)
		if got := exchange.Value(*seen.Upstream, ":path"); got != want {
			t.Errorf("%s, %s: %s becomes %s, the page says %s", match, path, from, got, want)
		}
	}
}

// TestTheReferenceTablesOfTheLanguagePage sets headers and paths from references.
func TestTheReferenceTablesOfTheLanguagePage(t *testing.T) {
	for _, row := range rows(t, "| `set` of a request header |") {
		set, sent, want := row[0], row[1], row[2]

		config := map[string]any{"headers": map[string]any{"request": map[string]any{"set": fromYAML(t, set)}}}
		var headers []host.Header
		if sent != "" {
			headers = append(headers, header(sent))
		}

		seen := send(t, config, "/", headers)

		name, _, _ := strings.Cut(set, ":")
		got := ""
		if values := exchange.Values(*seen.Upstream, name); len(values) > 0 {
			got = name + ": " + strings.Join(values, ", ")
		}
		if got != want {
			t.Errorf("%s with %q gives %q, the page says %q", set, sent, got, want)
		}
	}

	for _, row := range rows(t, "| `rewrite.path`, with") {
		pattern := map[string]any{"rewrite": map[string]any{"path": row[0], "replace": "whole"}}
		seen := send(t, map[string]any{"patterns": []any{pattern}}, row[1], nil)
		if got := exchange.Value(*seen.Upstream, ":path"); got != row[2] {
			t.Errorf("%s: %s becomes %s, the page says %s", row[0], row[1], got, row[2])
		}
	}
}

// rows are the cells of the table that begins with a heading, without code marks.
func rows(t *testing.T, heading string) (table [][]string) {
	t.Helper()

	page, err := os.ReadFile(languagePage)
	if err != nil {
		t.Fatal(err)
	}

	_, after, found := strings.Cut(string(page), "\n"+heading)
	if !found {
		t.Fatalf("%s has no table that begins with %s", languagePage, heading)
	}

	// After the heading's own line and the line of dashes.
	for _, line := range strings.Split(after, "\n")[2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		var row []string

		escaped := strings.ReplaceAll(line, `\|`, "\x00")
		for _, cell := range strings.Split(strings.Trim(escaped, "|"), "|") {
			cell = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|")
			row = append(row, strings.Trim(cell, "`"))
		}

		table = append(table, row)
	}
	if len(table) < 3 {
		t.Fatalf("the table %s has %d rows", heading, len(table))
	}

	return table
}

func fromYAML(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func header(text string) host.Header {
	name, value, _ := strings.Cut(text, ": ")
	return host.Header{Name: name, Value: value}
}

// send puts one GET through a configuration.
func send(t *testing.T, config map[string]any, path string, headers []host.Header) exchange.Seen {
	t.Helper()

	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}

	rules, err := rewrite.Load(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}

	seen, err := exchange.Native(rules).Exchange(t.Context(), exchange.Request("GET", "http", "example.com", path, headers), exchange.Response(200, nil))
	if err != nil {
		t.Fatal(err)
	}
	if seen.Upstream == nil {
		t.Fatalf("%s: %s was answered with %s", text, path, exchange.Value(seen.Client, ":status"))
	}

	return seen
}
