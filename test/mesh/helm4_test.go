package mesh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// Argo CD renders with Helm 4 from 3.5 on. It is here, and not next to the chart's other tests, because Helm 4 takes a
// minute to compile.
func TestTheChartRendersAlikeInHelm3And4(t *testing.T) {
	const chart = "../../charts/wasm-rewrite"
	values, err := filepath.Glob(filepath.Join(chart, "ci", "*.yaml"))
	if err != nil || len(values) == 0 {
		t.Fatalf("no values in %s/ci (%v)", chart, err)
	}

	programs := []string{made.Helm(t), made.File(t, "build/bin/helm4")}
	for _, file := range append(values, os.DevNull) {
		var manifests []string
		for _, program := range programs {
			manifest, err := exec.Command(program, "template", "demo", chart, "--namespace", "shop", "--values", file).Output()
			if err != nil {
				t.Fatalf("%s, %s: %v", program, file, err)
			}

			manifests = append(manifests, string(manifest))
		}
		if diff := cmp.Diff(manifests[0], manifests[1]); diff != "" {
			t.Errorf("%s (-3 +4):\n%s", file, diff)
		}
	}
}
