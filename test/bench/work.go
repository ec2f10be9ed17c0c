package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// work is what a filter has to do, said once: each contender gets it in its own
// words.
type work struct {
	patterns []pattern
	request  operations
	response operations
}

// pattern rewrites a path. Patterns of one work never match the same path.
type pattern struct {
	kind  string // exact, prefix, regex
	match string
	path  string // with $1 for the first group
}

// operations on headers. The value "${config}" is the configuration's text.
type operations struct {
	remove []string
	set    map[string]string
	add    map[string]string
}

func (o operations) empty() bool { return len(o.remove)+len(o.set)+len(o.add) == 0 }

const configText = "${config}"

// configuration is the filter's, as JSON.
func (w work) configuration() string {
	block := func(o operations) map[string]any {
		m := map[string]any{}
		if o.remove != nil {
			m["remove"] = o.remove
		}
		if o.set != nil {
			m["set"] = o.set
		}
		if o.add != nil {
			m["add"] = o.add
		}

		return m
	}
	config := map[string]any{}
	headers := map[string]any{}
	if !w.request.empty() {
		headers["request"] = block(w.request)
	}
	if !w.response.empty() {
		headers["response"] = block(w.response)
	}
	if len(headers) > 0 {
		config["headers"] = headers
	}

	var patterns []any
	for _, p := range w.patterns {
		patterns = append(patterns, map[string]any{
			"match":   map[string]any{"path": map[string]any{p.kind: p.match}},
			"rewrite": map[string]any{"path": p.path},
		})
	}
	if patterns != nil {
		config["patterns"] = patterns
	}

	return marshal(config)
}

func marshal(v any) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // maps, slices and strings only
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// lua is a script that does the work as one would write it by hand: exact paths in a table, the rest in order, headers
// one by one.
func (w work) lua() string {
	var b strings.Builder

	exact, inOrder := w.luaTables(&b)
	b.WriteString("local sub, find, gsub = string.sub, string.find, string.gsub\n")
	b.WriteString("function envoy_on_request(handle)\n  local headers = handle:headers()\n")
	if len(w.patterns) > 0 {
		luaRewrite(&b, exact, inOrder)
	}
	w.luaOperations(&b, w.request)
	b.WriteString("end\n")
	if !w.response.empty() {
		b.WriteString("function envoy_on_response(handle)\n  local headers = handle:headers()\n")
		w.luaOperations(&b, w.response)
		b.WriteString("end\n")
	}

	return b.String()
}

// luaTables writes the patterns as tables, and reports which of the two there are.
func (w work) luaTables(b *strings.Builder) (exact, inOrder bool) {
	for _, p := range w.patterns {
		if p.kind == "exact" {
			if !exact {
				b.WriteString("local exact = {}\n")

				exact = true
			}
			fmt.Fprintf(b, "exact[%s] = %s\n", luaString(p.match), luaString(p.path))
		} else if !inOrder {
			b.WriteString("local rules = {}\n")

			inOrder = true
		}
	}

	for _, p := range w.patterns {
		switch p.kind {
		case "prefix":
			fmt.Fprintf(b, "rules[#rules + 1] = {prefix = %s, below = %s, size = %d, to = %s}\n",
				luaString(p.match), luaString(p.match+"/"), len(p.match), luaString(p.path))
		case "regex":
			// Groups and classes of the works are the same in both languages.
			fmt.Fprintf(b, "rules[#rules + 1] = {regex = %s, to = %s}\n",
				luaString(luaRegex(p.match)), luaString(strings.ReplaceAll(p.path, "$", "%")))
		}
	}

	return exact, inOrder
}

// luaRewrite writes what finds the path's pattern in the tables and replaces the path.
func luaRewrite(b *strings.Builder, exact, inOrder bool) {
	b.WriteString(`  local whole = headers:get(":path")
  local path, query = whole, ""
  local at = find(whole, "?", 1, true)
  if at then path, query = sub(whole, 1, at - 1), sub(whole, at) end
  local new
`)
	if exact {
		b.WriteString("  new = exact[path]\n")
	}
	if inOrder {
		b.WriteString(`  if not new then
    for i = 1, #rules do
      local rule = rules[i]
      if rule.regex then
        local text, n = gsub(path, rule.regex, rule.to)
        if n > 0 then new = text break end
      elseif path == rule.prefix then new = rule.to break
      elseif sub(path, 1, rule.size + 1) == rule.below then new = rule.to .. sub(path, rule.size + 1) break
      end
    end
  end
`)
	}
	b.WriteString("  if new and new ~= path then headers:replace(\":path\", new .. query) end\n")
}

// luaRegex writes a regex whose only literal special character is "-".
func luaRegex(regex string) string {
	outside := true

	var b strings.Builder
	for _, r := range regex {
		switch r {
		case '[':
			outside = false
		case ']':
			outside = true
		case '-':
			if outside {
				b.WriteByte('%')
			}
		}
		b.WriteRune(r)
	}

	return b.String()
}

