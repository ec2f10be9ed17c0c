package message

import (
	"slices"
	"testing"
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
}
