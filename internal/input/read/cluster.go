package read

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// Cluster reads objects as a cluster keeps them.
func Cluster(list []unstructured.Unstructured) (*input.Input, error) {
	objects := make([]map[string]any, 0, len(list))
	for i := range list {
		objects = append(objects, list[i].Object)
	}
	return input.FromCluster(objects)
}
