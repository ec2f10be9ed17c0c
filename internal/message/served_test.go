package message

import (
	"slices"
	"testing"
	"time"
)

func TestServedIsWhatEnvoyMakesOfIt(t *testing.T) {
	served := Served(Message{Headers: []Header{{":status", "200"}, {"server", "nginx"}, {"via", "1.1 a"}}, Body: "b"})
	h := NewResponseHeaders(served.Headers...)

	if got := h.Values("server"); !slices.Equal(got, []string{"envoy"}) {
		t.Errorf("server is %q, want envoy", got)
	}
	if got := h.Values("date"); len(got) != 1 {
		t.Errorf("date is %q, want one", got)
	}
	if got := h.Values("via"); !slices.Equal(got, []string{"1.1 a"}) || served.Body != "b" {
		t.Errorf("via is %q and the body %q, want them as they were", got, served.Body)
	}

	served = Served(Message{Headers: []Header{{":status", "200"}, {"date", "now"}}})
	if got := NewResponseHeaders(served.Headers...).Values("date"); !slices.Equal(got, []string{"now"}) {
		t.Errorf("date is %q, want the one that was there", got)
	}

	// Two answers that are compared, with more than a second between them.
	bare := Message{Headers: []Header{{":status", "200"}}}
	first := Served(bare)
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	if again := Served(bare); !slices.Equal(first.Headers, again.Headers) {
		t.Errorf("a second later the headers are %q, want %q as before", again.Headers, first.Headers)
	}
}
