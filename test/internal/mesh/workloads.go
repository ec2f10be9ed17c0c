package mesh

import (
	_ "embed"
	"strings"
	"text/template"
)

// Workloads are two versions of httpbin behind the gateway, each with a sidecar, in a namespace of their own. Requests
// for host v1.<Namespace>.example go to one of them, v2.<Namespace>.example to the other.
type Workloads struct {
	Namespace string
	// HTTPBin is httpbin's image.
	HTTPBin string
	// Preload makes the sidecars start with V8, by docs/preload.yaml, which has to be in the namespace first.
	Preload bool
	// Annotations are those of v1's Pods.
	Annotations map[string]string
}

//go:embed workloads.yaml.tmpl
var workloadsText string

var workloadsTemplate = template.Must(template.New("workloads.yaml").Parse(workloadsText))

// Manifest is what to apply.
func (w Workloads) Manifest() (string, error) {
	var manifest strings.Builder
	type version struct {
		Version     string
		Annotations map[string]string
	}
	err := workloadsTemplate.Execute(&manifest, map[string]any{
		"Namespace": w.Namespace,
		"HTTPBin":   w.HTTPBin,
		"Preload":   w.Preload,
		"Versions":  []version{{"v1", w.Annotations}, {"v2", nil}},
	})

	return manifest.String(), err
}
