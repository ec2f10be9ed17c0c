// Package argocd runs a whole Argo CD on the node of a cluster, each part the real program: redis, repository server,
// API server with its webhook, application controller and ApplicationSet controller with its webhook.
package argocd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/cluster"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/process"
)

// Namespace is that of Argo CD's own objects.
const Namespace = "argocd"

// ArgoCD is a running Argo CD. It ends with its cluster.
type ArgoCD struct {
	// Webhooks are the receivers of push events: that for Applications and that for ApplicationSets.
	Webhooks []string

	cluster    *cluster.Cluster
	build      string
	controller *process.Process
}

// Start installs Argo CD's CRDs and settings in a cluster and starts its parts. build is the project's build folder, with
// bin and argocd in it (`make argocd`).
func Start(ctx context.Context, c *cluster.Cluster, build string) (*ArgoCD, error) {
	build, err := filepath.Abs(build)
	if err != nil {
		return nil, err
	}

	a := &ArgoCD{cluster: c, build: build, Webhooks: []string{"http://" + c.IP + ":8080/api/webhook", "http://" + c.IP + ":7000/api/webhook"}}
	if err := os.MkdirAll(a.home(), 0o755); err != nil {
		return nil, err
	}
	if err := a.install(ctx); err != nil {
		return nil, err
	}
	if _, err := c.Run(ctx, process.Config{
		Name: "redis", Path: "redis-server", Args: []string{"--save", "", "--appendonly", "no", "--dir", a.home()},
		Ready: func(context.Context) error { return a.logged("redis", "Ready to accept connections") },
	}); err != nil {
		return nil, err
	}
	// It makes the key that the others read.
	if _, err := a.run(ctx, "server", process.HTTP("http://"+c.IP+":8080/healthz"),
		"--namespace="+Namespace, "--disable-auth", "--insecure", "--port=8080", "--metrics-port=8083", "--repo-server=127.0.0.1:8081",
		"--repo-server-plaintext"); err != nil {
		return nil, err
	}
	if _, err := a.run(ctx, "repo-server", process.HTTP("http://"+c.IP+":8084/healthz"),
		"--disable-tls", "--port=8081", "--metrics-port=8084"); err != nil {
		return nil, err
	}
	if _, err := a.run(ctx, "applicationset-controller", process.TCP(c.IP+":7000"),
		"--namespace="+Namespace, "--webhook-addr=:7000", "--metrics-addr=:8085", "--probe-addr=:8086", "--argocd-repo-server=127.0.0.1:8081",
		"--repo-server-plaintext"); err != nil {
		return nil, err
	}

	return a, a.StartController(ctx)
}

// StartController starts the application controller, for the first time or after StopController.
func (a *ArgoCD) StartController(ctx context.Context) error {
	var err error
	a.controller, err = a.run(ctx, "application-controller", process.HTTP("http://"+a.cluster.IP+":8082/healthz"),
		"--namespace="+Namespace, "--metrics-port=8082", "--repo-server=127.0.0.1:8081",
		"--repo-server-plaintext")
	return err
}

// StopController ends the application controller, whatever it is doing, and nothing else.
func (a *ArgoCD) StopController() error { return a.controller.Stop() }

func (a *ArgoCD) home() string { return filepath.Join(a.cluster.Dir, "argocd") }

func (a *ArgoCD) logged(name, text string) error {
	log, err := os.ReadFile(filepath.Join(a.cluster.Dir, "log", name+".log"))
	if err == nil && !bytes.Contains(log, []byte(text)) {
		err = fmt.Errorf("%s did not say %q yet", name, text)
	}
	return err
}

func (a *ArgoCD) run(ctx context.Context, part string, ready func(context.Context) error, args ...string) (*process.Process, error) {
	return a.cluster.Run(ctx, process.Config{
		Name: "argocd-" + part, Path: filepath.Join(a.build, "bin/argocd"), Args: args, Ready: ready,
		Env: []string{
			"ARGOCD_BINARY_NAME=argocd-" + part, "ARGOCD_GPG_ENABLED=false",
			"KUBECONFIG=" + a.cluster.Kubeconfig, "REDIS_SERVER=127.0.0.1:6379", "REPO_SERVER_REDIS_SERVER=127.0.0.1:6379",
			// The destination https://kubernetes.default.svc is what the kubeconfig says.
			"ARGOCD_FAKE_IN_CLUSTER=true",
			// Without a name git looks the machine's own up, for its log of references; a node has nobody to ask and waits
			// 10 s, twice for each push. In a Pod /etc/hosts knows it.
			"GIT_COMMITTER_NAME=argocd", "GIT_COMMITTER_EMAIL=argocd@example.com",
			// Its working copies lie where nothing outlives the cluster; helm and git are found on PATH.
			"HOME=" + a.home(), "TMPDIR=" + a.home(), "PATH=" + filepath.Join(a.build, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		},
	})
}

// install applies what Argo CD's own manifest holds, but for the parts that run as processes here.
func (a *ArgoCD) install(ctx context.Context) error {
	file := filepath.Join(a.build, "argocd/core-install.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("an Argo CD is missing: run `make argocd`: %w", err)
	}

	docs := [][]byte{[]byte("{apiVersion: v1, kind: Namespace, metadata: {name: " + Namespace + "}}\n")}
	for _, doc := range bytes.Split(text, []byte("\n---\n")) {
		var object struct{ Kind string }
		if err := yaml.Unmarshal(doc, &object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if !slices.Contains([]string{"Deployment", "StatefulSet", "NetworkPolicy"}, object.Kind) {
			docs = append(docs, doc)
		}
	}
	// Server-side, since the ApplicationSet's CRD is too long for an annotation.
	if err := a.kubectl(ctx, bytes.Join(docs, []byte("\n---\n")), "apply", "--server-side", "--namespace="+Namespace, "--filename=-"); err != nil {
		return err
	}

	return a.kubectl(ctx, nil, "wait", "--for=condition=Established", "--timeout=30s", "crd/applications.argoproj.io", "crd/applicationsets.argoproj.io",
		"crd/appprojects.argoproj.io")
}

func (a *ArgoCD) kubectl(ctx context.Context, stdin []byte, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	command := exec.CommandContext(ctx, filepath.Join(a.build, "bin/kubectl"),
		append([]string{"--kubeconfig=" + a.cluster.Kubeconfig, "--cache-dir=" + filepath.Join(a.home(), "kubecache")}, args...)...)
	command.Stdin = bytes.NewReader(stdin)
	if out, err := command.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("kubectl %s: %w", args[0], err), errors.New(string(out)))
	}
	return nil
}
