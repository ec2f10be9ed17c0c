package mesh_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"
	"go.yaml.in/yaml/v3"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// A release made by the jobs of the release workflow, with the mesh's registry in the place of GitHub's: a user names the
// chart and its version and nothing of an image, and the proxies fetch the one that is signed, with its bill of materials,
// provenance and signatures next to it.
func TestTheChartOfAReleaseBringsItsSignedFilter(t *testing.T) {
	s := newSpace(t, nil, nil)
	version := chartVersion(t)
	folder := t.TempDir()
	said := s.releaseTool("rehearse", "-registry", bed.Images+"/me", "-keep", folder, version)
	installs := regexp.MustCompile(`(?m)^ok: the chart installs (\S+)$`).FindStringSubmatch(said)
	if installs == nil {
		t.Fatalf("the rehearsal does not say what the chart installs:\n%s", said)
	}

	out, err := exec.CommandContext(t.Context(), made.Helm(t), "pull", "oci://"+bed.Images+"/me/charts/wasm-rewrite",
		"--version", version, "--plain-http", "--destination", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("helm pull: %v\n%s", err, out)
	}

	r := s.install(filepath.Join(folder, "wasm-rewrite-"+version+".tgz"), helm.Options{
		KubectlOptions: s.kubectl, ValuesFiles: []string{filepath.Join(chart(), "ci/seed-values.yaml")},
	}, onlyV1, `url: ""`)
	s.wantSeed("v1")
	s.wantNoSeed("v2")
	url, err := exec.CommandContext(t.Context(), "kubectl", s.args("get", "wasmplugin", r.name+"-httpbin", "--output=jsonpath={.spec.url}")...).Output()
	if err != nil || string(url) != "oci://"+installs[1] {
		t.Errorf("the WasmPlugin has %s (%v), and %s is what was verified", url, err, installs[1])
	}

	// What the release proposes for dev.
	command := exec.CommandContext(t.Context(), "git", "--git-dir", filepath.Join(folder, "origin.git"), "show",
		"release-"+version+":environments/dev/release.yaml")
	text, err := command.Output()
	if err != nil {
		t.Fatalf("the branch for dev: %v", err)
	}

	_, digest, _ := strings.Cut(installs[1], "@")
	if !bytes.Contains(text, []byte("digest: "+digest)) || !bytes.Contains(text, []byte("version: "+version)) {
		t.Errorf("dev's release.yaml, want version %s and digest %s:\n%s", version, digest, text)
	}

	// Somebody else's key must not do.
	other := filepath.Join(folder, "other")
	generate := exec.CommandContext(t.Context(), made.File(t, "build/bin/cosign"), "generate-key-pair", "--output-key-prefix", other)
	generate.Env = append(os.Environ(), "COSIGN_PASSWORD=")
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("cosign: %v\n%s", err, out)
	}

	verify := exec.CommandContext(t.Context(), made.File(t, "build/bin/release"), "verify", "-registry", bed.Images+"/me", "-version", version, "-key",
		other+".pub")
	verify.Dir = made.Root
	if out, err := verify.CombinedOutput(); err == nil || !strings.Contains(string(out), "signature") {
		t.Errorf("verified with another key: %v\n%s", err, out)
	}
}

// releaseTool runs the program of a release's make targets and gives what it says.
func (s *space) releaseTool(args ...string) string {
	s.Helper()
	made.File(s, "build/bin/cosign")
	command := exec.CommandContext(s.Context(), made.File(s, "build/bin/release"), args...)
	command.Dir = made.Root
	// The command line for the nodes of other clusters takes minutes to compile.
	command.Env = append(os.Environ(), "PLATFORMS="+runtime.GOARCH)
	out, err := command.CombinedOutput()
	if err != nil {
		s.Fatalf("release %s: %v\n%s", strings.Join(args, " "), err, out)
	}

	return string(out)
}

func chartVersion(t *testing.T) string {
	t.Helper()

	text, err := os.ReadFile(filepath.Join(chart(), "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var about struct{ Version string }
	if err := yaml.Unmarshal(text, &about); err != nil {
		t.Fatal(err)
	}

	return about.Version
}
