package rewritetest

import (
	"fmt"
	"strings"
)

// Worst is a configuration that costs as much as one can.
type Worst struct {
	Name   string
	Config string
	Error  string // what its error holds; "" where it is taken
}

// WorstConfigs are what somebody may paste to make a program or a proxy stall:
// what the limits refuse, and the most that they let through.
func WorstConfigs() []Worst {
	patterns := func(n int, one func(i int) string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = one(i)
		}
		return `{"patterns": [` + strings.Join(list, ",") + `]}`
	}
	regex := func(n int, text string) string {
		return patterns(n, func(int) string {
			return fmt.Sprintf(`{"match": {"path": {"regex": %q}}, "rewrite": {"path": "/"}}`, text)
		})
	}
	removes := func(n, from int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"x%d"`, from+i)
		}
		return `{"request": {"remove": [` + strings.Join(list, ",") + `]}}`
	}
	long := strings.Repeat("v", 250<<10)

	// Written out they would be too long for a configuration, so a var brings them.
	longest := func(text string) string {
		longest := strings.Repeat(text, 1020/len(text))
		all := patterns(4096, func(i int) string {
			return fmt.Sprintf(`{"match": {"path": {"regex": "${var.a}%x"}}, "rewrite": {"path": "/"}}`, i)
		})

		return strings.TrimSuffix(all, "}") + `, "vars": {"a": "` + longest + `"}}`
	}

	return []Worst{
		{"4,096 regexes of 1,024 bytes", longest("a"), "all regexes together"},
		{"a long var 10,000 times", `{"vars": {"a": "` + long + `"}, "headers": {"request": {"set": {"x": "` + strings.Repeat("${var.a}", 10_000) + `"}}}}`,
			"bytes: use fewer references to long values"},
		{"a long var in 3,000 matchers", strings.TrimSuffix(patterns(3000, func(int) string {
			return `{"match": {"path": {"exact": "/${var.a}"}}, "rewrite": {"path": "/"}}`
		}), "}") + `, "vars": {"a": "` + long + `"}}`, "bytes: use fewer references to long values"},
		{"config 50,000 times", `{"headers": {"request": {"set": {"x": "` + strings.Repeat("${config}", 50_000) + `"}}}}`,
			"bytes: use fewer references to long values"},
		{"30,000 operations", `{"headers": ` + removes(30_000, 0) + `}`, "the limit is 512"},
		{"40 blocks of 512", patterns(40, func(i int) string { return `{"headers": ` + removes(512, i*512) + `}` }), "header operations and query edits"},
		{"32 blocks of 512", patterns(32, func(i int) string { return `{"headers": ` + removes(512, i*512) + `}` }), ""},
		{"4,096 large regexes", regex(4096, "((a?){2}){140}x"), "all regexes together"},
		{"as many large regexes as may be", regex(169, "((a?){2}){140}x"), ""},
		{"4,096 classes", regex(4096, "[a-cA-C][d-f]|é[^a]*(x|y)$"), ""},
		{"250,000 faults", `{"headers": {"request": {"remove": [` + strings.Repeat("1,", 250_000) + `1]}}}`, "and 249901 more"},
		{"40,000 unknown keys", `{` + strings.TrimSuffix(strings.Repeat(`"a":1,`, 1)+numbered(40_000), ",") + `}`, "more"},
		{"4,096 patterns of everything", patterns(4096, func(i int) string {
			return fmt.Sprintf(`{"match": {"path": {"regex": "^/v%d/(.*)$"}}, "rewrite": {"path": "/b/$1"}, "headers": {"request": {"set": {"x": "$1"}}}}`, i)
		}), ""},
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%x":1,`, i)
	}
	return b.String()
}
