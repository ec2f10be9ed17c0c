package migrate

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// sampled asks about every pattern that never matches, or that answers 400 where
// the source serves: requests are made for each by itself, as lint makes them.
func (p *placer) sampled(list []pattern) error {
	for _, one := range list {
		rewrite, _ := one.fields.Get("rewrite").(plan.Fields)
		redirect, _ := one.fields.Get("redirect").(plan.Fields)
		if !one.acts || rewrite.Get("path") == nil && redirect.Get("path") == nil && one.entry.route.Match.Get("path") == nil {
			continue
		}

		findings, err := p.sample(one.fields)
		if err != nil {
			return err
		}

		for _, f := range findings {
			p.report.Ask(one.object, one.entry.route.Path, "the rule that comes of this, %s: %s. Write it by hand if such requests come", f.Value, f.Reason)
		}
	}

	return nil
}

// sample looks at one pattern, and at all that differ from it by their host once.
func (p *placer) sample(fields plan.Fields) ([]lint.Finding, error) {
	match, _ := fields.Get("match").(plan.Fields)
	alone := fields.Without("match").With("match", match.Without("host")).Plain()

	text, err := json.Marshal(map[string]any{"patterns": []any{alone}})
	if err != nil {
		return nil, fmt.Errorf("what was made cannot be written: %w", err)
	}

	known, ok := p.samples[string(text)]
	if !ok {
		for _, f := range lint.Alone(text) {
			if f.Check == lint.UnsafePath || f.Check == lint.NeverMatches {
				f.Reason = strings.TrimSpace(f.Reason)
				known = append(known, f)
			}
		}

		p.samples[string(text)] = known
	}

	return known, nil
}
