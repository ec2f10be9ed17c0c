package lint_test

import (
	"path/filepath"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
)

// TestOwnRulesAreClean looks through all rules that people read here: nothing
// is found, not even what is only good to know, but for what is said below.
func TestOwnRulesAreClean(t *testing.T) {
	const root = "../../"
	reasons := map[string]map[lint.Check]string{
		"envoyextensionpolicy-values.yaml": {lint.RouteChosen: "this delivery is for gateways"},
		"envoyfilter-values.yaml":          {lint.ConfigShown: "the seed's scenario, delivered in another way"},
		"mesh-wide-values.yaml":            {lint.Everywhere: "the values show rules for all of the mesh"},
		"gateway-values.yaml": {
			lint.ClientHost:  "a host for each tenant is what the values show",
			lint.LateHeader:  "the chart's tests want an entry in remove, and it is the one that the language's page has",
			lint.Phase:       "the values show a phase",
			lint.RouteChosen: "the values show a target that is a gateway",
		},
	}
	needed := map[string]map[lint.Check]bool{}

	files := 0
	for _, pattern := range []string{"docs/recipes/*.yaml", "environments/*/release.yaml", "charts/wasm-rewrite/ci/*.yaml"} {
		names, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}

		files += len(names)
		for _, name := range names {
			if filepath.Base(name) == "release.yaml" {
				name = filepath.Dir(name)
			}

			in, err := read.Input(name, read.Options{Chart: root + "charts/wasm-rewrite"})
			if err != nil {
				t.Error(err)
				continue
			}

			base := filepath.Base(name)
			for _, f := range lint.Lint(in) {
				switch {
				case f.Check == lint.Module: // the chart at hand is not a released one
				case reasons[base][f.Check] != "":
					if needed[base] == nil {
						needed[base] = map[lint.Check]bool{}
					}

					needed[base][f.Check] = true
				default:
					t.Error(f)
				}
			}
		}
	}
	if files < 15 {
		t.Errorf("%d files: some are missing", files)
	}

	for base, checks := range reasons {
		for check := range checks {
			if !needed[base][check] {
				t.Errorf("%s: %s is found no more: remove it here", base, check)
			}
		}
	}
}
