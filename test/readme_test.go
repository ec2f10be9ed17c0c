package test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/upstream"
)

// block is a fenced block of README.md.
type block struct{ section, language, text string }

func readme(t *testing.T) (blocks []block) {
	t.Helper()
	text := chart.ReadFile(t, filepath.Join(made.Root, "README.md"))

	var section string
	for _, m := range regexp.MustCompile("(?m)^## (.*)$|^```([a-z]+)\n((?:.*\n)*?)```$").FindAllStringSubmatch(text, -1) {
		if m[1] != "" {
			section = m[1]
		} else {
			blocks = append(blocks, block{section, m[2], m[3]})
		}
	}

	return blocks
}

// The values in the README are right: nothing to lint but what it explains, their tests cover every pattern, and the
// command line does with them the value found. The install in a mesh is run by the tests of the mesh.
func TestReadmeCommandsRun(t *testing.T) {
	blocks := readme(t)

	dir := t.TempDir()
	for _, name := range []string{"build", "charts"} {
		if err := os.Symlink(filepath.Join(made.Root, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	made.Module(t)

	tool := made.File(t, "build/bin/wasm-rewrite")
	for _, b := range blocks {
		if b.language != "yaml" {
			continue
		}

		name, _, _ := strings.Cut(strings.TrimPrefix(b.text, "# "), "\n")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		chart.MustRender(t, chart.Module, b.text)
		if strings.Contains(b.text, "tests:") {
			cmd := exec.CommandContext(t.Context(), tool, "test", "--min-coverage", "100", name)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}

	ran := 0
	for _, b := range blocks {
		if b.language != "sh" || b.section == "In a mesh" {
			continue
		}

		for line := range strings.Lines(b.text) {
			command, _, _ := strings.Cut(line, " #")
			cmd := exec.CommandContext(t.Context(), "bash", "-euc", command)
			cmd.Dir = dir
			if strings.HasPrefix(command, "make ") {
				// What they do is what all other tests are about; here it matters that they are there.
				cmd = exec.CommandContext(t.Context(), "bash", "-euc", strings.Replace(command, "make ", "make --dry-run ", 1))
				cmd.Dir = made.Root
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", strings.TrimSpace(command), err, out)
			}
			ran++
		}
	}
	if ran < 9 {
		t.Errorf("%d commands found, want 9 at least", ran)
	}
}

// The answer that the README shows is the one that comes.
func TestReadmeAnswer(t *testing.T) {
	blocks := readme(t)

	var shown, values string
	for _, b := range blocks {
		switch {
		case b.language == "console":
			shown = b.text
		case b.language == "yaml" && strings.HasPrefix(b.text, "# my-values.yaml\n"):
			values = b.text
		}
	}

	httpbin := upstream.MustStart(t, made.Httpbin(t))
	object := chart.Objects(t, chart.MustRender(t, chart.Module, values))[0]
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: []envoy.Listener{
		{Name: "readme", Filters: []envoy.Filter{plugin(t, "readme", string(chart.FilterConfig(t, object)))}, Upstream: httpbin.Address},
	}})
	lines := strings.Split(strings.TrimSpace(shown), "\n")
	path := regexp.MustCompile(`^\$ curl -i http://localhost:8080(/\S*)$`).FindStringSubmatch(lines[0])
	if path == nil {
		t.Fatalf("%q is no request", lines[0])
	}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, proxy.URL("readme")+path[1], nil)
	if err != nil {
		t.Fatal(err)
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got bytes.Buffer
	got.WriteString(response.Proto + " " + strings.Fields(response.Status)[0])

	for _, line := range lines[2:] {
		name, want, _ := strings.Cut(line, ": ")
		value := response.Header.Get(name)
		if start, cut := strings.CutSuffix(want, "…"); cut && strings.HasPrefix(value, start) || value == want {
			continue
		}
		t.Errorf("%s: %q, the README has %q", name, value, want)
	}
	if !strings.HasPrefix(lines[1], got.String()) {
		t.Errorf("%s, the README has %q", got.String(), lines[1])
	}
}

// Commands in running text are there, and links lead somewhere, in every page.
func TestPagesNameWhatIsThere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(made.Root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}

	more, err := filepath.Glob(filepath.Join(made.Root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}

	commands := map[string]bool{}
	for _, page := range append(pages, more...) {
		text := chart.ReadFile(t, page)
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], "://") {
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
					t.Errorf("%s: %v", page, err)
				}
			}
		}

		for _, m := range regexp.MustCompile("`make ([a-z-]+)").FindAllStringSubmatch(text, -1) {
			commands[m[1]] = true
		}
	}

	for target := range commands {
		// Nothing but a question to make: does a rule make it?
		cmd := exec.CommandContext(t.Context(), "make", "--dry-run", "--question", target, "REPO=x", "REGISTRY=x", "FROM=dev", "TO=staging", "ENV=dev",
			"VERSION=0.0.1", "FILTER=x", "CLI=x")
		cmd.Dir = made.Root
		if out, err := cmd.CombinedOutput(); strings.Contains(string(out), "No rule to make target") {
			t.Errorf("make %s: %v\n%s", target, err, out)
		}
	}
}
