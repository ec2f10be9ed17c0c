// Package example holds the examples that come with rules, under the key
// tests: requests, and what must become of them.
package example

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Test is one example: an exchange and what is expected of it.
type Test struct {
	Name     string // default: test-N, N being the index from 0
	Live     bool   // also sent as a real request after a release
	Request  Request
	Response Response
	Expect   Expect
}

// DefaultHost is the host of a request that names none: nobody's.
const DefaultHost = "example.com"

// Request is what the client sends.
type Request struct {
	Method string // default GET
	Scheme string // http or https; default http
	Host   string // default DefaultHost
	// HostNamed says that Host is written, and not the default.
	HostNamed bool
	Path      string // path and query; default /
	Headers   Headers
}

// Response is what the upstream answers.
type Response struct {
	Status  int // default 200
	Headers Headers
}

// Expect is what must become of an exchange. What is nil is not compared.
type Expect struct {
	Pattern               []string // the patterns that acted: see OnePattern; empty for none
	OnePattern            bool     // Pattern is one that acted among others, not all of them in order
	Path                  *string  // path and query as the upstream sees them
	Host                  *string  // as the upstream sees it
	Status                *int     // as the client sees it
	Location              *string  // as the client sees it
	RequestHeaders        Headers  // as the upstream sees them
	AbsentRequestHeaders  []string
	ResponseHeaders       Headers // as the client sees them
	AbsentResponseHeaders []string
}

// Headers are headers by lower-case name, each with all its values in order.
type Headers map[string][]string

// Error is one fault in the form of tests.
type Error struct {
	Path   string // tests[2].expect.path
	Value  string // the value found; "" where something is missing
	Reason string
}

// Errors are all faults of a list of tests, in its order.
type Errors []Error

// Parse reads the value of the key tests, as YAML gives it. What can be read is
// given along with faults.
func Parse(v any) ([]Test, Errors) {
	d := &decoder{}
	var tests []Test

	seen := map[string]int{}
	for i, v := range d.list("tests", v) {
		at := fmt.Sprintf("tests[%d]", i)
		t := d.test(at, v)
		if t.Name == "" {
			t.Name = fmt.Sprintf("test-%d", i)
		}
		if first, twice := seen[t.Name]; twice {
			d.fault(at+".name", t.Name, fmt.Sprintf("is the name of tests[%d] too: names are unique", first))
		} else {
			seen[t.Name] = i
		}

		tests = append(tests, t)
	}

	return tests, d.faults
}

type decoder struct{ faults Errors }

func (d *decoder) fault(at string, value any, reason string) {
	e := Error{Path: at, Reason: reason}
	if value != nil {
		e.Value = show(value)
	}

	d.faults = append(d.faults, e)
}

func show(v any) string {
	text, quoted := v.(string)
	if !quoted {
		text = fmt.Sprint(v)
	}
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80]) + "…"
	}
	if quoted {
		text = fmt.Sprintf("%q", text)
	}

	return text
}

// object calls the reader of each key that has a value, in the order of the
// names, and reports the others.
func (d *decoder) object(at string, v any, keys map[string]func(at string, v any)) {
	if v == nil {
		return
	}

	m, ok := v.(map[string]any)
	if !ok {
		d.fault(at, v, "want an object")
		return
	}

	for _, key := range slices.Sorted(maps.Keys(m)) {
		read, known := keys[key]
		if !known {
			d.fault(at+"."+key, nil, "is an unknown key: want one of "+strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		} else if m[key] != nil {
			read(at+"."+key, m[key])
		}
	}
}

func (d *decoder) list(at string, v any) []any {
	list, ok := v.([]any)
	if v != nil && !ok {
		d.fault(at, v, "want a list")
	}
	return list
}

func (d *decoder) text(at string, v any) string {
	s, ok := v.(string)
	if !ok {
		d.fault(at, v, "want a string: put it in quotes")
	}
	return s
}

func (d *decoder) status(at string, v any) int {
	n := 0
	if _, err := fmt.Sscanf(fmt.Sprint(v), "%d", &n); err != nil || fmt.Sprint(v) != fmt.Sprint(n) || n < 100 || n > 599 {
		d.fault(at, v, "want a status from 100 to 599, without quotes")
	}
	return n
}

func (d *decoder) texts(at string, v any) (list []string) {
	for i, v := range d.list(at, v) {
		list = append(list, d.text(fmt.Sprintf("%s[%d]", at, i), v))
	}
	return list
}

func (d *decoder) names(at string, v any) []string {
	list := d.texts(at, v)
	for i := range list {
		list[i] = strings.ToLower(list[i])
	}
	return list
}

func (d *decoder) headers(at string, v any) Headers {
	m, ok := v.(map[string]any)
	if !ok {
		d.fault(at, v, "want an object: name: value, or name: [value, value]")
		return nil
	}

	h := Headers{}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		at := at + "." + name

		low := strings.ToLower(name)
		switch {
		case low == "host" || strings.HasPrefix(low, ":"):
			d.fault(at, nil, "is not a header here: write method, scheme, host, path or status")
		case low == "" || strings.ContainsAny(low, " \t\r\n:"):
			d.fault(at, nil, "is not a header name")
		}
		if list, ok := m[name].([]any); ok {
			h[low] = append(h[low], d.texts(at, list)...)
		} else {
			h[low] = append(h[low], d.text(at, m[name]))
		}
	}

	return h
}

