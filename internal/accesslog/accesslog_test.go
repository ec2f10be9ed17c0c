package accesslog

import (
	"strings"
	"testing"
)

func TestALineThatNamesAThingTwiceIsReadTheSameEveryTime(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"what the client sent comes before what a rewrite left", `{"method": "GET", "path": "/new", "x_envoy_original_path": "/old", "authority": "example.com"}`, "GET http://example.com/old"},
		{"as Envoy Gateway writes it", `{":authority": "example.com", "x-envoy-origin-path": "/old", "method": "GET", "path": "/new"}`, "GET http://example.com/old"},
		{"a log that has no original path", `{"method": "GET", "x_envoy_original_path": "-", "path": "/new", "authority": "example.com"}`, "GET http://example.com/new"},
		{"authority comes before host", `{"method": "GET", "path": "/", "host": "upstream.example.com", "authority": "shop.example.com"}`, "GET http://shop.example.com/"},
		{"in whatever case", `{"METHOD": "GET", "Path": "/a", "path": "/b", "Host": "example.com"}`, "GET http://example.com/a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 50 { // an order of a map is seen sooner or later
				log, err := Read(strings.NewReader(c.line), "http")
				if err != nil || len(log.Requests) != 1 {
					t.Fatalf("%v, %+v", err, log)
				}

				r := log.Requests[0]
				if got := r.Method + " " + r.Scheme + "://" + r.Host + r.Target; got != c.want {
					t.Fatalf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}
