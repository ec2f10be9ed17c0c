package test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/upstream"
)

// The scenario of the README: the chart's seed values, in Envoy before httpbin.
func TestSeed(t *testing.T) {
	plugin := renderedPlugin(t, "ci/seed-values.yaml")
	httpbin := upstream.MustStart(t, made.Httpbin(t))
	proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: []envoy.Listener{
		{Name: "with", Filters: []envoy.Filter{envoy.Wasm(plugin)}, Upstream: httpbin.Address},
		{Name: "without", Upstream: httpbin.Address},
	}})

	if response, _ := get(t, proxy.URL("without")+"/banana/418"); response.StatusCode != http.StatusNotFound {
		t.Errorf("without the filter, /banana/418 answers %s, want 404", response.Status)
	}

	response, _ := get(t, proxy.URL("with")+"/banana/418")
	if response.StatusCode != http.StatusTeapot {
		t.Errorf("/banana/418 answers %s, want 418", response.Status)
	}

	for name, want := range map[string]string{
		"Who-Am-I": "wasm-rewrite", "Injected-By": "istio-api!", "Site": "youdianzhishi.com", "Author": "陽明",
		"Configdata": plugin.Configuration,
	} {
		if got := response.Header[name]; len(got) != 1 || got[0] != want {
			t.Errorf("/banana/418 answers %s %q, want %q", name, got, want)
		}
	}

	response, _ = get(t, proxy.URL("with")+"/banana/200?v=2&w=%20")
	if response.StatusCode != http.StatusOK {
		t.Errorf("/banana/200?v=2 answers %s, want 200", response.Status)
	}

	// httpbin tells the URL that it got.
	_, body := get(t, proxy.URL("with")+"/get?path=banana/418&x=%2F")
	var echo struct{ URL string }
	if err := json.Unmarshal(body, &echo); err != nil {
		t.Fatalf("/get answers %q: %v", body, err)
	}
	if want := "/get?path=banana/418&x=%2F"; !strings.HasSuffix(echo.URL, want) {
		t.Errorf("a path that matches nothing arrives as %s, want %s", echo.URL, want)
	}
}

func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}

	response, err := http.DefaultTransport.RoundTrip(request) // a redirect is an answer
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}

	return response, body
}
