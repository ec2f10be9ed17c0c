package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/registry"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/workflow"
)

const (
	releaseWorkflow = ".github/workflows/release.yaml"
	owner           = "wasm-rewrite"
)

// rehearsal is a release of the work tree as it stands, made by the jobs of the workflow on this machine: a registry and
// a git server of its own take the place of GitHub's, a key that of the workflow's identity.
type rehearsal struct {
	ctx context.Context
	out io.Writer
	// tree is a copy of the work tree, committed and tagged; its build folder is that of the work tree. git is the bare
	// repository that the tree was pushed to.
	tree, git, build string
	registry         string   // its address
	env              []string // of every step
}

// rehearse runs the release workflow for a version. It needs what make builds.
func rehearse(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("rehearse", flag.ContinueOnError)
	address := flags.String("registry", "", "where to, as REGISTRY: a `host:port/path` that takes everything from everybody, instead of a registry "+
		"that lives as long as this")
	keep := flags.String("keep", "", "an empty `folder` for the git repository and the keys, instead of one that goes when all is done")
	build := flags.String("build", "build", "the `folder` of what make built")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("want one argument: the version, as 1.2.3")
	}

	version := flags.Arg(0)
	if *build, err = filepath.Abs(*build); err != nil {
		return err
	}

	dir := *keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "wasm-rewrite-release-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if *address == "" {
		images, err := registry.Start("127.0.0.1", filepath.Join(dir, "registry"))
		if err != nil {
			return err
		}
		defer func() { _ = images.Down() }()

		*address = images.Address + "/" + owner
	}

	r := &rehearsal{ctx: ctx, out: out, build: *build, tree: filepath.Join(dir, "tree"), git: filepath.Join(dir, "origin.git"), registry: *address}
	if err := r.commit(version); err != nil {
		return err
	}
	if err := r.key(dir); err != nil {
		return err
	}
	if _, err := r.workflow(releaseWorkflow, workflow.Values{
		"github.ref_name": "v" + version, "github.actor": "rehearsal", "secrets.GITHUB_TOKEN": "rehearsal",
		"github.repository_owner": owner, "github.server_url": "https://github.com",
		"github.workflow_ref": owner + "/wasm-rewrite/" + releaseWorkflow + "@refs/tags/v" + version,
	}); err != nil {
		return err
	}

	_, err = fmt.Fprintf(out, "%s can be released: git tag v%s && git push origin v%s\n", version, version, version)

	return err
}

// commit copies the files that git knows, with their times, so that make builds nothing again, and tags the copy.
func (r *rehearsal) commit(version string) error {
	if err := os.MkdirAll(r.tree, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(r.build, filepath.Join(r.tree, "build")); err != nil {
		return err
	}

	list := exec.CommandContext(r.ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	names, err := list.Output()
	if err != nil {
		return err
	}

	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if err := copyFile(name, filepath.Join(r.tree, name)); err != nil {
			return err
		}
	}

	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", r.git},
		{"init", "--quiet", "--initial-branch=main"},
		{"remote", "add", "origin", r.git},
		{"add", "--all", ":!build"},
		{"-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost", "commit", "--quiet", "--message", "the work tree"},
		{"tag", "v" + version},
		{"push", "--quiet", "origin", "main", "v" + version},
	} {
		command := exec.CommandContext(r.ctx, "git", args...)
		command.Dir = r.tree
		if _, err := tell(command); err != nil {
			return err
		}
	}
	// The link is none of git's business: .gitignore knows a folder only.
	return os.WriteFile(filepath.Join(r.tree, ".git/info/exclude"), []byte("/build\n"), 0o644)
}

func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil // removed, and not yet committed
	} else if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}

	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, content, info.Mode()); err != nil {
		return err
	}

	return os.Chtimes(to, time.Time{}, info.ModTime())
}

