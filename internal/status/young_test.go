package status

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// TestYoungObjects reports an object that was written just now, and of no other.
func TestYoungObjects(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		changed time.Time
		state   State
		want    string
	}{
		{now.Add(-2500 * time.Millisecond), Absent, "the object was written 2 seconds ago"},
		{now.Add(-time.Second), Outdated, "the object was written 1 second ago"},
		{now.Add(time.Minute), Refused, "the object was written less than a second ago"}, // another machine's clock
		{now.Add(-time.Minute), Absent, ""},
		{now, InForce, ""},
		{now, NoPods, ""},
		{time.Time{}, Absent, ""},
	} {
		o := &Object{Kind: "WasmPlugin", Namespace: "demo", Name: "seed", Changed: c.changed}
		rows := []Row{o.row()}
		rows[0].State, rows[0].Reason = c.state, "nothing is there"
		early(rows, []*Object{o}, now)
		if !strings.HasPrefix(rows[0].Reason, c.want) || !strings.HasSuffix(rows[0].Reason, "nothing is there") || c.want == "" && rows[0].Advice != "" {
			t.Errorf("%s, %v ago: %q, %q", c.state, now.Sub(c.changed), rows[0].Reason, rows[0].Advice)
		}
	}
}

// TestWait asks again until the time is over, and not at all where the cluster cannot be asked.
func TestWait(t *testing.T) {
	var asked atomic.Int32
	forbidden := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")

		switch {
		case !strings.HasSuffix(r.URL.Path, "/wasmplugins"):
			w.WriteHeader(http.StatusNotFound)
		case forbidden:
			w.WriteHeader(http.StatusForbidden)
		default:
			asked.Add(1)

			_, _ = w.Write([]byte(`{"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPluginList", "metadata": {}, "items": []}`))
		}
	}))
	defer server.Close()

	c, err := Connect(&rest.Config{Host: server.URL}, Options{Namespace: "demo", Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}

	r, err := c.Wait(context.Background(), 2500*time.Millisecond)
	if err != nil || r == nil || asked.Load() < 2 {
		t.Errorf("%+v, %v after %d questions", r, err, asked.Load())
	}

	forbidden = true
	if _, err := c.Wait(context.Background(), time.Hour); err == nil {
		t.Error("a cluster that may not be asked is no error")
	}
}
