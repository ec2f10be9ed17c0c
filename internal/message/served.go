package message

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// afterFilters are the headers that Envoy, with its default settings, writes into
// a response once it has left all filters.
var afterFilters = set("server date")

// WrittenAfterFilters reports whether Envoy writes a response header after the filters.
func WrittenAfterFilters(name string) bool { return afterFilters[strings.ToLower(name)] }

// now is one time for all responses of a program: two that are compared do not
// differ because a second passed between them.
var now = sync.OnceValue(func() string { return time.Now().UTC().Format(http.TimeFormat) })

// Served is a response as it leaves Envoy: server is Envoy's own whatever the
// filters made of it, and date is written where there is none.
func Served(m Message) Message {
	h := NewResponseHeaders(m.Headers...)
	if _, dated := h.Get("date"); !dated {
		h.Add("date", now())
	}
	h.Set("server", "envoy")

	return Message{Headers: h.All(), Body: m.Body}
}
