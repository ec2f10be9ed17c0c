// Package mesh is the test bed: a Kubernetes, a registry, Istio with a gateway, and the workloads that requests go to.
// Start makes one out of nothing; Connect takes a cluster that has Istio already.
package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/cluster"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/image"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/istio"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/registry"
)

// Config says what a mesh is made of.
type Config struct {
	// Build is the project's build folder, with bin in it; Istio is the folder of an Istio (`make mesh-tools`).
	Build, Istio string
	// Envoy is the proxies' Envoy.
	Envoy string
	// Log receives a line for each step. Default: nobody.
	Log io.Writer
}

// Mesh is a running mesh.
type Mesh struct {
	// Kubeconfig is the path of an administrator's kubeconfig; Client is the same in Go.
	Kubeconfig string
	Client     kubernetes.Interface
	// Gateway is the URL of the gateway's HTTP port.
	Gateway string
	// Images is where images are pushed to and pulled from, without a repository: a host with an optional port and path.
	Images string
	// HTTPBin is the name of httpbin's image.
	HTTPBin string
	// Istio is the version of a mesh of Start's own; empty in a cluster of somebody else.
	Istio string
	// Preload says that proxies need docs/preload.yaml.
	Preload bool
	// HostIP is an address of this machine that proxies reach; empty in a cluster of somebody else.
	HostIP string
	// Cluster and Registry are what Start started; nil in a cluster of somebody else.
	Cluster  *cluster.Cluster
	Registry *registry.Registry
}

// Start makes a mesh. After an error nothing is left running.
func Start(ctx context.Context, c Config) (*Mesh, error) {
	if c.Log == nil {
		c.Log = io.Discard
	}

	version, err := istio.Version(c.Istio)
	if err != nil {
		return nil, fmt.Errorf("a mesh needs Istio, and there is none: run `make mesh-tools`: %w", err)
	}

	m := &Mesh{Istio: version}
	if m.Preload, err = istio.NeedsPreload(version); err != nil {
		return nil, err
	}
	if err := m.start(ctx, c, version); err != nil {
		return nil, errors.Join(err, m.Stop())
	}

	return m, nil
}

func (m *Mesh) start(ctx context.Context, c Config, version string) error {
	bin := filepath.Join(c.Build, "bin")
	pushed := make(chan error, 1)
	var err error
	m.Cluster, err = cluster.Start(ctx, cluster.Config{
		Bin: bin, Log: c.Log,
		Registry: func(hostIP, dir string) (address, pause string, err error) {
			if m.Registry, err = registry.Start(hostIP, dir); err != nil {
				return "", "", err
			}

			pauseImage, err := image.Make(image.Files{"/pause": filepath.Join(bin, "pause")}, "", "/pause")
			if err != nil {
				return "", "", err
			}
			if pause, err = m.Registry.Push("pause:"+version, pauseImage); err != nil {
				return "", "", err
			}

			go func() { pushed <- m.push(c, bin, version) }()

			return m.Registry.Address, pause, nil
		},
	})
	if err != nil {
		return err
	}

	m.Kubeconfig, m.Client, m.HostIP, m.Images = m.Cluster.Kubeconfig, m.Cluster.Client, m.Cluster.HostIP, m.Registry.Address
	if err := <-pushed; err != nil {
		return err
	}
	fmt.Fprintf(c.Log, "mesh: istiod and gateway, Istio %s\n", version)
	config := istio.Config{
		Kubeconfig: m.Kubeconfig, Folder: c.Istio, Bin: bin,
		Hub: m.Registry.Address + "/istio", Tag: version, Dir: m.Cluster.Dir,
	}
	if m.Preload {
		config.Preload = filepath.Join(c.Build, "../docs/preload.yaml")
	}
	if err := istio.Install(ctx, config); err != nil {
		return err
	}

	port, err := gatewayPort(ctx, m.Client)
	if err != nil {
		return err
	}

	m.Gateway = fmt.Sprintf("http://%s:%d", m.Cluster.IP, port)

	return nil
}

// push puts the images of Istio and of the workload into the registry.
func (m *Mesh) push(c Config, bin, version string) error {
	for name, make := range map[string]func() (v1.Image, error){
		"istio/pilot:" + version: func() (v1.Image, error) { return istio.PilotImage(c.Istio) },
		"istio/proxyv2:" + version: func() (v1.Image, error) {
			return istio.ProxyImage(c.Istio, c.Envoy)
		},
		"httpbin:" + version: func() (v1.Image, error) {
			files := image.Files{"/bin/go-httpbin": filepath.Join(bin, "httpbin")}
			// To send requests from a workload: bash opens connections.
			if err := files.AddProgram("/bin/bash", "bash"); err != nil {
				return nil, err
			}
			return image.Make(files, "", "/bin/go-httpbin")
		},
	} {
		made, err := make()
		if err != nil {
			return err
		}
		if _, err := m.Registry.Push(name, made); err != nil {
			return err
		}
	}

	m.HTTPBin = m.Registry.Address + "/httpbin:" + version

	return nil
}

func gatewayPort(ctx context.Context, client kubernetes.Interface) (int32, error) {
	service, err := client.CoreV1().Services(istio.GatewayNamespace).Get(ctx, istio.Gateway, metav1.GetOptions{})
	if err != nil {
		return 0, err
	}

	for _, port := range service.Spec.Ports {
		if port.Name == "http2" {
			return port.NodePort, nil
		}
	}

	return 0, fmt.Errorf("service %s has no port http2", istio.Gateway)
}

// Connect takes a cluster that has Istio, and its gateway under the names of Istio's charts, instead of making one.
// gateway is the URL of the gateway's HTTP port, images is where images can be pushed to and pulled from, and httpbin is
// the image of a go-httpbin.
func Connect(kubeconfig, gateway, images, httpbin string) (*Mesh, error) {
	for name, value := range map[string]string{"the gateway's URL": gateway, "the registry": images, "httpbin's image": httpbin} {
		if value == "" {
			return nil, fmt.Errorf("%s is not known: a cluster of one's own does not say it", name)
		}
	}

	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kubeconfig, err)
	}

	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kubeconfig, err)
	}

	return &Mesh{Kubeconfig: kubeconfig, Client: client, Gateway: gateway, Images: images, HTTPBin: httpbin, Preload: true}, nil
}

// Stop ends the mesh and leaves nothing of it. A cluster of somebody else goes on.
func (m *Mesh) Stop() error {
	var err error
	if m.Registry != nil {
		err = m.Registry.Down()
	}
	if m.Cluster != nil {
		err = errors.Join(err, m.Cluster.Stop())
	}
	return err
}
