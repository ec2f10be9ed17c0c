package status

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// An answer that is cut off would look like one of a proxy without the filter, and a proxy sends nobody elsewhere.
func TestAnswersOfProxies(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()

	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/none":
			http.Error(w, "not found in config dump", http.StatusNotFound)
		default:
			_, _ = w.Write([]byte("12345678"))
		}
	}))
	defer proxy.Close()

	for _, c := range []struct {
		path       string
		most       int64
		want, fail string
	}{
		{"/stats", 8, "12345678", ""},
		{"/stats", 7, "", "the proxy: /stats: the answer has more than 7 bytes"},
		{"/none", 100, "not found in config dump\n", ""},
		{"/away", 100, "", "the proxy: /away: 302 Found"},
	} {
		got, err := get(t.Context(), proxy.URL+c.path, c.most)
		if string(got) != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%s with %d bytes: got %q, %v", c.path, c.most, got, err)
		}
	}
}
