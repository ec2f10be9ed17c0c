package test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// Random patterns, replacements and paths, through rewrite.path and through
// Envoy's own regex_rewrite in the same Envoy: no difference but the checks on
// what leaves the filter, which Envoy has not.
func TestPathRegexIsEnvoysRegexRewrite(t *testing.T) {
	const (
		patterns = 150
		paths    = 40 // a pattern
	)
	seed := rand.Uint64()
	random := random{rand.New(rand.NewPCG(seed, 0))}
	t.Logf("seed %d", seed)

	upstream, err := wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		return wire.Message{Start: "200", Body: request.Target}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })

	var ours []any
	var theirs []map[string]any
	var names []string

	empties := map[int]func(path string) bool{} // whether a pattern leaves nothing of a path
	for i, refused := 0, 0; i < patterns; i++ {
		regex, groups := random.regex()
		replacement := random.replacement(groups)
		// $ means nothing to Envoy.
		pattern := map[string]any{
			"match": map[string]any{
				"path":    map[string]any{"regex": regex},
				"headers": []any{map[string]any{"name": "x-case", "exact": fmt.Sprint(i)}},
			},
			"rewrite": map[string]any{"path": strings.ReplaceAll(replacement, "$", "$$")},
		}
		alone, err := json.Marshal(map[string]any{"patterns": []any{pattern}})
		if err != nil {
			t.Fatal(err)
		}
		// What could never leave the filter is refused when it is compiled.
		if _, err := rewrite.Load(alone); err != nil {
			i--
			if refused++; refused > patterns {
				t.Fatalf("too many patterns are refused, such as %s: %v", alone, err)
			}
			continue
		}

		ours = append(ours, pattern)
		empties[i] = func(path string) bool {
			text := regexp.MustCompile(`\\(\d)`).ReplaceAllString(strings.ReplaceAll(replacement, "$", "$$"), "$${$1}")
			return regexp.MustCompile(regex).ReplaceAllString(path, text) == ""
		}
		names = append(names, fmt.Sprintf("regex %q, replacement %q", regex, replacement))
		theirs = append(theirs, map[string]any{
			"match": map[string]any{"prefix": "/", "headers": []any{map[string]any{"name": "x-case", "string_match": map[string]any{"exact": fmt.Sprint(i)}}}},
			"route": map[string]any{"cluster": upstream.Address, "regex_rewrite": map[string]any{"pattern": map[string]any{"regex": regex}, "substitution": replacement}},
		})
	}

	config, err := json.Marshal(map[string]any{"patterns": ours})
	if err != nil {
		t.Fatal(err)
	}

	proxy := envoy.MustStart(t, envoy.Config{
		Binary: made.Envoy(t),
		Listeners: []envoy.Listener{
			{Name: "ours", Filters: []envoy.Filter{plugin(t, "ours", string(config))}, Upstream: upstream.Address},
			{Name: "theirs", Routes: theirs, Upstream: upstream.Address},
		},
		Bootstrap: map[string]any{"layered_runtime": map[string]any{"layers": []any{
			map[string]any{"name": "size", "static_layer": map[string]any{"re2.max_program_size.error_level": 10000, "re2.max_program_size.warn_level": 10000}},
		}}},
	})
	if reasons, err := proxy.Refused(t.Context()); err != nil || reasons != nil {
		t.Fatalf("%v\n%s", err, strings.Join(reasons, "\n"))
	}

	connection := map[string]*wire.Conn{}
	ask := func(listener, path string, i int) wire.Message {
		c := connection[listener]
		if c == nil {
			if c, err = wire.Dial(t.Context(), wire.HTTP1, address(proxy, listener)); err != nil {
				t.Fatal(err)
			}

			connection[listener] = c
		}

		response, err := c.Exchange(wire.Message{Start: "GET", Target: path, Headers: []rewrite.Header{
			{Name: ":authority", Value: "example.com"}, {Name: "x-case", Value: fmt.Sprint(i)},
		}})
		if err != nil {
			t.Fatalf("%s: %s %q: %v", listener, names[i], path, err)
		}
		if response.Values("connection") != nil { // Envoy closes behind a 400
			c.Close()

			connection[listener] = nil
		}

		return response
	}
	defer func() {
		for _, c := range connection {
			if c != nil {
				c.Close()
			}
		}
	}()

	changed, guarded, escaped := 0, 0, 0
	for i := range patterns {
		for range paths {
			path := random.path()

			us, them := ask("ours", path, i), ask("theirs", path, i)
			switch {
			case us.Start == "200" && them.Start == "200" && us.Body == them.Body:
				if us.Body != path {
					changed++
				}
			case us.Start == "200" && them.Start == "200" && us.Body == escapedAgain(us.Body, them.Body):
				escaped++
			case us.Start == "400" && (unsafePath(path, them.Body) || them.Body == path && empties[i](path)):
				guarded++ // Envoy leaves a path alone that would become empty
			default:
				t.Errorf("%s: %q becomes %q (%s), in Envoy's regex_rewrite %q (%s)", names[i], path, us.Body, us.Start, them.Body, them.Start)
			}
		}
	}
	t.Logf("of %d paths %d were changed alike, %d were refused, in %d a percent sign that is no escape was escaped", patterns*paths, changed, guarded, escaped)
	if changed < patterns*paths/20 {
		t.Errorf("only %d of %d paths were changed: the test shows little", changed, patterns*paths)
	}
}

