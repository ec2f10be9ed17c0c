package rewrite_test

import (
	"errors"
	"net/netip"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Whatever a configuration is, reading it neither panics nor takes more memory
// than its length allows, and what is wrong with it is said as Errors, each
// with a place in the object or in the text.
func FuzzLoad(f *testing.F) {
	for _, c := range table(f) {
		if len(c.Config) < 64<<10 {
			f.Add(c.Config)
		}
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)

		rules, err := rewrite.Load(config)
		runtime.ReadMemStats(&after)
		// The densest text is a regex such as .{999}: some 100 KiB for 10 bytes.
		if used, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+len(config)*32<<10); used > limit {
			t.Errorf("%d bytes take %d bytes of memory", len(config), used)
		}
		if err == nil {
			rules.NewStream().Request(get("/a"))
			return
		}
		if rules != nil {
			t.Error("rules beside an error")
		}
		var list rewrite.Errors
		if !errors.As(err, &list) || len(list) == 0 {
			t.Fatalf("%T %v is no list of errors", err, err)
		}

		whole := regexp.MustCompile(`^not valid JSON: .* \(line \d+, column \d+\)$|^the configuration has \d+ bytes|^want an object$|^and \d+ more$`)
		for _, one := range list {
			if one.Reason == "" || one.Path == "" && !whole.MatchString(one.Reason) {
				t.Errorf("%+v has no reason or no place", one)
			}
		}

		for _, one := range strings.Split(err.Error(), "\n") {
			if one == "" || !utf8.ValidString(one) {
				t.Errorf("%q is no line for people", one)
			}
		}
	})
}

// Whatever the rules and the request are, applying them never panics, what
// leaves passes the checks, and what matches nothing is not changed.
func FuzzApply(f *testing.F) {
	for _, c := range table(f) {
		for _, x := range c.Exchanges {
			if len(c.Config)+len(x.Request.Target) < 64<<10 {
				f.Add(c.Config, x.Request.Start, x.Request.Target, host(x), headerText(x.Request.Headers), x.Response.Start, headerText(x.Response.Headers))
			}
		}
	}
	f.Fuzz(func(t *testing.T, config []byte, method, target, host, headers, status, responseHeaders string) {
		said, err := rewrite.Parse(config)
		if err != nil {
			return
		}

		rules, err := rewrite.Compile(said)
		if err != nil {
			return
		}

		request := []rewrite.Header{{Name: ":authority", Value: host}, {Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}}
		if target != "" {
			request = append(request, rewrite.Header{Name: ":path", Value: target})
		}

		request = append(request, textHeaders(headers)...)
		apply(t, said, rules.NewStream(), request, append([]rewrite.Header{{Name: ":status", Value: status}}, textHeaders(responseHeaders)...))
	})
}

// All rules of the table on all of its requests.
func TestAnyRulesOnAnyRequest(t *testing.T) {
	cases := table(t)
	for _, c := range cases {
		said, err := rewrite.Parse(c.Config)
		if err != nil || c.Errors != nil || len(said.Patterns) > 1000 {
			continue
		}

		rules, err := rewrite.Compile(said)
		if err != nil {
			t.Fatal(err)
		}

		stream := rules.NewStream()
		for _, other := range cases {
			for _, x := range other.Exchanges {
				stream.Reset()
				apply(t, said, stream, x.Request.List(), append([]rewrite.Header{{Name: ":status", Value: x.Response.Start}}, x.Response.Headers...))
			}
		}
		if t.Failed() {
			t.Fatalf("rules of %s", c.Name)
		}
	}
}

func host(x rewritetest.Exchange) string {
	for _, h := range x.Request.List() {
		if h.Name == ":authority" {
			return h.Value
		}
	}
	return ""
}

// headerText and textHeaders turn a list of headers into what can be fuzzed and back.
func headerText(list []rewrite.Header) string {
	var lines []string
	for _, h := range list {
		if !strings.HasPrefix(h.Name, ":") {
			lines = append(lines, h.Name+":"+h.Value)
		}
	}
	return strings.Join(lines, "\n")
}

func textHeaders(text string) (list []rewrite.Header) {
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && name != "" {
			list = append(list, rewrite.Header{Name: strings.ToLower(name), Value: value})
		}
	}
	return list
}

// apply runs a request and its response and checks what comes out.
func apply(t *testing.T, said *rewrite.Config, stream *rewrite.Stream, request, response []rewrite.Header) {
	t.Helper()

	src := &source{list: request}
	out := stream.Request(src)
	checkBounds(t, stream)
	checkEdits(t, src, out.Edits, true)
	if len(out.Counts) == 0 && len(out.Acted) == 0 && empty(said.Headers.Request) && said.OriginalPathHeader == "" && said.PatternHeader == "" &&
		(len(out.Edits) > 0 || out.Answer != nil) {
		t.Errorf("%q: no pattern acted, but %+v %+v", request, out.Edits, out.Answer)
	}
	if a := out.Answer; a != nil {
		if a.Status < 200 || a.Status > 599 {
			t.Errorf("%q is answered %d", request, a.Status)
		}

		for _, h := range a.Headers {
			checkValue(t, h.Name, h.Value, nil)
			if h.Name == "location" && a.Status/100 == 3 && len(out.Acted) > 0 && said.Patterns[out.Acted[len(out.Acted)-1]].Redirect != nil {
				checkLocation(t, h.Value)
			}
		}

		response = []rewrite.Header{{Name: ":status", Value: "400"}}
		for _, h := range a.Headers {
			response = append(response, rewrite.Header{Name: strings.Clone(h.Name), Value: strings.Clone(h.Value)})
		}
	}

	src = &source{list: response}
	out = stream.Response(src)
	checkBounds(t, stream)
	checkEdits(t, src, out.Edits, false)
	if len(out.Counts) == 0 && len(out.Acted) == 0 && out.Answer != nil {
		t.Error("an answer to a response")
	}
}

