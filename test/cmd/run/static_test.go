package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// What is printed is a filter as Envoy knows it, with the rules untouched.
func TestStaticIsAFilterOfEnvoy(t *testing.T) {
	const rules = `{"patterns":[{"name":"a","match":{"path":{"regex":"^/ä: #\"$"}},"rewrite":{"path":"/b"}}]}`
	text, err := static(envoy.Plugin{Name: "default.rules", PluginName: "rules", Module: "/etc/envoy/plugin.wasm", Configuration: rules})
	if err != nil {
		t.Fatal(err)
	}

	var filters []struct {
		Name   string         `json:"name"`
		Config map[string]any `json:"typed_config"`
	}
	if err := yaml.UnmarshalStrict([]byte(text), &filters); err != nil || len(filters) != 1 {
		t.Fatalf("%v: want one filter\n%s", err, text)
	}
	delete(filters[0].Config, "@type")
	config, err := yaml.Marshal(filters[0].Config)
	if err != nil {
		t.Fatal(err)
	}

	config, err = yaml.YAMLToJSON(config)
	if err != nil {
		t.Fatal(err)
	}

	var filter wasmv3.Wasm
	if err := protojson.Unmarshal(config, &filter); err != nil {
		t.Fatal(err)
	}
	var got wrapperspb.StringValue
	if err := filter.GetConfig().GetConfiguration().UnmarshalTo(&got); err != nil || got.GetValue() != rules {
		t.Errorf("%v: the rules are %s, want %s", err, got.GetValue(), rules)
	}
	if file := filter.GetConfig().GetVmConfig().GetCode().GetLocal().GetFilename(); file != "/etc/envoy/plugin.wasm" {
		t.Errorf("the module is %s", file)
	}
}

// An Envoy takes it as it is printed, and refuses wrong rules before it serves anything.
func TestAnEnvoyTakesWhatIsPrintedAndRefusesWrongRules(t *testing.T) {
	for name, c := range map[string]struct{ regex, want string }{
		"good rules":  {"banana/([0-9]*)", "OK"},
		"wrong rules": {"(", "missing closing )"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := static(envoy.Plugin{Name: "default.rules", PluginName: "rules", Module: made.Module(t),
				Configuration: `{"patterns":[{"match":{"path":{"regex":"` + c.regex + `"}},"rewrite":{"path":"status/$1"}}]}`})
			if err != nil {
				t.Fatal(err)
			}

			file := filepath.Join(t.TempDir(), "envoy.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(plainEnvoy, "FILTER", strings.ReplaceAll(text, "\n", "\n          "), 1)), 0o600); err != nil {
				t.Fatal(err)
			}

			out, err := exec.CommandContext(t.Context(), made.Envoy(t), "--mode", "validate", "--log-level", "error", "--config-path", file).CombinedOutput()
			if (err == nil) != (c.want == "OK") || !strings.Contains(string(out), c.want) {
				t.Errorf("%v: want it to say %s\n%s", err, c.want, out)
			}
		})
	}
}

const plainEnvoy = `static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 8080}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          http_filters:
          FILTER
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
`
