package pending

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
)

func plugin(name, instance string, spec map[string]any) map[string]any {
	o := map[string]any{"kind": "WasmPlugin", "metadata": map[string]any{"name": name, "namespace": "shop", "labels": map[string]any{
		"app.kubernetes.io/name": "wasm-rewrite", "app.kubernetes.io/instance": instance,
	}}}
	if spec != nil {
		o["spec"] = spec
	}
	return o
}

func planned(t *testing.T, objects ...map[string]any) *input.Input {
	t.Helper()

	var list []unstructured.Unstructured
	for _, o := range objects {
		list = append(list, unstructured.Unstructured{Object: o})
	}

	in, err := read.Cluster(list)
	if err != nil {
		t.Fatal(err)
	}

	return in
}

func TestWhatARolloutWouldChangeIsTold(t *testing.T) {
	spec := map[string]any{"phase": "AUTHN"}
	for _, c := range []struct {
		name         string
		running      []map[string]any
		planned      []map[string]any
		want         string
		wantNoChange bool
	}{
		{name: "an object without a spec", running: []map[string]any{plugin("a", "wasm-rewrite", nil)}, planned: []map[string]any{plugin("a", "wasm-rewrite", spec)}, want: "WasmPlugin shop/a\n  changed  spec.phase none → \"AUTHN\"\n"},
		{name: "one that is new", planned: []map[string]any{plugin("a", "wasm-rewrite", spec)}, want: "WasmPlugin shop/a, new\n"},
		{name: "one that is gone", running: []map[string]any{plugin("a", "wasm-rewrite", spec)}, want: "WasmPlugin shop/a, gone\n"},
		{name: "the same", running: []map[string]any{plugin("a", "wasm-rewrite", spec)}, planned: []map[string]any{plugin("a", "wasm-rewrite", spec)}, wantNoChange: true},
		{name: "another release's", running: []map[string]any{plugin("b", "other", spec)}, wantNoChange: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []unstructured.Unstructured
			for _, o := range c.running {
				list = append(list, unstructured.Unstructured{Object: o})
			}

			running, err := Running(list)
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			changed, err := Tell(&said, running, planned(t, c.planned...))
			if err != nil || changed == c.wantNoChange || said.String() != c.want {
				t.Errorf("changed is %v, %v; got\n%swant\n%s", changed, err, &said, c.want)
			}
		})
	}
}
