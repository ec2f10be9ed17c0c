package gitops_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// fork copies this repository, as it is now, and makes it the user's own.
func fork() error {
	bed.tree = filepath.Join(bed.dir, "clone")
	if err := os.Mkdir(bed.tree, 0o755); err != nil {
		return err
	}

	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = made.Root
	files, err := list.Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}

	copied := exec.Command("xargs", "-0", "cp", "--parents", "--preserve=mode,timestamps", "--target-directory="+bed.tree)
	copied.Dir, copied.Stdin = made.Root, bytes.NewReader(files)
	if out, err := copied.CombinedOutput(); err != nil {
		return fmt.Errorf("copying the repository: %w: %s", err, out)
	}

	for _, command := range [][]string{
		{"git", "init", "--quiet", "--initial-branch=main"},
		{"git", "config", "user.name", "Shop"},
		{"git", "config", "user.email", "shop@example.com"},
		// One request with its length: a CGI program takes no chunks.
		{"git", "config", "http.postBuffer", "100000000"},
		{"git", "remote", "add", "origin", bed.git.URL},
		{"make", "own", "REPO=" + bed.git.URL, "REGISTRY=" + bed.Images},
	} {
		if _, err := inTree(command...); err != nil {
			return err
		}
	}
	// What was built for this repository is for its copy too.
	if err := os.Symlink(filepath.Join(made.Root, "build"), filepath.Join(bed.tree, "build")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(bed.tree, ".git/info/exclude"), []byte("/build\n"), 0o600); err != nil {
		return err
	}
	// Whenever the tests run, production is open.
	project := filepath.Join(bed.tree, "argocd/project.yaml")
	text, err := os.ReadFile(project)
	if err != nil {
		return err
	}

	return os.WriteFile(project, window.ReplaceAll(text, []byte(alwaysOpen)), 0o600)
}

var window = regexp.MustCompile(`schedule: .*\n +duration: .*`)

const alwaysOpen = "schedule: 0 0 * * *\n    duration: 24h"

// release publishes the chart, the module and the command line that checks each release before it, and has every
// environment run them.
func release(module string) error {
	digest, err := publish(module)
	if err != nil {
		return err
	}

	gates, err := inTree(filepath.Join(made.Root, "build/bin/publish"), "-program", filepath.Join(made.Root, "build/bin/wasm-rewrite"),
		bed.Images+"/wasm-rewrite-cli")
	if err != nil {
		return err
	}

	bed.gates = strings.TrimSpace(gates)
	if err := pushChart("charts/wasm-rewrite", chartVersion); err != nil {
		return err
	}

	for _, environment := range environments {
		if err := write("environments/"+environment+"/release.yaml", releaseFile(digest)); err != nil {
			return err
		}
	}

	return nil
}

const chartVersion = "0.1.0"

func releaseFile(digest string) string {
	return fmt.Sprintf("global:\n  chart:\n    version: %s\nverify:\n  image:\n    digest: %s\nimage:\n  digest: %s\n", chartVersion, bed.gates, digest)
}

// publish pushes a module as `make publish` does and returns the image's digest.
func publish(module string) (string, error) {
	out, err := inTree(filepath.Join(made.Root, "build/bin/publish"), "-module", module, bed.Images+"/wasm-rewrite")
	return strings.TrimSpace(out), err
}

// pushChart packages a chart of the clone and pushes it.
func pushChart(chart, version string) error {
	if _, err := inTree("helm", "package", chart, "--version", version, "--destination", bed.dir); err != nil {
		return err
	}

	_, err := inTree("helm", "push", filepath.Join(bed.dir, "wasm-rewrite-"+version+".tgz"), "oci://"+bed.Images+"/charts", "--plain-http")
	return err
}

// inTree runs a command in the clone and returns what it printed.
func inTree(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(bed.Context, time.Minute)
	defer cancel()

	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Dir = bed.tree
	// A make that runs the tests must not hand its flags to this one's.
	run.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "KUBECONFIG="+bed.Kubeconfig)
	var stdout, stderr bytes.Buffer
	run.Stdout, run.Stderr = &stdout, &stderr
	if err := run.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(command, " "), err, &stdout, &stderr)
	}

	return stdout.String(), nil
}

// write writes a file of the clone; an empty text removes it.
func write(name, text string) error {
	path := filepath.Join(bed.tree, name)
	if text == "" {
		return os.Remove(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// push is pushNow, and returns once Argo CD has looked at it. It drops a webhook's wish for a refresh when another one is
// under way, and would look again only some minutes later: it is asked again.
func push(message string) error {
	if err := pushNow(message); err != nil || bed.argo == nil {
		return err
	}
	if eventually(5*time.Second, seen) == nil {
		return nil
	}

	for _, environment := range environments {
		if err := refresh(environment, "normal"); err != nil {
			return err
		}
	}

	return eventually(settled, seen)
}

// pushNow commits what is different in the clone and pushes it.
func pushNow(message string) error {
	for _, command := range [][]string{
		{"git", "add", "--all"},
		{"git", "commit", "--quiet", "--message", message},
		{"git", "push", "--quiet", "origin", "main"},
	} {
		if _, err := inTree(command...); err != nil {
			return err
		}
	}
	return nil
}
