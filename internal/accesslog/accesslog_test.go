package accesslog

import (
	"fmt"
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

// The lines were written by nginx 1.22 and ingress-nginx.
func TestNginxsOwnFormatIsRead(t *testing.T) {
	for line, want := range map[string]string{
		`127.0.0.1 - - [28/Nov/2026:10:28:55 +0000] "GET /x?y=%22z HTTP/1.1" 404 153 "-" "a \x22quoted\x22 agent"`:                                         `GET /x?y=%22z 404 a "quoted" agent`,
		`10.0.0.1 - ann [28/Nov/2026:09:00:00 +0000] "POST /api HTTP/2.0" 200 612 "-" "curl/8.0" 123 0.003 [shop-api-80] [] 10.0.0.3:80 612 0.003 200 abc`: "POST /api 200 curl/8.0",
	} {
		log, err := Read(strings.NewReader(line), "http")
		if err != nil || len(log.Requests) != 1 {
			t.Fatalf("%s: %v, %+v", line, err, log)
		}

		r := log.Requests[0]
		if got := fmt.Sprint(r.Method, " ", r.Target, " ", r.Status, " ", r.Headers[0].Value); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}

	// A request that is none, as a client sends it that speaks TLS to a port for http.
	log, err := Read(strings.NewReader(`127.0.0.1 - - [28/Nov/2026:10:28:55 +0000] "\x16\x03\x01" 400 157 "-" "-"`), "http")
	if err != nil || log.Unread != 1 {
		t.Errorf("%v, %+v", err, log)
	}
}