func (d *decoder) test(at string, v any) Test {
	t := Test{
		Request:  Request{Method: "GET", Scheme: "http", Host: DefaultHost, Path: "/"},
		Response: Response{Status: 200},
	}
	responds, expects := false, false
	d.object(at, v, map[string]func(string, any){
		"name": func(at string, v any) { t.Name = d.text(at, v) },
		"live": func(at string, v any) {
			var ok bool
			if t.Live, ok = v.(bool); !ok {
				d.fault(at, v, "want true or false, without quotes")
			}
		},
		"request": func(at string, v any) { d.request(at, v, &t.Request) },
		"response": func(at string, v any) {
			responds = true
			d.object(at, v, map[string]func(string, any){
				"status":  func(at string, v any) { t.Response.Status = d.status(at, v) },
				"headers": func(at string, v any) { t.Response.Headers = d.headers(at, v) },
			})
		},
		"expect": func(at string, v any) {
			m, ok := v.(map[string]any)
			expects = !ok || len(m) > 0
			d.expect(at, v, &t.Expect)
		},
	})
	if !expects {
		d.fault(at+".expect", nil, "is missing or empty: say what must become of the request")
	}
	if t.Live {
		d.live(at, t, responds)
	}

	return t
}

// live reports what a real request cannot show.
func (d *decoder) live(at string, t Test, responds bool) {
	if t.Request.Method != "GET" && t.Request.Method != "HEAD" {
		d.fault(at+".request.method", t.Request.Method, "a live test is GET or HEAD: it is sent to the real service")
	}
	if responds {
		d.fault(at+".response", nil, "cannot be combined with live: the real service answers")
	}
	if e := t.Expect; e.Status == nil && e.Location == nil && e.ResponseHeaders == nil && e.AbsentResponseHeaders == nil {
		d.fault(at+".expect", nil, "a live test sees status, location and response headers only: name one of them")
	}
}

func (d *decoder) request(at string, v any, r *Request) {
	d.object(at, v, map[string]func(string, any){
		"method": func(at string, v any) {
			if r.Method = d.text(at, v); r.Method != strings.ToUpper(r.Method) || r.Method == "" {
				d.fault(at, v, "want a method in upper case, such as GET")
			}
		},
		"scheme": func(at string, v any) {
			if r.Scheme = d.text(at, v); r.Scheme != "http" && r.Scheme != "https" {
				d.fault(at, v, "want http or https")
			}
		},
		"host": func(at string, v any) { r.Host, r.HostNamed = d.text(at, v), true },
		"path": func(at string, v any) {
			if r.Path = d.text(at, v); !strings.HasPrefix(r.Path, "/") && r.Path != "*" {
				d.fault(at, v, "want a path that begins with /, with its query")
			}
		},
		"headers": func(at string, v any) { r.Headers = d.headers(at, v) },
	})
}

func (d *decoder) expect(at string, v any, e *Expect) {
	text := func(to **string) func(string, any) {
		return func(at string, v any) { s := d.text(at, v); *to = &s }
	}
	d.object(at, v, map[string]func(string, any){
		"pattern": func(at string, v any) {
			e.Pattern = []string{}
			if list, ok := v.([]any); ok {
				e.Pattern = append(e.Pattern, d.texts(at, list)...)
				return
			}
			if name := d.text(at, v); name != "" {
				e.Pattern, e.OnePattern = []string{name}, true
			}
		},
		"path":     text(&e.Path),
		"host":     text(&e.Host),
		"location": text(&e.Location),
		"status": func(at string, v any) {
			n := d.status(at, v)
			e.Status = &n
		},
		"requestHeaders":        func(at string, v any) { e.RequestHeaders = d.headers(at, v) },
		"absentRequestHeaders":  func(at string, v any) { e.AbsentRequestHeaders = d.names(at, v) },
		"responseHeaders":       func(at string, v any) { e.ResponseHeaders = d.headers(at, v) },
		"absentResponseHeaders": func(at string, v any) { e.AbsentResponseHeaders = d.names(at, v) },
	})
}
