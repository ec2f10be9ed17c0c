package mesh_test

import (
	"path/filepath"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// The one recipe that wants two workloads; the others run in test/recipes_test.go.
func TestACanaryByWorkloadGivesTheNewRuleToOneVersionAlone(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.install(chart(), helm.Options{
		KubectlOptions: s.kubectl,
		ValuesFiles:    []string{filepath.Join(made.Root, "docs/recipes/canary-by-workload.yaml")},
	}, s.image())
	s.settles(func() error {
		for _, want := range []struct {
			version, path string
			status        int
		}{
			{"v1", "/banana/418", teapot}, {"v1", "/plantain/418", notFound},
			{"v2", "/banana/418", teapot}, {"v2", "/plantain/418", teapot},
		} {
			if err := s.asked(want.version, want.path, want.status); err != nil {
				return err
			}
		}

		return nil
	})
}
