// Command mesh starts a mesh with two httpbins and the filter's image, says how to use it, and leaves it running until
// Ctrl-C: `make mesh`.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/mesh"
)

func main() {
	build := flag.String("build", "build", "the `folder` of what `make mesh-tools` makes")
	istio := flag.String("istio", "", "the `folder` of the mesh's Istio, below build")
	envoy := flag.String("envoy", "", "the proxies' Envoy, a `file`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *build, *istio, *envoy); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const help = `
The mesh is up after %[1]s, and goes with Ctrl-C. In another terminal:

  export KUBECONFIG=%[2]s KUBECACHEDIR=%[3]s
  curl --header 'Host: v1.demo.example' %[4]s/banana/418     # 404
  helm install seed charts/wasm-rewrite --namespace demo --values charts/wasm-rewrite/ci/seed-values.yaml \
    --set url= --set image.registry=%[5]s --set image.repository=wasm-rewrite --set image.digest=%[6]s
  curl --header 'Host: v1.demo.example' %[4]s/banana/418     # 418
  helm uninstall seed --namespace demo

Push another build with: make publish REGISTRY=%[5]s
kubectl and helm lie in %[7]s.
`

func run(ctx context.Context, build, istio, envoy string) (err error) {
	began := time.Now()
	m, err := mesh.Start(ctx, mesh.Config{Build: build, Istio: istio, Envoy: envoy, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()

	bin, err := filepath.Abs(filepath.Join(build, "bin"))
	if err != nil {
		return err
	}

	cache := filepath.Join(m.Cluster.Dir, "kubecache")
	manifest, err := mesh.Workloads{Namespace: "demo", HTTPBin: m.HTTPBin, Preload: m.Preload}.Manifest()
	if err != nil {
		return err
	}
	const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: demo, labels: {istio-injection: enabled}}\n"

	var digest bytes.Buffer
	for _, command := range []*exec.Cmd{
		{Path: filepath.Join(bin, "kubectl"), Args: []string{"kubectl", "apply", "--filename=-"}, Stdin: strings.NewReader(namespace)},
		{Path: filepath.Join(bin, "kubectl"), Args: []string{"kubectl", "apply", "--namespace=demo", "--filename=" + filepath.Join(build, "../docs/preload.yaml")}},
		{Path: filepath.Join(bin, "kubectl"), Args: []string{"kubectl", "apply", "--filename=-"}, Stdin: strings.NewReader(manifest)},
		{Path: filepath.Join(bin, "publish"), Args: []string{"publish", "-module", filepath.Join(build, "plugin.wasm"), m.Images + "/wasm-rewrite"}, Stdout: &digest},
		{Path: filepath.Join(bin, "kubectl"), Args: []string{"kubectl", "wait", "--namespace=demo", "--for=condition=Available", "deployment", "--all",
			"--timeout=60s"}},
	} {
		var problems bytes.Buffer
		command.Env = append(os.Environ(), "KUBECONFIG="+m.Kubeconfig, "KUBECACHEDIR="+cache)
		command.Stderr = &problems
		if err := command.Run(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, &problems)
		}
	}
	fmt.Printf(help, time.Since(began).Round(time.Second), m.Kubeconfig, cache, m.Gateway, m.Images, strings.TrimSpace(digest.String()), bin)
	<-ctx.Done()

	return nil
}
