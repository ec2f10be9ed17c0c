// Package istio installs Istio in a cluster as its users do: with helm, from its own charts.
package istio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The namespaces of the control plane and of the gateway, and the gateway's Service.
const (
	Namespace        = "istio-system"
	GatewayNamespace = "istio-ingress"
	Gateway          = "istio-ingressgateway"
)

// Config says what to install where.
type Config struct {
	// Kubeconfig is the path of the cluster's kubeconfig.
	Kubeconfig string
	// Charts is the folder of Istio's charts.
	Charts string
	// Bin is the folder that holds helm and kubectl.
	Bin string
	// Hub and Tag name the images: <Hub>/pilot:<Tag> and <Hub>/proxyv2:<Tag>.
	Hub, Tag string
	// Preload is the path of docs/preload.yaml, for the gateway.
	Preload string
	// Dir is a folder for the values files.
	Dir string
}

// The telemetry, ALPN and metadata filters exist only in Istio's own build of Envoy; everything else is as a user gets
// it, but small.
const istiodValues = `
global:
  hub: %s
  tag: %s
  defaultPodDisruptionBudget: {enabled: false}
  proxy:
    resources: {requests: {cpu: 1m, memory: 1Mi}}
autoscaleEnabled: false
resources: {requests: {cpu: 1m, memory: 1Mi}}
env:
  PILOT_ENABLE_ALPN_FILTER: "false"
  PILOT_ENABLE_METADATA_EXCHANGE: "false"
telemetry: {enabled: false}
meshConfig:
  enablePrometheusMerge: false
  accessLogFile: /dev/stdout
  accessLogFormat: %q
  defaultConfig:
    concurrency: 1
    proxyMetadata:
      # The registry serves plain HTTP.
      WASM_INSECURE_REGISTRIES: "*"
`

// What the filter's patternHeader named stands at the end of each line.
const accessLogFormat = `"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% patterns=%REQ(X-WASM-REWRITE)%` + "\n"

const gatewayValues = `
service: {type: NodePort}
autoscaling: {enabled: false}
resources: {requests: {cpu: 1m, memory: 1Mi}}
podAnnotations: {sidecar.istio.io/bootstrapOverride: wasm-preload}
`

// Install installs the CRDs, istiod and a gateway, and returns once both serve.
func Install(ctx context.Context, c Config) error {
	istiod, gateway := filepath.Join(c.Dir, "istiod.yaml"), filepath.Join(c.Dir, "gateway.yaml")
	if err := errors.Join(
		os.WriteFile(istiod, fmt.Appendf(nil, istiodValues, c.Hub, c.Tag, accessLogFormat), 0o644),
		os.WriteFile(gateway, []byte(gatewayValues), 0o644),
	); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"helm", "install", "istio-base", filepath.Join(c.Charts, "base"), "--namespace", Namespace, "--create-namespace"},
		{"helm", "install", "istiod", filepath.Join(c.Charts, "istio-control/istio-discovery"), "--namespace", Namespace, "--values", istiod},
		// The injector fills in the gateway's image: it has to be there first.
		{"kubectl", "rollout", "status", "deployment/istiod", "--namespace", Namespace, "--timeout=60s"},
		{"kubectl", "create", "namespace", GatewayNamespace},
		{"kubectl", "apply", "--namespace", GatewayNamespace, "--filename", c.Preload},
		{"helm", "install", Gateway, filepath.Join(c.Charts, "gateway"), "--namespace", GatewayNamespace, "--values", gateway},
		{"kubectl", "rollout", "status", "deployment/" + Gateway, "--namespace", GatewayNamespace, "--timeout=60s"},
	} {
		if out, err := c.run(ctx, command...); err != nil {
			return fmt.Errorf("%v: %w\n%s%s", command, err, out, c.state())
		}
	}
	return nil
}

func (c Config) run(ctx context.Context, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, command[0]), command[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig,
		// Clusters follow each other at the same address, and what is cached of one misleads about the next.
		"KUBECACHEDIR="+filepath.Join(c.Dir, "kubecache"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// state is what a person would look at when something does not start.
func (c Config) state() string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var all strings.Builder
	for _, command := range [][]string{
		{"kubectl", "get", "pods", "--all-namespaces", "--output=wide"},
		{"kubectl", "get", "events", "--all-namespaces", "--field-selector=type=Warning"},
		{"kubectl", "logs", "--namespace", Namespace, "--selector=app=istiod", "--tail=30"},
		{"kubectl", "logs", "--namespace", GatewayNamespace, "--selector=istio=ingressgateway", "--tail=30"},
	} {
		out, err := c.run(ctx, command...)
		fmt.Fprintf(&all, "%s\n%s", strings.Join(command, " "), out)
		if err != nil {
			fmt.Fprintln(&all, err)
		}
	}
	return all.String()
}
