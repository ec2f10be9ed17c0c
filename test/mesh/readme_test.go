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

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// The README's way into a mesh, its commands as they are there: only the registry, the namespace and the digest that
// the first command prints are put in.
func TestTheInstallOfTheReadmeWorksAsItStandsThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(made.Root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}

	values := regexp.MustCompile("(?s)```yaml\n(# my-values.yaml\n.*?)```").FindSubmatch(text)
	commands := regexp.MustCompile("(?s)\n## In a mesh\n.*?```sh\n(.*?)```").FindSubmatch(text)
	if values == nil || commands == nil {
		t.Fatal("README.md has no my-values.yaml, or no commands under In a mesh")
	}

	s := newSpace(t, nil, nil)
	registry, below, _ := strings.Cut(bed.Images, "/")
	repository := strings.TrimPrefix(below+"/readme", "/")
	replacer := strings.NewReplacer("registry.example.com/me", registry+"/"+repository, "registry.example.com", registry,
		"me/wasm-rewrite", repository+"/wasm-rewrite", "my-namespace", s.name, "my-values.yaml", s.file(string(values[1])))
	run := func(command string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "-euc", command)
		cmd.Dir = made.Root
		// One platform, since cross-compiling the command line takes minutes.
		cmd.Env = append(os.Environ(), "KUBECONFIG="+bed.Kubeconfig, "PLATFORMS="+runtime.GOARCH)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, said.String())
		}

		return said.String()
	}
	publish, install, _ := strings.Cut(string(commands[1]), "\n")
	said := run(replacer.Replace(publish))
	digest := regexp.MustCompile(`/wasm-rewrite@(sha256:[0-9a-f]{64})\n`).FindStringSubmatch(said)
	tool := regexp.MustCompile(`/wasm-rewrite-cli@(sha256:[0-9a-f]{64})\n`).FindStringSubmatch(said)
	if digest == nil || tool == nil {
		t.Fatalf("%s prints no digest of the filter or of the command line:\n%s", publish, said)
	}

	install, status, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(install, "\\\n", "")), "\n")
	install = strings.Replace(install, "verify.image.digest=sha256:…", "verify.image.digest="+tool[1], 1)
	run(replacer.Replace(strings.Replace(install, "sha256:…", digest[1], 1)))
	t.Cleanup(func() {
		if out, err := exec.Command("helm", "uninstall", "my-rules", "--namespace", s.name, "--kubeconfig", bed.Kubeconfig).CombinedOutput(); err != nil {
			t.Errorf("helm uninstall: %v\n%s", err, out)
		}
	})
	s.wantSeed("v1")
	s.wantSeed("v2")
	if said := run(replacer.Replace(status)); !strings.Contains(said, "2 of 2 in force") {
		t.Errorf("%s, with two Pods that have the rules:\n%s", status, said)
	}
}
