package change

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Difference is one thing that differs, "" where it was not there.
type Difference struct {
	What string `json:"what"` // path, host, status, location, request header x-a, response header x-b
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Differences are what an upstream or a client sees differ.
func Differences(was, is exchange.Seen) (list []Difference) {
	add := func(what, a, b string) {
		if a != b {
			list = append(list, Difference{what, a, b})
		}
	}

	if (was.Upstream == nil) != (is.Upstream == nil) {
		add("outcome", outcome(was), outcome(is))
	} else {
		add("status", exchange.Value(was.Client, ":status"), exchange.Value(is.Client, ":status"))
	}

	if was.Upstream != nil && is.Upstream != nil {
		headers(add, "request header ", *was.Upstream, *is.Upstream)
	}
	headers(add, "response header ", was.Client, is.Client)
	if was.Client.Body != is.Client.Body {
		add("body", was.Client.Body, is.Client.Body)
	}

	return list
}

// outcome says where a request went.
func outcome(s exchange.Seen) string {
	if s.Upstream == nil {
		return "answered with " + exchange.Value(s.Client, ":status")
	}
	return "goes upstream"
}

// headers adds the headers that differ, in the order in which they came.
func headers(add func(what, a, b string), prefix string, a, b message.Message) {
	var names []string
	for _, h := range slices.Concat(a.Headers, b.Headers) {
		if !slices.Contains(names, h.Name) && h.Name != ":status" && h.Name != ":method" && h.Name != ":scheme" {
			names = append(names, h.Name)
		}
	}

	for _, name := range names {
		what := prefix + name
		switch name {
		case ":path":
			what = "path"
		case ":authority":
			what = "host"
		case "location":
			what = "location"
		}
		add(what, strings.Join(exchange.Values(a, name), ", "), strings.Join(exchange.Values(b, name), ", "))
	}
}

// Write writes the difference for people, in two lines.
func (d Difference) Write(w io.Writer, indent string) {
	fmt.Fprintf(w, "%s- %s: %s\n%[1]s+ %[2]s: %[4]s\n", indent, terminal.Line(d.What), terminal.Value(d.Old), terminal.Value(d.New))
}
