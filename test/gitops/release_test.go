package gitops_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// A tag becomes images, a chart, signatures and a branch that sets dev's release.yaml, as the jobs of the release workflow
// make them; once a person has merged that branch, dev answers with the new image, and staging with the old one.
func TestATagReachesDevOnceItsBranchIsMerged(t *testing.T) {
	start(t)
	const version = "0.3.0"

	for _, target := range []string{"build/bin/release", "build/bin/cosign", "build/bin/helm"} {
		made.File(t, target)
	}
	edit(t, "charts/wasm-rewrite/Chart.yaml", "\nversion: "+chartVersion, "\nversion: "+version)
	edit(t, "charts/wasm-rewrite/Chart.yaml", "\nappVersion: "+chartVersion, "\nappVersion: "+version)
	edit(t, "CHANGELOG.md", "## ["+chartVersion+"]", "## ["+version+"]\n\n- Something new.\n\n## ["+chartVersion+"]")
	pushRule(t, "dev", "before-the-release")

	before, err := imageOf("staging")
	must(t, err)

	folder := t.TempDir()
	rehearse := exec.CommandContext(bed.Context, filepath.Join(made.Root, "build/bin/release"), "rehearse",
		"-build", filepath.Join(made.Root, "build"), "-registry", bed.Images, "-keep", folder, version)
	rehearse.Dir = bed.tree
	// The command line for the nodes of other clusters takes minutes to compile.
	rehearse.Env = append(os.Environ(), "PLATFORMS="+runtime.GOARCH)
	if out, err := rehearse.CombinedOutput(); err != nil {
		t.Fatalf("release rehearse: %v\n%s", err, out)
	}

	for _, command := range [][]string{
		{"git", "fetch", "--quiet", filepath.Join(folder, "origin.git"), "release-" + version},
		{"git", "checkout", "FETCH_HEAD", "--", "environments/dev/release.yaml"},
	} {
		_, err := inTree(command...)
		must(t, err)
	}
	must(t, push("release "+version+" to dev"))

	released, err := os.ReadFile(filepath.Join(bed.tree, "environments/dev/release.yaml"))
	must(t, err)
	must(t, eventually(settled, func() error {
		image, err := imageOf("dev")
		if err != nil {
			return err
		}
		if _, digest, _ := strings.Cut(image, "@"); image == before || !strings.Contains(string(released), digest) {
			return fmt.Errorf("dev has %s, want the image of\n%s", image, released)
		}
		return errors.Join(synced("dev"), inForce("dev", "before-the-release"))
	}))
	if !strings.Contains(string(released), "verify:") || strings.Contains(string(released), bed.gates) {
		t.Errorf("the release names no command line of its own for the gates:\n%s", released)
	}
	if image, err := imageOf("staging"); err != nil || image != before {
		t.Errorf("staging has %s (%v), want %s", image, err, before)
	}
}

// imageOf is where the proxies of an environment get the filter.
func imageOf(environment string) (string, error) {
	plugin, err := plugin(environment, "checkout")
	if err != nil {
		return "", err
	}

	url, _, err := unstructured.NestedString(plugin.Object, "spec", "url")
	return url, err
}
