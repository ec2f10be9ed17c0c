package lint

import "github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"

// Alone looks at each pattern of one configuration by itself, quickly: what it
// can never match, and what it answers with 400. The rest of lint's checks ask
// more than a pattern, or take longer.
func Alone(config []byte) []Finding {
	parsed, rules, err := rewrite.Read(config)
	if err != nil {
		return refusals(err)
	}

	l := &linter{config: parsed, rules: rules, work: budget{left: allOfIt}}
	l.prepare()

	for i := range l.patterns {
		p := &l.patterns[i]
		if l.reachable(i) {
			l.unsafePaths(p)
		}
	}

	return l.findings
}
