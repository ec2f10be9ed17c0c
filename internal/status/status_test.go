package status_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

var update = flag.Bool("update", false, "write the verdicts into the recordings")

// recording is what an object asked for and a proxy of a real mesh answered:
// Istio 1.29, Envoy 1.37; or, where the recording says so, Istio 1.31 or an Envoy
// alone. Of listeners only the filter chain with the filter is kept, of logs only
// the lines about Wasm.
func recording(t *testing.T, archive *txtar.Archive) (*status.Object, *status.Proxy) {
	t.Helper()

	object, proxy := &unstructured.Unstructured{}, &status.Proxy{}
	for _, file := range archive.Files {
		switch file.Name {
		case "object.yaml":
			if err := yaml.Unmarshal(file.Data, &object.Object); err != nil {
				t.Fatal(err)
			}
		case "ecds_filters":
			proxy.Extensions = file.Data
		case "dynamic_listeners":
			proxy.Listeners = file.Data
		case "stats":
			proxy.Stats = file.Data
		case "log":
			proxy.Log = file.Data
		case "verdict":
		default:
			t.Fatalf("section %s: there is no such", file.Name)
		}
	}

	return status.ParseObject(object), proxy
}

func TestRecordedAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}

	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			encoder := json.NewEncoder(&got)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "  ")
			if err := encoder.Encode(status.Judge(recording(t, archive))); err != nil {
				t.Fatal(err)
			}

			last := len(archive.Files) - 1
			if *update {
				if archive.Files[last].Name != "verdict" {
					archive.Files, last = append(archive.Files, txtar.File{Name: "verdict"}), last+1
				}

				archive.Files[last].Data = got.Bytes()
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := archive.Files[last]; want.Name != "verdict" || got.String() != string(want.Data) {
				t.Errorf("got\n%swant\n%s(-update writes it)", &got, want.Data)
			}
		})
	}
}

// parts reads a recording and lets the test change it.
func parts(t *testing.T, name string) (*status.Object, *status.Proxy) {
	t.Helper()

	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return recording(t, archive)
}

func TestAnotherRevisionAskedForIsOutdated(t *testing.T) {
	object, proxy := parts(t, "in-force")
	object.Revision = "0badcafe"
	if row := status.Judge(object, proxy); row.State != status.Outdated || row.Revision.InForce != "1dc53632" {
		t.Errorf("got %+v", row)
	}
}

func TestAnotherModuleAskedForIsOutdated(t *testing.T) {
	object, proxy := parts(t, "in-force")
	asked := object.Module
	object.Module = strings.Repeat("0", 64)
	if row := status.Judge(object, proxy); row.State != status.Outdated || row.Module.InForce != asked {
		t.Errorf("got %+v", row)
	}
}

func TestAnObjectThatTheProxyWasNotToldOf(t *testing.T) {
	for _, recording := range []string{"in-force", "envoyfilter"} {
		object, proxy := parts(t, "in-force")
		_, other := parts(t, recording)
		object.Name = "other"
		proxy.Extensions = other.Extensions
		if row := status.Judge(object, proxy); row.State != status.Absent {
			t.Errorf("%s: got %+v", recording, row)
		}
	}
}

// A module that cannot be loaded leaves the one before at work, with the same
// rules and the same revision: only the log tells.
func TestARefusedModuleWithTheSameRulesIsNoticed(t *testing.T) {
	object, proxy := parts(t, "in-force")
	proxy.Log = append(proxy.Log, "2099-01-01T00:00:00.000000Z\twarning\tenvoy config\tgRPC config for type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig rejected: Unable to create Wasm plugin demo.seed-httpbin\tthread=14\n"...)
	if row := status.Judge(object, proxy); row.State != status.Refused || row.Refusal != "Unable to create Wasm plugin demo.seed-httpbin" {
		t.Errorf("got %+v", row)
	}
}

// Two plugins are loaded one after the other on a thread, and at the same time on two.
func TestWhatAnotherPluginsModuleFailedOfIsNotThisOnes(t *testing.T) {
	for _, log := range []string{
		"error\tenvoy wasm\tWasm VM failed Failed to load Wasm code\tthread=1\ncritical\tenvoy wasm\tPlugin demo.other failed to load\tthread=1\ncritical\tenvoy wasm\tPlugin demo.seed-httpbin failed to load\tthread=1\n",
		"error\tenvoy wasm\tWasm VM failed Failed to load Wasm code\tthread=2\ncritical\tenvoy wasm\tPlugin demo.seed-httpbin failed to load\tthread=1\n",
	} {
		object, proxy := parts(t, "module-cut-off-at-start")
		proxy.Log = []byte(log)
		if row := status.Judge(object, proxy); row.State != status.Refused || row.Refusal != "" {
			t.Errorf("got %+v", row)
		}
	}
}

func TestWhatIsNoAdminPortCannotBeAsked(t *testing.T) {
	object, proxy := parts(t, "in-force")
	proxy.Extensions = []byte("<html>")
	if row := status.Judge(object, proxy); row.State != status.Unknown || row.Reason == "" || row.Advice == "" {
		t.Errorf("got %+v", row)
	}
}
