// Package accesslog reads requests out of access logs of Envoy and Istio.
package accesslog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// Request is one logged request.
type Request struct {
	Method, Scheme, Host, Target string
	Headers                      []message.Header // those that the log shows
	Status                       int              // the logged response
}

// Log is what was read of a log.
type Log struct {
	Requests []Counted // the different ones, in the order in which they came
	Lines    int       // that held a request
	Unread   int       // that held none
	First    int       // the first line without a request, from 1
}

// Counted is a request and how often it stood in the log.
type Counted struct {
	Request
	Times int
}

// maxLine is the longest line that is read, in bytes.
const maxLine = 1 << 20

// Read reads a log, line by line. A line is in Envoy's or Istio's default text
// format, in nginx's combined format, which names no host, or one that begins as
// that, a JSON object with the keys of Istio's or Envoy Gateway's, or a method
// and a URL. scheme is for lines that do not name one.
func Read(r io.Reader, scheme string) (*Log, error) {
	log := &Log{}
	at := map[string]int{}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)

	n := 1
	for ; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" {
			continue
		}

		request, ok := parse(line)
		if !ok {
			if log.Unread++; log.Unread == 1 {
				log.First = n
			}
			continue
		}
		if request.Scheme == "" {
			request.Scheme = scheme
		}
		log.Lines++
		key := fmt.Sprintf("%+v", request)
		i, known := at[key]
		if !known {
			i = len(log.Requests)
			at[key] = i
			log.Requests = append(log.Requests, Counted{Request: request})
		}
		log.Requests[i].Times++
	}

	switch err := s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: has more than %d bytes; is it an access log?", n, maxLine)
	case err != nil:
		return nil, fmt.Errorf("line %d: %w", n, err)
	}

	return log, nil
}

var (
	text     = regexp.MustCompile(`^\[[^\]]*\] "(\S+) (\S+)(?: [^"]*)?" (\d+) .*"[^"]*" "(.*)" "[^"]*" "([^"]*)" "[^"]*"[^"]*$`)
	combined = regexp.MustCompile(`^\S+ \S+ .*?\[[^\]]*\] "(\S+) (\S+) HTTP/[^" ]*" (\d{3}) \S+ "[^"]*" "([^"]*)"`)

	bare = regexp.MustCompile(`^([A-Z]+) (?:(https?)://([^/?#\s]+))?([^\s#]*)(?: HTTP/\S+)?$`)
)

func parse(line string) (Request, bool) {
	if strings.HasPrefix(line, "{") {
		return parseJSON(line)
	}
	if m := text.FindStringSubmatch(line); m != nil {
		return finish(map[string]string{"method": m[1], "path": m[2], "status": m[3], "user-agent": m[4], "host": m[5]})
	}
	if m := combined.FindStringSubmatch(line); m != nil {
		return finish(map[string]string{"method": m[1], "path": m[2], "status": m[3], "user-agent": escapes.ReplaceAllStringFunc(m[4], unescape)})
	}
	if m := bare.FindStringSubmatch(line); m != nil {
		if m[3] != "" && m[4] == "" {
			m[4] = "/"
		}
		return finish(map[string]string{"method": m[1], "scheme": m[2], "host": m[3], "path": m[4]})
	}

	return Request{}, false
}

// escapes are how nginx writes what ends a field, or is not printed.
var escapes = regexp.MustCompile(`\\x[0-9A-F]{2}`)

func unescape(code string) string {
	n, err := strconv.ParseUint(code[2:], 16, 8)
	if err != nil {
		return code
	}
	return string([]byte{byte(n)})
}

// keys are the names under which JSON logs have what a request is made of. Where a line has several, the first that has a
// value is read: what the client sent before what a rewrite left.
var keys = []struct {
	field string
	names []string
}{
	{"method", []string{":method", "method", "request_method"}},
	{"path", []string{"x-envoy-original-path", "x_envoy_original_path", "x-envoy-origin-path", ":path", "path", "request_path", "uri"}},
	{"host", []string{":authority", "authority", "host"}},
	{"scheme", []string{":scheme", "scheme"}},
	{"status", []string{"response_code", "status"}},
	{"user-agent", []string{"user-agent", "user_agent"}},
}

func parseJSON(line string) (Request, bool) {
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	var object map[string]any
	if d.Decode(&object) != nil {
		return Request{}, false
	}

	// Names in any case; of two that differ in it alone, the first in byte order.
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		low := strings.ToLower(name)
		if _, known := values[low]; !known && object[name] != nil {
			values[low] = fmt.Sprint(object[name])
		}
	}

	fields := map[string]string{}
	for _, key := range keys {
		for _, name := range key.names {
			value := values[name]
			if value != "" && value != "-" {
				fields[key.field] = value
				break
			}
		}
	}

	return finish(fields)
}

func finish(fields map[string]string) (r Request, ok bool) {
	for name, value := range fields {
		if value == "-" {
			delete(fields, name)
		}
	}

	r = Request{Method: fields["method"], Scheme: fields["scheme"], Host: fields["host"], Target: fields["path"], Status: 200}
	if r.Method == "" || !strings.HasPrefix(r.Target, "/") && r.Target != "*" {
		return r, false
	}
	if r.Host == "" {
		r.Host = "example.com"
	}
	if n, err := strconv.Atoi(fields["status"]); err == nil && n >= 100 && n <= 599 {
		r.Status = n
	}
	// Nothing that makes every request another one, such as x-request-id.
	if agent := fields["user-agent"]; agent != "" {
		r.Headers = append(r.Headers, message.Header{Name: "user-agent", Value: agent})
	}

	return r, true
}
