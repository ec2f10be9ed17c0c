// Package envoygateway is a Kubernetes with Envoy Gateway in it, installed by its own chart, and a registry.
package envoygateway

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/cluster"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/image"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/registry"
)

// Namespace is where the controller is, and its proxies.
const Namespace = "envoy-gateway-system"

// Config says what a bed is made of.
type Config struct {
	// Build is the project's build folder, with bin in it; Gateway holds Envoy Gateway (`make eg-tools`).
	Build, Gateway string
	// Envoy is the proxies' Envoy.
	Envoy string
	// Log receives a line for each step. Default: nobody.
	Log io.Writer
}

// Bed is a running cluster.
type Bed struct {
	*cluster.Cluster
	Registry *registry.Registry
	// Images is where images are pushed to and pulled from, without a repository.
	Images string
	// HTTPBin and Proxy are the names of the images of httpbin and of the proxies.
	HTTPBin, Proxy string

	config Config
}

// Start makes a bed. After an error nothing is left running.
func Start(ctx context.Context, c Config) (*Bed, error) {
	if c.Log == nil {
		c.Log = io.Discard
	}

	b := &Bed{config: c}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(err, b.Stop())
	}
	return b, nil
}

func (b *Bed) start(ctx context.Context) error {
	bin := filepath.Join(b.config.Build, "bin")
	pushed := make(chan error, 1)
	var controller string
	var err error
	b.Cluster, err = cluster.Start(ctx, cluster.Config{
		Bin: bin, Log: b.config.Log,
		Registry: func(hostIP, dir string) (address, pause string, err error) {
			if b.Registry, err = registry.Start(hostIP, dir); err != nil {
				return "", "", err
			}

			b.Images = b.Registry.Address

			// The node wants the first image, and the others wait until it is there.
			if pause, err = b.push("pause:test", "", "/pause", filepath.Join(bin, "pause")); err != nil {
				return "", "", err
			}

			go func() {
				var err error
				controller, err = b.pushAll(bin)
				pushed <- err
			}()

			return b.Registry.Address, pause, nil
		},
	})
	if err != nil {
		return err
	}
	if err := <-pushed; err != nil {
		return err
	}

	fmt.Fprintln(b.config.Log, "mesh: Envoy Gateway")

	return b.install(ctx, controller)
}

// pushAll puts the images of the controller, its proxies and the workload into the registry.
func (b *Bed) pushAll(bin string) (controller string, err error) {
	const user = "65532:65532"
	if controller, err = b.push("envoyproxy/gateway:test", user, "/usr/local/bin/envoy-gateway", filepath.Join(b.config.Gateway, "envoy-gateway")); err != nil {
		return "", err
	}
	if b.Proxy, err = b.push("envoyproxy/envoy:test", user, "/usr/local/bin/envoy", b.config.Envoy); err != nil {
		return "", err
	}

	b.HTTPBin, err = b.push("httpbin:test", "", "/bin/go-httpbin", filepath.Join(bin, "httpbin"))
	return controller, err
}

// push makes an image of one program, and a folder for what it writes.
func (b *Bed) push(name, user, path, program string) (string, error) {
	files := image.Files{"/tmp": ""}
	if err := files.AddProgram(path, program); err != nil {
		return "", err
	}

	made, err := image.Make(files, user, path)
	if err != nil {
		return "", err
	}
	return b.pushImage(name, made)
}

func (b *Bed) pushImage(name string, made v1.Image) (string, error) {
	full, err := b.Registry.Push(name, made)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return full, nil
}

//go:embed values.yaml
var values []byte

// install installs the controller by its chart, as its users do, and returns once it serves.
func (b *Bed) install(ctx context.Context, controller string) error {
	file := filepath.Join(b.Dir, "envoy-gateway.yaml")
	if err := os.WriteFile(file, values, 0o644); err != nil {
		return err
	}
	if err := b.run(ctx, "helm", "install", "eg", filepath.Join(b.config.Gateway, "gateway-helm"),
		"--namespace", Namespace, "--create-namespace", "--wait", "--timeout", "5m", "--values", file,
		"--set", "global.images.envoyGateway.image="+controller); err != nil {
		return err
	}

	class := filepath.Join(b.Dir, "class.yaml")
	if err := os.WriteFile(class, []byte(gatewayClass), 0o644); err != nil {
		return err
	}

	return b.run(ctx, "kubectl", "apply", "--filename", class)
}

const gatewayClass = `{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: eg},
  spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}}
`

func (b *Bed) run(ctx context.Context, program string, args ...string) error {
	if out, err := b.command(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s%s", program, args, err, out, b.state())
	}
	return nil
}

// command is one of helm and kubectl for the cluster.
func (b *Bed) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.config.Build, "bin", program), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+b.Kubeconfig, "KUBECACHEDIR="+filepath.Join(b.Dir, "kubecache"))
	return cmd
}

// state is what a person would look at when something does not start.
func (b *Bed) state() (all string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	for _, args := range [][]string{
		{"get", "pods", "--all-namespaces", "--output=wide"},
		{"get", "events", "--all-namespaces", "--field-selector=type=Warning"},
		{"logs", "--namespace", Namespace, "--selector=control-plane=envoy-gateway", "--tail=30"},
	} {
		out, err := b.command(ctx, "kubectl", args...).CombinedOutput()
		all += fmt.Sprintf("kubectl %v: %v\n%s", args, err, out)
	}

	return all
}

// Stop ends the bed and leaves nothing of it.
func (b *Bed) Stop() error {
	var err error
	if b.Registry != nil {
		err = b.Registry.Down()
	}
	if b.Cluster != nil {
		err = errors.Join(err, b.Cluster.Stop())
	}
	return err
}
