package rewritetest

import (
	"fmt"
	"strings"
)

// ManyPatterns is a configuration of n patterns that use many keys, for
// measuring what it takes to read it.
func ManyPatterns(n int) string {
	kinds := []string{`"exact": "/shop/%d"`, `"prefix": "/shop/%d/"`, `"suffix": ".a%d"`}

	patterns := make([]string, 0, n)
	for i := range n {
		patterns = append(patterns, fmt.Sprintf(`{"match":{"path":{`+kinds[i%len(kinds)]+`},"methods":["GET"]},"rewrite":{"path":"/b"},`+
			`"headers":{"request":{"set":{"x":"1"}}}}`, i))
	}
	return `{"patterns":[` + strings.Join(patterns, ",") + `]}`
}
