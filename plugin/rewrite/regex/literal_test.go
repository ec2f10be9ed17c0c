package regex_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite/regex"
)

// The text that every match of a regex holds, by which an index finds it.
func TestLiteral(t *testing.T) {
	type held struct {
		text         string
		fold, begins bool
	}
	for expr, want := range map[string]held{
		`abc`: {text: "abc"}, `^abc`: {text: "abc", begins: true}, `^`: {}, `^/a/(.*)$`: {text: "/a/", begins: true}, `^(abc)d`: {text: "abcd", begins: true},
		`^[a]bc`: {text: "bc"}, `^[ab]cd`: {text: "cd"}, `^/[a-z]+/orders/`: {text: "/orders/"}, `^/abc[0-9]+longer`: {text: "/abc", begins: true},
		`abc[0-9]xyz`: {text: "abc"}, `ab[0-9]xyz`: {text: "xyz"}, `(abc)[0-9]`: {text: "abc"}, `(?:abc)+[0-9]`: {text: "abc"}, `((?:abc)+)+[0-9]`: {text: "abc"}, `(abc)`: {text: "abc"},
		`(?:abc)*[0-9]x`: {text: "x"}, `(?:abc)?[0-9]x`: {text: "x"}, `abc|xyz`: {}, `(?:abc){2}[0-9]x`: {text: "abc"}, `x+abc`: {text: "abc"},
		`(?i)Abc`: {text: "abc", fold: true}, `(?i)^/Abc/(.*)`: {text: "/abc/", fold: true, begins: true}, `(?i)abc[0-9](?-i)x`: {text: "abc", fold: true}, `(?i)users`: {text: "er", fold: true},
		`(?i)/api/orders`: {text: "/api/order", fold: true}, `(?i)a(?-i:bcde)`: {text: "abcde", fold: true}, `(?i:a)éabc`: {text: "éabc"},
		`abc\x{fffd}`: {text: "abc"}, `\x{fffc}a`: {text: "\ufffca"}, `[0-9]`: {}, `(?m)^abc`: {text: "abc"}, `(?m)^`: {}, `x(?:^abc)`: {text: "xabc"}, ``: {}, `a$`: {text: "a"}, `a\bc`: {text: "ac"},
	} {
		r, reason := regex.Compile(expr, false)
		if reason != "" {
			t.Fatal(reason)
		}
		var got held
		if got.text, got.fold, got.begins = r.Literal(); got != want {
			t.Errorf("%s: %+v, want %+v", expr, got, want)
		}
	}
}

// A regex of four times the length costs some four times as much to compile, whatever it is made of.
func TestCompilingIsLinear(t *testing.T) {
	for _, piece := range []string{"a", "é", "[a-c]", "(a|b)?", "a*", "(?:x|)", "a{2}", "(?i:k)", ".", "^", `\bb`} {
		cost := func(size int) uint64 {
			text := strings.Repeat(piece, size/len(piece))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)

			if _, reason := regex.Compile(text, false); reason != "" {
				t.Fatalf("%q: %s", text, reason)
			}

			runtime.ReadMemStats(&after)

			return after.TotalAlloc - before.TotalAlloc
		}

		if short, long := cost(regex.MaxText/4), cost(regex.MaxText); long > 8*short {
			t.Errorf("%q: %d bytes of memory for a regex of %d bytes, %d for one of %d", piece, long, regex.MaxText, short, regex.MaxText/4)
		}
	}
}