// escapedAgain is what Envoy's rewrite makes of a path, with %25 for each percent
// sign for which the filter's has one: a group may hold half an escape or none,
// and the filter writes such a percent sign as data.
func escapedAgain(ours, theirs string) string {
	var b strings.Builder
	for i := 0; i < len(theirs); i++ {
		b.WriteByte(theirs[i])
		if theirs[i] == '%' && strings.HasPrefix(ours[min(b.Len(), len(ours)):], "25") && !strings.HasPrefix(theirs[i+1:], "25") {
			b.WriteString("25")
		}
	}
	return b.String()
}

// unsafePath reports whether a path may not leave the filter where from, a path
// and query, arrived: the rule language's page in the simplest way.
func unsafePath(from, to string) bool {
	// By kind: a backend that undoes one kind only must not find more of it.
	type kind struct {
		dots                      string
		escaped, parameter        bool
		escapedSlash, backslashed bool
	}
	segments := func(path string) map[kind]int {
		path, _, _ = strings.Cut(path, "?")

		n := map[kind]int{}

		start, before := 0, ""
		for _, at := range append(separator.FindAllStringIndex(path, -1), []int{len(path), len(path)}) {
			after := strings.ToLower(path[at[0]:at[1]])

			slash, back := before == "%2f" || after == "%2f", false
			for _, one := range []string{before, after} {
				back = back || one == "%5c" || one == `\`
			}

			segment, _, parameter := strings.Cut(path[start:at[0]], ";")
			dots := strings.NewReplacer("%2e", ".", "%2E", ".").Replace(segment)
			if dots == "." || dots == ".." {
				n[kind{dots, dots != segment, parameter, slash, back}]++
			}

			start, before = at[1], after
		}

		return n
	}
	more := func() bool {
		before := segments(from)
		for kind, n := range segments(to) {
			if n > before[kind] {
				return true
			}
		}
		return false
	}
	badEscape := func(path string) bool {
		for i := range len(path) {
			if path[i] == '%' && (i+2 >= len(path) || !strings.ContainsRune("0123456789abcdefABCDEF", rune(path[i+1])) ||
				!strings.ContainsRune("0123456789abcdefABCDEF", rune(path[i+2])) || path[i+1:i+3] == "00") {
				return true
			}
		}
		return false
	}

	return !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || len(to) > 8<<10 ||
		strings.Contains(to, `\`) && !strings.Contains(from, `\`) ||
		badEscape(to) && !badEscape(from) ||
		more()
}

// separator is what ends a segment for some server.
var separator = regexp.MustCompile(`(?i)/|\\|%2f|%5c`)

type random struct{ *rand.Rand }

func (r random) of(list ...string) string { return list[r.IntN(len(list))] }

// regex is a pattern in the syntax that Go and RE2 share, and the number of its
// groups.
func (r random) regex() (string, int) {
	groups := 0
	var part func(depth int) string
	part = func(depth int) string {
		switch n := r.IntN(12); {
		case n < 4 || depth == 0:
			return r.of("a", "b", "ab", "/", "foo", "bar", "1", `\.`, "%2e", "-", "~")
		case n < 6:
			return r.of(".", "[ab]", "[^/]", "[a-z0-9]", `\d`, `\w`, "[^a]", `[[:alpha:]]`, `\W`)
		case n < 8:
			return part(depth-1) + part(depth-1)
		case n < 9:
			return "(?:" + part(depth-1) + "|" + part(depth-1) + ")"
		case n < 11 && groups < 9:
			groups++
			return "(" + part(depth-1) + ")"
		default:
			return "(?:" + part(depth-1) + ")" + r.of("*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?")
		}
	}
	text := part(4)
	text = r.of("", "", "", "^", "^/", `\b`, "(?i)") + text + r.of("", "", "", "$", ".*", `\b`)

	return text, groups
}

func (r random) replacement(groups int) string {
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteString("/")
	}

	for range r.IntN(5) {
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, `\%d`, r.IntN(groups+1))
		} else {
			b.WriteString(r.of("a", "x", "/", "foo", ".", "-", "$", "$1", "%41", "=", "&", "..", "1"))
		}
	}

	return b.String()
}

// path is printable ASCII without ? and #.
func (r random) path() string {
	var b strings.Builder
	b.WriteString("/")

	for range r.IntN(12) {
		if r.IntN(5) > 0 {
			b.WriteString(r.of("a", "b", "ab", "/", "foo", "bar", "1", "23", ".", "..", "%2e", "%2f", "-", "~", "A", "BAR", "//"))
			continue
		}

		c := byte('!' + r.IntN('~'-'!'+1))
		if c != '?' && c != '#' {
			b.WriteByte(c)
		}
	}

	return b.String()
}
