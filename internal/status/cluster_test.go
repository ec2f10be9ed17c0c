package status_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// cluster is an API server with the given answers by the end of their path;
// hang never comes. Where the rest goes the real mesh tests.
func cluster(t *testing.T, answers map[string]string) *status.Cluster {
	t.Helper()

	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]
		w.Header().Set("Content-Type", "application/json")

		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case answer == "hang":
			select {
			case <-over:
			case <-r.Context().Done():
			}
		case answer == "forbidden":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403, "message": "User \"author\" cannot do that"}`))
		default:
			_, _ = w.Write([]byte(answer))
		}
	}))
	t.Cleanup(func() { close(over); server.Close() })

	c, err := status.Connect(&rest.Config{Host: server.URL}, status.Options{Namespace: "demo", RootNamespace: "istio-system", AdminPort: 15000,
		Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}

	return c
}

const (
	plugins = `{"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPluginList", "metadata": {}, "items": [
		{"metadata": {"name": "seed-httpbin", "namespace": "demo"}, "spec": {"selector": {"matchLabels": {"app": "httpbin"}}}}]}`
	envoyFilters = `{"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilterList", "metadata": {}, "items": []}`
)

func pods(t *testing.T, items ...map[string]any) string {
	t.Helper()

	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "PodList", "metadata": map[string]any{}, "items": append([]map[string]any{}, items...)})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func pod(name, phase, container string) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"name": name, "namespace": "demo"},
		"spec":     map[string]any{"containers": []map[string]any{{"name": container}}},
		"status":   map[string]any{"phase": phase},
	}
}

func TestAClusterThatCannotBeAsked(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers map[string]string
		want    string
	}{
		{"no Istio", nil, "it has no Istio"},
		{"forbidden", map[string]string{"wasmplugins": "forbidden"}, "allowed to list wasmplugins"},
		{"no answer", map[string]string{"wasmplugins": "hang"}, "give it more with --timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := cluster(t, c.answers).Objects(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

func TestPodsWithoutAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		pods  string
		state status.State
		want  string
	}{
		{"none", pods(t), status.NoPods, "no Pod in namespace demo has the labels of the selector"},
		{"no sidecar", pods(t, pod("a", "Running", "httpbin")), status.NoProxy, "no container istio-proxy"},
		{"starting", pods(t, pod("a", "Pending", "istio-proxy")), status.NotRunning, "Pending"},
		{"silent proxy", pods(t, pod("a", "Running", "istio-proxy")), status.Unknown, "did not answer within 500ms"},
		{"forbidden", "forbidden", status.Unknown, "allowed to list pods"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := cluster(t, map[string]string{"wasmplugins": plugins, "envoyfilters": envoyFilters, "pods": c.pods, "portforward": "hang"})
			_, objects, err := cluster.Objects(t.Context())
			if err != nil {
				t.Fatal(err)
			}

			began := time.Now()
			rows := cluster.Rows(t.Context(), objects)
			if len(rows) != 1 || rows[0].State != c.state || !strings.Contains(rows[0].Reason, c.want) {
				t.Errorf("got %+v, want %s: …%s…", rows, c.state, c.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %s, with a timeout of 500ms", took)
			}
		})
	}
}

func TestObjectsOfEveryNamespace(t *testing.T) {
	items := `{"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPluginList", "metadata": {}, "items": [
		{"metadata": {"name": "moved-a", "namespace": "a", "labels": {"app.kubernetes.io/instance": "moved"}}},
		{"metadata": {"name": "moved-b", "namespace": "b", "labels": {"app.kubernetes.io/instance": "moved"}}},
		{"metadata": {"name": "other", "namespace": "b", "labels": {"app.kubernetes.io/instance": "other"}}}]}`
	var asked atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")

		switch {
		case strings.HasSuffix(r.URL.Path, "/wasmplugins"):
			asked.Store(r.URL.Path)

			_, _ = w.Write([]byte(items))
		case strings.HasSuffix(r.URL.Path, "/pods"):
			_, _ = w.Write([]byte(`{"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": []}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()

	c, err := status.Connect(&rest.Config{Host: server.URL}, status.Options{Only: []string{"moved"}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}

	r, err := c.Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if path := asked.Load(); path != "/apis/extensions.istio.io/v1alpha1/wasmplugins" {
		t.Errorf("asked %s, which is not of every namespace", path)
	}

	var got []string
	for _, row := range r.Rows {
		got = append(got, row.Object)
	}
	if want := "WasmPlugin a/moved-a, WasmPlugin b/moved-b"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestNothingInAnyNamespaceIsSaid(t *testing.T) {
	var text bytes.Buffer
	(&status.Report{}).Text(&text)
	if !strings.HasPrefix(text.String(), "all namespaces: the chart made no object in any") {
		t.Errorf("got %s", &text)
	}
}
