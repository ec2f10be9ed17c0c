package istio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/image"
)

// PilotImage is istiod's image, named istio/pilot in Istio's releases.
func PilotImage(bin string) (v1.Image, error) {
	return image.Make(image.Files{
		"/usr/local/bin/pilot-discovery": filepath.Join(bin, "pilot-discovery"),
		"/tmp":                           "",
	}, "1337:1337", "/usr/local/bin/pilot-discovery")
}

// ProxyImage is the image of sidecars and gateways, named istio/proxyv2 in Istio's releases: pilot-agent, Envoy and the
// iptables that capture a Pod's traffic. Envoy is a release of Envoy itself, not of Istio's build of it.
func ProxyImage(bin, bootstrap, envoy string) (v1.Image, error) {
	files := image.Files{
		"/usr/local/bin/pilot-agent":                     filepath.Join(bin, "pilot-agent"),
		"/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": bootstrap,
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

// Version is the version of the Istio that was built.
func Version(build string) (string, error) {
	version, err := os.ReadFile(filepath.Join(build, "istio/version"))
	return strings.TrimSpace(string(version)), err
}