// key makes the pair that signs here, and the environment of every step.
func (r *rehearsal) key(dir string) error {
	home := filepath.Join(dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}

	command := exec.CommandContext(r.ctx, filepath.Join(r.build, "bin/cosign"), "generate-key-pair", "--output-key-prefix", filepath.Join(dir, "cosign"))
	command.Env = append(os.Environ(), "COSIGN_PASSWORD=", "HOME="+home)
	if _, err := tell(command); err != nil {
		return err
	}

	goEnv, err := tell(exec.CommandContext(r.ctx, "go", "env", "GOENV", "GOPATH", "GOCACHE", "GOMODCACHE"))
	if err != nil {
		return err
	}

	folders := strings.Fields(goEnv)
	r.env = append(slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VERSION", "REGISTRY", "TAG"}, name)
	}), "HOME="+home, "DOCKER_CONFIG="+home, "GOENV="+folders[0], "GOPATH="+folders[1], "GOCACHE="+folders[2], "GOMODCACHE="+folders[3],
		"COSIGN_PASSWORD=", "COSIGN_KEY="+filepath.Join(dir, "cosign.key"), "COSIGN_PUBLIC_KEY="+filepath.Join(dir, "cosign.pub"),
		"GIT_CONFIG_GLOBAL=/dev/null")

	return nil
}

// workflow runs the jobs of a workflow, each after those that it needs. It gives their outputs, as jobs.NAME.outputs.NAME.
func (r *rehearsal) workflow(file string, values workflow.Values) (workflow.Values, error) {
	w, err := workflow.Read(filepath.Join(r.tree, file))
	if err != nil {
		return nil, err
	}

	order, err := w.Order()
	if err != nil {
		return nil, err
	}

	all := workflow.Values{}
	for _, name := range order {
		outputs, err := r.job(w.Jobs[name], name, values)
		if err != nil {
			return nil, fmt.Errorf("%s: job %s: %w", file, name, err)
		}

		for output, value := range outputs {
			values["needs."+name+".outputs."+output] = value
			all["jobs."+name+".outputs."+output] = value
		}
	}

	outputs := workflow.Values{}
	if call := w.On["workflow_call"]; call != nil {
		for name, output := range call.Outputs {
			if outputs[name], err = all.Expand(output.Value); err != nil {
				return nil, fmt.Errorf("%s: output %s: %w", file, name, err)
			}
		}
	}

	return outputs, nil
}

// job runs a job and gives its outputs.
func (r *rehearsal) job(job *workflow.Job, name string, values workflow.Values) (workflow.Values, error) {
	values = maps.Clone(values)
	if called, ok := strings.CutPrefix(job.Uses, "./"); ok {
		inputs := maps.Clone(values)
		for input, text := range job.With {
			value, err := r.expand(values, text)
			if err != nil {
				return nil, err
			}

			inputs["inputs."+input] = value
		}
		return r.workflow(called, inputs)
	}

	for _, step := range job.Steps {
		if step.Uses != "" {
			continue // the tree and Go are there
		}
		if _, err := fmt.Fprintf(r.out, "== %s: %s\n", name, step.Run); err != nil {
			return nil, err
		}

		outputs, err := r.step(step, values)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", step.Run, err)
		}

		for output, value := range outputs {
			values["steps."+step.ID+".outputs."+output] = value
		}
	}

	outputs := workflow.Values{}
	for output, text := range job.Outputs {
		value, err := values.Expand(text)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", output, err)
		}
		if value == "" {
			return nil, fmt.Errorf("output %s: %s is empty", output, text)
		}

		outputs[output] = value
	}

	return outputs, nil
}

// step runs a command and gives what it wrote to GITHUB_OUTPUT.
func (r *rehearsal) step(step *workflow.Step, values workflow.Values) (workflow.Values, error) {
	file := filepath.Join(filepath.Dir(r.tree), "output")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return nil, err
	}

	command := exec.CommandContext(r.ctx, "bash", "-e", "-o", "pipefail", "-c", step.Run)
	command.Dir, command.Stdout, command.Stderr = r.tree, r.out, r.out

	command.Env = append(slices.Clone(r.env), "GITHUB_OUTPUT="+file)
	for name, text := range step.Env {
		value, err := r.expand(values, text)
		if err != nil {
			return nil, fmt.Errorf("env %s: %w", name, err)
		}

		command.Env = append(command.Env, name+"="+value)
	}
	// Interrupted, make and what it runs end together.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGTERM) }
	if err := command.Run(); err != nil {
		return nil, err
	}

	written, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}

	outputs := workflow.Values{}
	for line := range strings.Lines(string(written)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			return nil, fmt.Errorf("GITHUB_OUTPUT: %q; want name=value", line)
		}

		outputs[name] = value
	}

	return outputs, nil
}

// expand puts values in, and the registry of this machine in the place of GitHub's.
func (r *rehearsal) expand(values workflow.Values, text string) (string, error) {
	text, err := values.Expand(text)
	return strings.ReplaceAll(text, "ghcr.io/"+owner, r.registry), err
}
