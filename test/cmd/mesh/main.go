// Command mesh starts a mesh with two httpbins and the filter's image, says how to use it, and leaves it running until
// Ctrl-C: `make mesh`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
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

  export KUBECONFIG=%[2]s KUBECACHEDIR=%[3]s PATH=%[7]s:$PATH
  curl --header 'Host: v1.demo.example' %[4]s/banana/418     # 404
  helm install seed charts/wasm-rewrite --namespace demo --values charts/wasm-rewrite/ci/seed-values.yaml \
    --set url= --set image.registry=%[5]s --set image.repository=wasm-rewrite --set image.digest=%[6]s
  wasm-rewrite status --namespace demo --wait 60s
  curl --header 'Host: v1.demo.example' %[4]s/banana/418     # 418; a connection that was open serves one more request as before
  helm uninstall seed --namespace demo

As a client in the mesh, with a sidecar of its own:

  kubectl exec deploy/client --namespace demo -- curl --silent --include http://httpbin-v1:8000/get

Argo CD follows %[8]s, whose clone is a repository of rules:

  kubectl --namespace argocd get applications
  curl --header 'Host: dev.example.com' %[4]s/cart/7         # arrives as /anything/basket/7
  cd %[9]s    # edit environments/dev/rules/checkout.yaml, then
  git commit -am "a change" && git push                      # in force in dev within seconds
  make promote FROM=dev TO=staging

Push another build with: make publish REGISTRY=%[5]s
`

func run(ctx context.Context, build, istio, envoy string) (err error) {
	began := time.Now()
	m, err := mesh.Start(ctx, mesh.Config{Build: build, Istio: istio, Envoy: envoy, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()

	d := &demo{Mesh: m, ctx: ctx, build: build, cache: filepath.Join(m.Cluster.Dir, "kubecache")}
	if d.bin, err = filepath.Abs(filepath.Join(build, "bin")); err != nil {
		return err
	}

	digest, err := d.workloads()
	if err != nil {
		return err
	}

	git, err := d.gitOps(digest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, git.Down()) }()

	fmt.Printf(help, time.Since(began).Round(time.Second), m.Kubeconfig, d.cache, m.Gateway, m.Images, digest, d.bin, git.URL, d.rules())
	<-ctx.Done()

	return nil
}
