// Package istio installs Istio in a cluster as its users do: with helm, from its own charts.
package istio

import (
	"context"
	_ "embed"
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
	// Folder holds Istio as `make mesh-tools` makes it: its charts, and the CRDs of the Gateway API that it knows.
	Folder string
	// Bin is the folder that holds helm and kubectl.
	Bin string
	// Hub and Tag name the images: <Hub>/pilot:<Tag> and <Hub>/proxyv2:<Tag>.
	Hub, Tag string
	// Preload is the path of docs/preload.yaml, for a gateway that needs it; or empty.
	Preload string
	// Dir is a folder for the values files.
	Dir string
}

// The telemetry, ALPN and metadata filters exist only in Istio's own build of Envoy, as does what a waypoint needs for
// other networks; everything else is as a user gets it, but small. Ambient mode is on, without ztunnel, which is not a Go
// program: waypoints are there, and gateways send to them.
const istiodValues = `
global:
  hub: %s
  tag: %s
  defaultPodDisruptionBudget: {enabled: false}
  proxy:
    resources: {requests: {cpu: 1m, memory: 1Mi}}
  waypoint:
    resources: {requests: {cpu: 1m, memory: 1Mi}}
autoscaleEnabled: false
resources: {requests: {cpu: 1m, memory: 1Mi}}
env:
  PILOT_ENABLE_ALPN_FILTER: "false"
  PILOT_ENABLE_METADATA_EXCHANGE: "false"
  PILOT_ENABLE_AMBIENT: "true"
  AMBIENT_ENABLE_MULTI_NETWORK_WAYPOINT: "false"
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

// What the filter's patternHeader named is at the end of each line.
const accessLogFormat = `"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% patterns=%REQ(X-WASM-REWRITE)%` + "\n"

const gatewayValues = `
service: {type: NodePort}
autoscaling: {enabled: false}
resources: {requests: {cpu: 1m, memory: 1Mi}}
`

//go:embed waypoint.yaml
var waypointPatches []byte

const preloadValues = "podAnnotations: {sidecar.istio.io/bootstrapOverride: wasm-preload}\n"

// Install installs the CRDs, istiod and a gateway, and returns once both serve.
func Install(ctx context.Context, c Config) error {
	istiod, gateway, waypoint := filepath.Join(c.Dir, "istiod.yaml"), filepath.Join(c.Dir, "gateway.yaml"), filepath.Join(c.Dir, "waypoint.yaml")
	ofGateway := gatewayValues
	if c.Preload != "" {
		ofGateway += preloadValues
	}
	if err := errors.Join(
		os.WriteFile(istiod, fmt.Appendf(nil, istiodValues, c.Hub, c.Tag, accessLogFormat), 0o644),
		os.WriteFile(gateway, []byte(ofGateway), 0o644),
		os.WriteFile(waypoint, waypointPatches, 0o644),
	); err != nil {
		return err
	}

	charts := filepath.Join(c.Folder, "charts")
	commands := [][]string{
		{"helm", "install", "istio-base", filepath.Join(charts, "base"), "--namespace", Namespace, "--create-namespace"},
		{"kubectl", "create", "--filename", filepath.Join(c.Folder, "gateway-api")},
		{"helm", "install", "istiod", filepath.Join(charts, "istio-control/istio-discovery"), "--namespace", Namespace, "--values", istiod},
		// The injector fills in the gateway's image: it has to be there first.
		{"kubectl", "rollout", "status", "deployment/istiod", "--namespace", Namespace, "--timeout=60s"},
		{"kubectl", "apply", "--filename", waypoint},
		{"kubectl", "create", "namespace", GatewayNamespace},
	}
	if c.Preload != "" {
		commands = append(commands, []string{"kubectl", "apply", "--namespace", GatewayNamespace, "--filename", c.Preload})
	}

	commands = append(commands,
		[]string{"helm", "install", Gateway, filepath.Join(charts, "gateway"), "--namespace", GatewayNamespace, "--values", gateway},
		[]string{"kubectl", "rollout", "status", "deployment/" + Gateway, "--namespace", GatewayNamespace, "--timeout=60s"},
	)
	for _, command := range commands {
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