// checkBounds checks what a pass took: it ends soon after its budget does.
func checkBounds(t *testing.T, stream *rewrite.Stream) {
	t.Helper()
	if steps := stream.Steps(); steps < -rewrite.Budget/8 {
		t.Errorf("%d steps beyond the budget", -steps)
	}
	if made := stream.Made(); made > rewrite.MaxMade {
		t.Errorf("a pass made %d bytes of text", made)
	}
	if held := stream.Held(); held > rewrite.MaxHeld {
		t.Errorf("the stream keeps %d bytes", held)
	}
}

func empty(e rewrite.HeaderEdits) bool {
	return len(e.Copy)+len(e.Rename)+len(e.Remove)+len(e.Replace)+len(e.Set)+len(e.Overwrite)+len(e.Default)+len(e.Add) == 0
}

var untouchable = []string{"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "keep-alive", "proxy-connection"}

func checkEdits(t *testing.T, src *source, edits []rewrite.Edit, isRequest bool) {
	t.Helper()

	for _, e := range edits {
		switch {
		case e.Name == ":path" && isRequest && e.Kind == rewrite.EditSet:
			checkTarget(t, e.Value, slices.Concat(src.values(":path"), []string{""})[0])
		case e.Name == ":authority" && isRequest && e.Kind == rewrite.EditSet:
			if !validHost(e.Value) {
				t.Errorf("%q leaves as the host", e.Value)
			}
		case strings.HasPrefix(e.Name, ":") || slices.Contains(untouchable, e.Name) || e.Name != strings.ToLower(e.Name):
			t.Errorf("%+v is no edit of a header", e)
		case e.Kind != rewrite.EditRemove:
			checkValue(t, e.Name, e.Value, src.carried())
		}
	}
}

var control = regexp.MustCompile(`[\x00-\x08\x0a-\x1f\x7f]`)

// checkValue checks a value that is written, unless it arrived and was carried there.
func checkValue(t *testing.T, name, value string, arrived []string) {
	t.Helper()
	if (control.MatchString(value) || len(value) > 64<<10) && !slices.Contains(arrived, value) {
		t.Errorf("%s: %q leaves", name, value)
	}
}

var (
	badEscape = regexp.MustCompile(`(?i)%(?:[^0-9a-f]|[0-9a-f][^0-9a-f]|[0-9a-f]?$)`)
	space     = regexp.MustCompile(`[\x00-\x20\x7f]`)
	slash     = regexp.MustCompile(`(?i)%2f|%5c|\\`)
	dot       = regexp.MustCompile(`(?i)%2e`)
	name      = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	port      = regexp.MustCompile(`:([1-9][0-9]{0,4}|0+[1-9][0-9]{0,3})$`)
)

// dotSegments counts . and .. as a server does that decodes everything.
func dotSegments(path string) (n int) {
	for segment := range strings.SplitSeq(dot.ReplaceAllString(slash.ReplaceAllString(path, "/"), "."), "/") {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." {
			n++
		}
	}
	return n
}

func checkTarget(t *testing.T, now, received string) {
	t.Helper()

	path, _, _ := strings.Cut(now, "?")
	receivedPath, _, _ := strings.Cut(received, "?")
	if path != receivedPath && (!strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//")) {
		t.Errorf("%q leaves as the path of %q", now, received)
	}
	if len(now) > 8<<10 || space.MatchString(now) {
		t.Errorf("%q leaves as the path", now)
	}

	_, query, _ := strings.Cut(now, "?")

	_, receivedQuery, _ := strings.Cut(received, "?")
	for what, has := range map[string]func(string) bool{
		"byte from 0x80 on": func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) },
		"#":                 func(s string) bool { return strings.Contains(s, "#") },
		"backslash":         func(s string) bool { return strings.Contains(s, `\`) },
		"invalid escape":    badEscape.MatchString,
		"escaped NUL":       func(s string) bool { return strings.Contains(s, "%00") },
	} {
		if has(path) && !has(receivedPath) || has(query) && !has(receivedQuery) {
			t.Errorf("%q leaves as the path of %q: %s", now, received, what)
		}
	}
	if dotSegments(path) > dotSegments(receivedPath) {
		t.Errorf("%q leaves as the path of %q: dot segments", now, received)
	}
}

func validHost(host string) bool {
	if len(host) > 255 {
		return false
	}

	bare := port.ReplaceAllString(host, "")
	if inner, ok := strings.CutPrefix(bare, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return ok && err == nil && addr.Is6() && addr.Zone() == ""
	}

	return name.MatchString(bare)
}

func checkLocation(t *testing.T, location string) {
	t.Helper()

	scheme, rest, _ := strings.Cut(location, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if scheme != "http" && scheme != "https" || !validHost(rest[:end]) || len(location) > 8<<10 {
		t.Errorf("%q leaves as Location", location)
	}
}
