package source

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestErrors holds what is said of texts that are not YAML: the place is that
// of what has to be changed.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a:\n\tb: 1\n", "2:1: a tab: YAML is indented with spaces alone"},
		{"a:\n  b: 1\n\tc: 2\n", "3:1: a tab: YAML is indented with spaces alone"},
		{"patterns:\n- match: {path: {regex: ^/a{2}$}}\n  rewrite: {path: /b}\n", "2:25: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '^/a{2}$'"},
		{"patterns:\n- match: {path: {regex: ^/a{2,3}$}}\n", "2:25: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '^/a{2,3}$'"},
		{"patterns:\n- match: {path: {regex: ?a}}\n", "2:25: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '?a'"},
		{"patterns:\n- match: {path: {regex: ^/[^/]+}}\n  rewrite: {path: /b}\n", "2:25: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '^/[^/]+'"},
		{"patterns:\n- match: {path: {regex: [a-z]+}}\n  rewrite: {path: /b}\n", "2:25: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '[a-z]+'"},
		{"patterns:\n- rewrite: {path: /a/${path}}\n", "2:19: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '/a/${path}'"},
		{"patterns:\n- rewrite: {path: /x?a=1, query: drop}\n", "2:19: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '/x?a=1'"},
		{"- rewrite: {path: ${path}}\n", "1:19: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '${path}'"},
		{"patterns:\n- match: {path: {regex: ^/a(b|c),d$}}\n", "2:25: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '^/a(b|c),d$'"},
		{"a: {b: c, d: , e: null, f: }\n", ""},
		{"patterns:\n- match: {path: {prefix: /a}\n  rewrite: {path: /b}\n", "2:10: this { is never closed"},
		{"a: 1\nb: 2\na: 3\na: 4\n", "3:1: the key a is here a second time; it is in line 1 already: keep one of them\n4:1: the key a is here a second time; it is in line 1 already: keep one of them"},
		{"a: 1\n---\nb: {c: 1, c: 2}\n", "3:11: the key c is here a second time; it is in line 3 already: keep one of them"},
		{"a: {y: 1, x: 2, on: 3}\n", "1:17: YAML reads this key as true, which is in line 1 already: write it in quotes, \"on\""},
		{"a: {~: 1}\n", "1:5: YAML does not read this key as text: write it in quotes, \"~\""},
		{"x: 1\na: *x\n", "2:4: a text that begins with * has to be in quotes"},
		{"x: 1\na: \"\\d\"\n", "2:5: in \"double quotes\" a backslash begins an escape: write 'single quotes'"},
		{"x: 1\na: 'x\nb: 2\n", "2:4: a quote that is never closed"},
		{"a: 'x\nb: 2\n", "1:4: a quote that is never closed"},
		{"x: 1\na: b: c\n", "2:5: a text with `: ` in it has to be in quotes; if this is a key, it is indented wrongly"},
		{"x: 1\na: @x\n", "2:4: a text that begins with @ has to be in quotes"},
		{"a: %x\n", "1:4: a text that begins with % has to be in quotes"},
		{"a:\n  b: 1\n c: 2\n", "3:2: this line is not indented as those that it belongs to"},
		{"a: 1\nb\nc: 2\n", "2:1: a key without its colon, or a text over several lines that is not indented"},
		{"a: {b: 1\nc: 2\n", "1:4: this { is never closed"},
	} {
		_, err := Parse("f", []byte(c.text))
		var said []string
		var errs Errors
		errors.As(err, &errs)

		for _, e := range errs {
			said = append(said, strings.TrimPrefix(e.Error(), "f:"))
		}

		got := strings.Join(said, "\n")
		if got != c.want {
			t.Errorf("%q\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
}

func ExampleErrors() {
	_, err := Parse("rules.yaml", []byte("patterns:\n- match: {path: {regex: ^/a{2}$}}\n---\na:\n\tb: 1\n"))
	fmt.Println(err)
	// Output:
	// rules.yaml:2:25: within { } a text that has one of { } [ ] , ? in it has to be in quotes: '^/a{2}$'
	//   2 | - match: {path: {regex: ^/a{2}$}}
	//     |                         ^
	// rules.yaml:5:1: a tab: YAML is indented with spaces alone
	//   5 | →b: 1
	//     | ^
}

func ExampleMap_Find() {
	docs, err := Parse("rules.yaml", []byte(`
base: &base
  exact: /a
patterns:
- name: one
  match: {path: *base}
- match:
    path: {<<: *base, ignoreCase: true}
headers:
  response:
    set: {a.b: x}
`))
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, path := range []string{"patterns", "patterns[0]", "patterns[0].match.path", "patterns[0].match.path.exact", "patterns[1].match.path.exact",
		"patterns[1].match.host", "patterns[7]", "headers.response.set.a.b"} {
		found, exact := docs[0].Places.Find(path)
		fmt.Println(path, found.Place(), exact)
	}
	// Output:
	// patterns rules.yaml:4:1 true
	// patterns[0] rules.yaml:5:3 true
	// patterns[0].match.path rules.yaml:6:11 true
	// patterns[0].match.path.exact rules.yaml:3:3 true
	// patterns[1].match.path.exact rules.yaml:3:3 true
	// patterns[1].match.host rules.yaml:7:3 false
	// patterns[7] rules.yaml:4:1 false
	// headers.response.set.a.b rules.yaml:11:11 true
}

// TestStrayBracketEnds holds that text that is not YAML is an error, whatever
// brackets are in it: the search for its cause ends.
func TestStrayBracketEnds(t *testing.T) {
	for _, text := range []string{"a: {b: )c}\n", "backend: {service:){name: x}}\n", "a: [)]\n  b\n", "a: {b: c)d: }}\n"} {
		done := make(chan error, 1)
		go func() {
			_, err := Parse("file", []byte(text))
			done <- err
		}()

		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("%q is still looked through", text)
		}
	}
}