func (w work) luaOperations(b *strings.Builder, o operations) {
	for _, name := range o.remove {
		fmt.Fprintf(b, "  headers:remove(%s)\n", luaString(name))
	}

	for _, name := range slices.Sorted(maps.Keys(o.set)) {
		fmt.Fprintf(b, "  headers:replace(%s, %s)\n", luaString(name), luaString(w.value(o.set[name])))
	}

	for _, name := range slices.Sorted(maps.Keys(o.add)) {
		fmt.Fprintf(b, "  headers:add(%s, %s)\n", luaString(name), luaString(w.value(o.add[name])))
	}
}

func (w work) value(s string) string { return strings.ReplaceAll(s, configText, w.configuration()) }

// luaString quotes bytes outside ASCII too: Lua 5.1 knows only decimal escapes.
func luaString(s string) string {
	var b strings.Builder
	b.WriteByte('"')

	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, "\\%03d", c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')

	return b.String()
}

// native are Envoy's own means: routes with regex_rewrite or prefix_rewrite, and header_mutation.
func (w work) native(cluster string) ([]map[string]any, []envoy.Filter) {
	var routes []map[string]any
	for _, p := range w.patterns {
		// What does not match, regex_rewrite leaves as it is: one of them takes every path.
		match, route := p.native(len(w.patterns) == 1)
		route["cluster"] = cluster
		routes = append(routes, map[string]any{"match": match, "route": route})
	}

	routes = append(routes, map[string]any{
		"match": map[string]any{"prefix": "/"}, "route": map[string]any{"cluster": cluster},
	})
	if w.request.empty() && w.response.empty() {
		return routes, nil
	}

	mutations := map[string]any{}
	if !w.request.empty() {
		mutations["request_mutations"] = w.mutations(w.request)
	}
	if !w.response.empty() {
		mutations["response_mutations"] = w.mutations(w.response)
	}

	return routes, []envoy.Filter{{Name: "native", Static: true, Config: map[string]any{
		"@type":     "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
		"mutations": mutations,
	}}}
}

// native are the match and the action of a route that does what the pattern does. Where it is alone, a regex needs no match.
func (p pattern) native(alone bool) (match, route map[string]any) {
	substitution := map[string]any{
		"pattern":      map[string]any{"regex": p.match},
		"substitution": strings.ReplaceAll(p.path, "$", `\`),
	}
	switch p.kind {
	case "exact":
		match = map[string]any{"path": p.match}
		substitution["pattern"] = map[string]any{"regex": "^" + regexp.QuoteMeta(p.match) + "$"}
		route = map[string]any{"regex_rewrite": substitution}
	case "prefix":
		match = map[string]any{"path_separated_prefix": p.match}
		route = map[string]any{"prefix_rewrite": p.path}
	case "regex":
		match = map[string]any{"safe_regex": map[string]any{"regex": p.match}}
		route = map[string]any{"regex_rewrite": substitution}
		if alone {
			match = map[string]any{"prefix": "/"}
		}
	}

	return match, route
}

// mutations are the operations as header_mutation has them.
func (w work) mutations(o operations) (list []any) {
	for _, name := range o.remove {
		list = append(list, map[string]any{"remove": name})
	}

	header := func(name, value, action string) {
		list = append(list, map[string]any{"append": map[string]any{
			"header":        map[string]any{"key": name, "value": strings.ReplaceAll(w.value(value), "%", "%%")},
			"append_action": action,
		}})
	}
	for _, name := range slices.Sorted(maps.Keys(o.set)) {
		header(name, o.set[name], "OVERWRITE_IF_EXISTS_OR_ADD")
	}

	for _, name := range slices.Sorted(maps.Keys(o.add)) {
		header(name, o.add[name], "APPEND_IF_EXISTS_OR_ADD")
	}

	return list
}

// many are n patterns of a kind, or of all three in turn; each differs from the others in its first segment.
func many(kind string, n int) []pattern {
	kinds := []string{"regex", "prefix", "exact"}

	list := make([]pattern, n)
	for i := range list {
		k := kind
		if kind == "mixed" {
			k = kinds[(n-1-i)%len(kinds)] // the last one is a regex, whatever n
		}

		number := strconv.Itoa(10000 + i)
		switch k {
		case "exact":
			list[i] = pattern{k, "/exact-" + number + "/items/418", "/e/" + number}
		case "prefix":
			list[i] = pattern{k, "/prefix-" + number + "/items", "/p/" + number}
		case "regex":
			list[i] = pattern{k, "^/regex-" + number + "/items/([0-9]+)$", "/r/" + number + "/$1"}
		}
	}

	return list
}

// example is a path that the pattern matches, and what becomes of it.
func (p pattern) example() (path, becomes string) {
	switch p.kind {
	case "exact":
		return p.match, p.path
	case "prefix":
		return p.match + "/418", p.path + "/418"
	}

	path = strings.NewReplacer("^", "", "$", "", "([0-9]+)", "418", "([0-9]*)", "418").Replace(p.match)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}

	return path, regexp.MustCompile(p.match).ReplaceAllString(path, strings.ReplaceAll(p.path, "$1", "${1}"))
}
