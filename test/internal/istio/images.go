package istio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/image"
)

// PilotImage is istiod's image, named istio/pilot in Istio's releases. folder holds Istio as `make mesh-tools` makes it.
func PilotImage(folder string) (v1.Image, error) {
	return image.Make(image.Files{
		"/usr/local/bin/pilot-discovery": filepath.Join(folder, "pilot-discovery"),
		"/tmp":                           "",
	}, "1337:1337", "/usr/local/bin/pilot-discovery")
}

// ProxyImage is the image of sidecars and gateways, named istio/proxyv2 in Istio's releases: pilot-agent, Envoy and the
// iptables that capture a Pod's traffic. Envoy is a release of Envoy itself, not of Istio's build of it.
func ProxyImage(folder, envoy string) (v1.Image, error) {
	files := image.Files{
		"/usr/local/bin/pilot-agent":                     filepath.Join(folder, "pilot-agent"),
		"/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": filepath.Join(folder, "envoy_bootstrap.json"),
		"/tmp": "",
	}
	if err := files.AddProgram("/usr/local/bin/envoy", envoy); err != nil {
		return nil, fmt.Errorf("envoy: %w", err)
	}

	for _, family := range []string{"iptables", "ip6tables"} {
		for _, kind := range []string{"", "-nft", "-legacy"} {
			for _, action := range []string{"", "-save", "-restore"} {
				if err := files.AddProgram("/usr/sbin/"+family+kind+action, family+kind+action); err != nil {
					return nil, err
				}
			}
		}
	}
	// iptables loads its matches and targets from here. The folder's path carries the architecture.
	extensions, err := filepath.Glob("/usr/lib/*/xtables")
	if err != nil || len(extensions) != 1 {
		return nil, fmt.Errorf("/usr/lib/*/xtables: %d folders, want the one of iptables", len(extensions))
	}
	if err := files.AddFolder(extensions[0]); err != nil {
		return nil, err
	}

	return image.Make(files, "", "/usr/local/bin/pilot-agent")
}

// Version is the version of the Istio in a folder.
func Version(folder string) (string, error) {
	version, err := os.ReadFile(filepath.Join(folder, "version"))
	return strings.TrimSpace(string(version)), err
}

// NeedsPreload says whether the Envoy of an Istio ends when the first Wasm filter comes to a proxy that runs already, on
// a CPU with memory protection keys: see docs/preload.yaml. Istio 1.30 has Envoy 1.38, which goes on.
func NeedsPreload(version string) (bool, error) {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("%q is not a version of Istio: %w", version, err)
	}
	return major == 1 && minor < 30, nil
}
