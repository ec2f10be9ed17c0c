// Command mesh starts a mesh and leaves it running until Ctrl-C: `make mesh`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/mesh"
)

func main() {
	build := flag.String("build", "build", "the `folder` of what `make mesh-tools` makes")
	envoy := flag.String("envoy", "", "the proxies' Envoy, a `file`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *build, *envoy); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, build, envoy string) error {
	started := time.Now()
	m, err := mesh.Start(ctx, mesh.Config{Build: build, Envoy: envoy, Log: os.Stderr})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "mesh: up after %s\n", time.Since(started).Round(100*time.Millisecond))
	fmt.Printf("export KUBECONFIG=%s\nexport GATEWAY=%s\nexport REGISTRY=%s\n", m.Kubeconfig, m.Gateway, m.Registry.Address)
	<-ctx.Done()
	return m.Stop()
}
