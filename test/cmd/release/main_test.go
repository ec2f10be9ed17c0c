package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAllThatStandsBetweenAWorkTreeAndAReleaseIsSaidAtOnce(t *testing.T) {
	repository(t, map[string]string{
		"charts/wasm-rewrite/Chart.yaml": "version: 1.2.2\nappVersion: 1.2.3\n",
		"CHANGELOG.md":                   "# Changes\n\n## [1.2.3]\n\n## [1.2.2]\n\n- Something.\n",
	})
	git(t, "tag", "v1.2.3")
	git(t, "commit", "--quiet", "--allow-empty", "--message", "after the tag")
	write(t, "stray.txt", "x")

	err := check(t.Context(), []string{"1.2.3"}, io.Discard)
	for _, want := range []string{
		`Chart.yaml: version: "1.2.2"; want 1.2.3`, "CHANGELOG.md: nothing is under a heading ## [1.2.3]",
		"?? stray.txt", "the tag v1.2.3 is another commit",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "appVersion") {
		t.Errorf("what is right is complained about: %v", err)
	}
}

func TestAWorkTreeThatIsReadyIsReady(t *testing.T) {
	repository(t, map[string]string{
		"charts/wasm-rewrite/Chart.yaml": "version: 1.2.3\nappVersion: \"1.2.3\"\n",
		"CHANGELOG.md":                   "# Changes\n\n## [1.2.3] - 2026-11-22\n\n- Something.\n",
	})
	if err := check(t.Context(), []string{"1.2.3"}, io.Discard); err != nil {
		t.Error(err)
	}
	git(t, "tag", "v1.2.3")
	if err := check(t.Context(), []string{"1.2.3"}, io.Discard); err != nil {
		t.Errorf("at its own tag: %v", err)
	}
}

func TestOnlyAVersionIsAVersion(t *testing.T) {
	repository(t, map[string]string{"CHANGELOG.md": "# Changes\n"})

	for _, version := range []string{"1.2", "v1.2.3", "1.02.3", "latest", ""} {
		if err := check(t.Context(), []string{version}, io.Discard); err == nil || !strings.Contains(err.Error(), "want MAJOR.MINOR.PATCH") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestNotesAreTheSectionOfTheVersion(t *testing.T) {
	const text = "# Changes\n\n## [1.10.0] - 2026-11-22\n\n### Added\n\n- Ten.\n\n## [1.1.0]\n\n- One.\n\n[1.1.0]: https://example.com\n"
	for version, want := range map[string]string{"1.10.0": "### Added\n\n- Ten.", "1.1.0": "- One.", "1.1": "", "1.0.0": ""} {
		if got := section(text, version); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

func TestAStampChangesOneValueAndNothingElse(t *testing.T) {
	const before = "# why\nglobal:\n  chart: {version: 1.2.3, name: x} # kept\nimage: # also\n  digest: \"\" # sha256:…\n  tag: ''\nempty:\n"
	const after = "# why\nglobal:\n  chart: {version: 1.2.4, name: web} # kept\nimage: # also\n  digest: sha256:ab # sha256:…\n  tag: \"1.10\"\nempty:\n"
	file := filepath.Join(t.TempDir(), "values.yaml")
	write(t, file, before)
	if err := stamp(t.Context(), []string{file, "global.chart.version=1.2.4", "global.chart.name=web", "image.digest=sha256:ab", "image.tag=1.10"},
		io.Discard); err != nil {
		t.Fatal(err)
	}
	if got := read(t, file); got != after {
		t.Errorf("got\n%s\nwant\n%s", got, after)
	}

	for _, path := range []string{"image.none", "image", "image.digest.more"} {
		if err := stamp(t.Context(), []string{file, path + "=x"}, io.Discard); err == nil || !strings.Contains(err.Error(), path+": no such value") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got := read(t, file); got != after {
		t.Errorf("a refused stamp changed the file:\n%s", got)
	}
}

func TestVerifyWantsToKnowWhoSigns(t *testing.T) {
	if err := verify(t.Context(), []string{"-registry", "127.0.0.1:1/me", "-version", "1.2.3"}, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "-key or -identity") {
		t.Error(err)
	}
}

func TestOnlyDigestsAreSigned(t *testing.T) {
	if err := sign(t.Context(), []string{"127.0.0.1:1/me/wasm-rewrite:1.2.3"}, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "only digests are signed") {
		t.Error(err)
	}
}

// repository makes a git repository with one commit the working directory.
func repository(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())

	for name, text := range files {
		write(t, name, text)
	}
	git(t, "init", "--quiet", "--initial-branch=main")
	git(t, "config", "user.name", "somebody")
	git(t, "config", "user.email", "somebody@example.com")
	git(t, "add", "--all")
	git(t, "commit", "--quiet", "--message", "first")
}

func git(t *testing.T, args ...string) {
	t.Helper()
	if _, err := tell(exec.CommandContext(t.Context(), "git", args...)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()

	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
