package docs_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// docs/bootstrap.yaml is docs/preload.yaml and docs/stats_tags.yaml in one object.
func TestTheBootstrapHasItsTwoParts(t *testing.T) {
	whole, want := bootstrap(t, "../../docs/bootstrap.yaml"), bootstrap(t, "../../docs/preload.yaml")

	text, err := os.ReadFile("../../docs/stats_tags.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff(want, whole); diff != "" {
		t.Errorf("docs/bootstrap.yaml (-its parts +is):\n%s", diff)
	}
}

// bootstrap reads what a ConfigMap adds to a proxy's bootstrap.
func bootstrap(t *testing.T, file string) (parts map[string]any) {
	t.Helper()

	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Data map[string]string }
	if err := yaml.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(object.Data["custom_bootstrap.json"]), &parts); err != nil {
		t.Fatal(err)
	}

	return parts
}
