package exchange

import (
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Load makes a configuration ready that has no faults, and gives it as it was said, too.
func Load(text []byte) (*rewrite.Config, *rewrite.Rules, error) {
	rules, err := rewrite.Load(text)
	if err != nil {
		return nil, nil, err
	}

	config, err := rewrite.Parse(text)
	return config, rules, err
}
