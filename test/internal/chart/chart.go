// Package chart renders the chart with the real Helm, and reads what it renders.
package chart

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/gruntwork-io/terratest/modules/shell"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	extensionsapi "istio.io/api/extensions/v1alpha1"
	extensions "istio.io/client-go/pkg/apis/extensions/v1alpha1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

const (
	// Release and Namespace are where the chart is rendered to.
	Release   = "demo"
	Namespace = "shop"
	// Module is what an installation without any rule needs, so that a test need not care where the module comes from.
	Module = "url: file:///var/local/wasm/plugin.wasm\n"
)

// Dir is the chart.
var Dir = filepath.Join(made.Root, "charts/wasm-rewrite")

// Template gives what `helm template` writes to stdout for the chart; an
// error is what it writes to stderr. terratest's own package for Helm does the
// same, but takes three minutes to compile: it brings all of AWS.
func Template(t *testing.T, release string, args ...string) (string, error) {
	t.Helper()
	command := &shell.Command{Command: made.Helm(t), Args: append([]string{"template", release, Dir}, args...), Logger: logger.Discard}
	stdout, err := shell.RunCommandContextAndGetStdOutE(t, t.Context(), command)
	var failed *shell.ErrWithCmdOutput
	if errors.As(err, &failed) {
		err = errors.New(failed.Output.Stderr())
	}
	return stdout, err
}

// Render renders the chart with values in YAML; later values go over earlier ones.
func Render(t *testing.T, values ...string) (string, error) {
	t.Helper()

	folder, err := os.MkdirTemp("", "chart") //nolint:usetesting // helm takes a comma for the end of a file's name, and t.TempDir may have one
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)

	args := []string{"--namespace", Namespace}
	for i, text := range values {
		file := filepath.Join(folder, strconv.Itoa(i)+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}

		args = append(args, "--values", file)
	}

	return Template(t, Release, args...)
}

// MustRender fails the test where the chart refuses the values.
func MustRender(t *testing.T, values ...string) string {
	t.Helper()
	manifest, err := Render(t, values...)
	if err != nil {
		t.Fatalf("%v\nvalues:\n%s", err, strings.Join(values, "---\n"))
	}
	return manifest
}

// Objects splits a manifest into its objects.
func Objects(t *testing.T, manifest string) (objects []unstructured.Unstructured) {
	t.Helper()

	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(manifest, -1) {
		var object unstructured.Unstructured
		if err := yaml.UnmarshalStrict([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if object.Object != nil {
			objects = append(objects, object)
		}
	}

	return objects
}

// Typed turns an object into the type of istio.io/client-go whose spec is spec. An unknown field is a failure; istio's
// own decoding passes over it.
func Typed(t *testing.T, object unstructured.Unstructured, into any, spec proto.Message) {
	t.Helper()

	text, err := json.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(object.Object["spec"]); err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, spec); err != nil {
		t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

// WasmPlugins gives the WasmPlugins of a manifest by namespace/name; there must be nothing else.
func WasmPlugins(t *testing.T, manifest string) map[string]*extensions.WasmPlugin {
	t.Helper()

	plugins := map[string]*extensions.WasmPlugin{}
	for _, object := range Objects(t, manifest) {
		if object.GetAPIVersion() != "extensions.istio.io/v1alpha1" || object.GetKind() != "WasmPlugin" {
			t.Fatalf("the chart rendered a %s of %s", object.GetKind(), object.GetAPIVersion())
		}

		plugin := &extensions.WasmPlugin{}
		Typed(t, object, plugin, &extensionsapi.WasmPlugin{})
		plugins[plugin.Namespace+"/"+plugin.Name] = plugin
	}

	return plugins
}

// WasmPlugin gives the one WasmPlugin that values render to.
func WasmPlugin(t *testing.T, values ...string) *extensions.WasmPlugin {
	t.Helper()
	plugins := WasmPlugins(t, MustRender(t, values...))
	if len(plugins) != 1 {
		t.Fatalf("rendered %d objects, want 1", len(plugins))
	}

	for _, plugin := range plugins {
		return plugin
	}
	return nil
}

// FilterConfig gives the configuration that a proxy gets, as JSON, for any delivery.
func FilterConfig(t *testing.T, object unstructured.Unstructured) []byte {
	t.Helper()

	var config any
	switch object.GetKind() {
	case "WasmPlugin":
		config, _, _ = unstructured.NestedFieldNoCopy(object.Object, "spec", "pluginConfig")
	case "TrafficExtension":
		config, _, _ = unstructured.NestedFieldNoCopy(object.Object, "spec", "wasm", "pluginConfig")
	case "EnvoyExtensionPolicy":
		filters, _, _ := unstructured.NestedSlice(object.Object, "spec", "wasm")
		if len(filters) != 1 {
			t.Fatalf("want one filter, got %v", filters)
		}

		config = filters[0].(map[string]any)["config"]
	case "EnvoyFilter":
		var text wrapperspb.StringValue
		if err := WasmFilter(t, object).GetConfig().GetConfiguration().UnmarshalTo(&text); err != nil {
			t.Fatal(err)
		}
		return []byte(text.GetValue())
	default:
		t.Fatalf("the chart rendered a %s", object.GetKind())
	}

	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}

	return text
}

// WasmFilter reads the filter in an EnvoyFilter as Envoy does.
func WasmFilter(t *testing.T, object unstructured.Unstructured) *wasmv3.Wasm {
	t.Helper()

	patches, _, err := unstructured.NestedSlice(object.Object, "spec", "configPatches")
	if err != nil || len(patches) != 1 {
		t.Fatalf("want one patch, got %v, %v", patches, err)
	}

	config, _, err := unstructured.NestedMap(patches[0].(map[string]any), "patch", "value", "typed_config")
	if err != nil {
		t.Fatal(err)
	}
	if config["@type"] != "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm" {
		t.Fatalf("the filter's type is %v", config["@type"])
	}
	delete(config, "@type")
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}

	filter := &wasmv3.Wasm{}
	if err := protojson.Unmarshal(text, filter); err != nil {
		t.Fatal(err)
	}

	return filter
}

// CIValues are the files of values that the chart brings along.
func CIValues(t *testing.T) []string {
	t.Helper()

	files, err := filepath.Glob(filepath.Join(Dir, "ci", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no values in %s/ci (%v)", Dir, err)
	}
	return files
}

// ReadFile gives the text of a file.
func ReadFile(t *testing.T, name string) string {
	t.Helper()

	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
