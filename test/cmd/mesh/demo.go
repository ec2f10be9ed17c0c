package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/argocd"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/gitserver"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/image"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/mesh"
)

// demo is what people find in the mesh.
type demo struct {
	*mesh.Mesh
	ctx               context.Context
	build, bin, cache string
}

// run runs a program of build/bin, or of this machine, and gives what it prints.
func (d *demo) run(folder, stdin, name string, args ...string) (string, error) {
	program := filepath.Join(d.bin, name)
	if _, err := os.Stat(program); err != nil {
		program = name
	}

	command := exec.CommandContext(d.ctx, program, args...)
	command.Dir, command.Stdin = folder, strings.NewReader(stdin)
	command.Env = append(os.Environ(), "KUBECONFIG="+d.Kubeconfig, "KUBECACHEDIR="+d.cache, "MAKEFLAGS=", "MAKELEVEL=")
	var said, problems bytes.Buffer
	command.Stdout, command.Stderr = &said, &problems
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &problems)
	}

	return strings.TrimSpace(said.String()), nil
}

const (
	namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: demo, labels: {istio-injection: enabled}}\n"
	client    = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: demo}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: client, image: %q}]}
`
)

// workloads starts two httpbins and a client, and gives the digest of the filter's image.
func (d *demo) workloads() (digest string, err error) {
	manifest, err := mesh.Workloads{Namespace: "demo", HTTPBin: d.HTTPBin, Preload: d.Preload}.Manifest()
	if err != nil {
		return "", err
	}

	files := image.Files{}
	for _, program := range []string{"bash", "curl", "sleep"} {
		if err := files.AddProgram("/bin/"+program, program); err != nil {
			return "", err
		}
	}

	made, err := image.Make(files, "", "/bin/sleep", "infinity")
	if err != nil {
		return "", err
	}

	pushed, err := d.Registry.Push("client:1", made)
	if err != nil {
		return "", err
	}

	for _, step := range [][]string{
		{namespace, "--filename=-"},
		{"", "--namespace=demo", "--filename=" + filepath.Join(d.build, "../docs/preload.yaml")},
		{manifest, "--filename=-"},
		{fmt.Sprintf(client, pushed), "--filename=-"},
	} {
		if _, err := d.run("", step[0], "kubectl", append([]string{"apply"}, step[1:]...)...); err != nil {
			return "", err
		}
	}

	if digest, err = d.run("", "", "publish", "-module", filepath.Join(d.build, "plugin.wasm"), d.Images+"/wasm-rewrite"); err != nil {
		return "", err
	}

	_, err = d.run("", "", "kubectl", "wait", "--namespace=demo", "--for=condition=Available", "deployment", "--all", "--timeout=60s")

	return digest, err
}

// rules is the clone of the repository of rules.
func (d *demo) rules() string { return filepath.Join(d.Cluster.Dir, "my-rules") }

const version = "0.1.0" // that of environments/*/release.yaml

// gitOps starts a git server and Argo CD, and lets Argo CD roll a repository of rules out.
func (d *demo) gitOps(filter string) (*gitserver.Server, error) {
	git, err := gitserver.Start(d.HostIP, d.Cluster.Dir)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.publish(), d.own(git.URL, filter)); err != nil {
		return nil, errors.Join(err, git.Down())
	}

	fmt.Fprintln(os.Stderr, "mesh: Argo CD")

	argo, err := argocd.Start(d.ctx, d.Cluster, d.build)
	if err != nil {
		return nil, errors.Join(err, git.Down())
	}

	git.Call(argo.Webhooks...)
	if err := d.follow(); err != nil {
		return nil, errors.Join(err, git.Down())
	}

	return git, nil
}

// publish pushes the chart.
func (d *demo) publish() error {
	_, err := d.run("", "", "helm", "package", filepath.Join(d.build, "../charts/wasm-rewrite"), "--version", version, "--destination", d.Cluster.Dir)
	if err != nil {
		return err
	}

	_, err = d.run("", "", "helm", "push", filepath.Join(d.Cluster.Dir, "wasm-rewrite-"+version+".tgz"), "oci://"+d.Images+"/charts", "--plain-http")

	return err
}

// own makes the repository of rules, with the digests of this registry, and pushes it.
func (d *demo) own(url, filter string) error {
	cli, err := d.run("", "", "publish", "-program", filepath.Join(d.bin, "wasm-rewrite"), d.Images+"/wasm-rewrite-cli")
	if err != nil {
		return err
	}
	if _, err := d.run("", "", filepath.Join(d.build, "../argocd/own.sh"), url, d.Images, d.rules()); err != nil {
		return err
	}

	for _, environment := range mesh.Environments {
		file := filepath.Join(d.rules(), "environments", environment, "release.yaml")

		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// The module's comes first.
		for _, digest := range []string{filter, cli} {
			text = bytes.Replace(text, []byte("sha256:"+strings.Repeat("0", 64)), []byte(digest), 1)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
	}

	for _, args := range [][]string{
		{"config", "user.name", "me"}, {"config", "user.email", "me@example.com"}, {"config", "http.postBuffer", "100000000"},
		{"remote", "add", "origin", url}, {"add", "--all"}, {"commit", "--quiet", "--message", "our rules"},
		{"push", "--quiet", "--set-upstream", "origin", "main"},
	} {
		if _, err := d.run(d.rules(), "", "git", args...); err != nil {
			return err
		}
	}

	return nil
}

// The registry serves plain HTTP.
const secret = `
apiVersion: v1
kind: Secret
metadata: {name: registry, namespace: argocd, labels: {argocd.argoproj.io/secret-type: repository}}
stringData: {type: oci, url: "oci://%s/charts/wasm-rewrite", insecureOCIForceHttp: "true"}
`

// follow starts what the rules are for, and lets Argo CD follow the repository.
func (d *demo) follow() error {
	shop, err := mesh.Shop(d.HTTPBin)
	if err != nil {
		return err
	}

	root, err := os.ReadFile(filepath.Join(d.rules(), "argocd/root.yaml"))
	if err != nil {
		return err
	}

	for _, manifest := range []string{shop, fmt.Sprintf(secret, d.Images), string(root)} {
		if _, err := d.run("", manifest, "kubectl", "apply", "--filename=-"); err != nil {
			return err
		}
	}

	return nil
}
