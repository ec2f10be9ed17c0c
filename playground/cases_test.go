package playground_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// The case table of the language, through the page: what it shows is what the table wants, and the module in the page
// makes the same of it.
func TestCases(t *testing.T) {
	cases, err := rewritetest.Load("../plugin/rewrite/testdata")
	if err != nil {
		t.Fatal(err)
	}

	page := open(t, "")

	shown, left := 0, 0
	for _, c := range cases {
		values := string(c.YAML)
		if c.YAML == nil {
			values = string(c.Config)
		}
		if rewritten(c) || random(c) {
			left++
			continue
		}
		if _, err := input.Parse(c.Name, []byte(values)); err != nil || !plain(values) || c.YAML == nil && !json.Valid(c.Config) {
			left++ // a text that is not YAML or holds no object never comes to the engine; what is not JSON may be YAML
			continue
		}
		if c.Errors != nil {
			shown++
			page.visit(map[string]string{"v": values, "u": "/", "m": "GET", "s": "200"})
			page.refuses(t, c)
			continue
		}

		for i, x := range c.Exchanges {
			if !typable(x) {
				left++
				continue
			}
			shown++
			page.visit(map[string]string{"v": values, "m": x.Request.Start, "u": url(x.Request), "h": lines(x.Request), "s": x.Response.Start, "r": lines(x.Response)})
			page.shows(t, c.Name, i, x)
		}
	}
	t.Logf("%d shown, %d cannot be typed", shown, left)
	if shown < 9*left {
		t.Errorf("only %d of %d can be typed", shown, shown+left)
	}
}

// rewritten reports whether a case rests on how its JSON is spaced: the page reads it as YAML and writes it again.
func rewritten(c rewritetest.Case) bool {
	return c.YAML == nil && (strings.ContainsAny(string(c.Config), "\n\r") || strings.Contains(string(c.Config), "${config}"))
}

// random reports whether a case draws a share at random: in the page, as in tests, such a share is always in.
func random(c rewritetest.Case) bool {
	config, err := rewrite.Parse(c.Config)
	return err == nil && slices.ContainsFunc(config.Patterns, func(p rewrite.Pattern) bool { return p.Sample != nil && p.Sample.By == nil })
}

// refuses compares the errors that the page shows.
func (p *tab) refuses(t *testing.T, c rewritetest.Case) {
	t.Helper()

	want := c.Errors
	if len(want) > 20 {
		want = want[:20]
	}

	got := strings.Split(p.text("#verdict"), "\n")
	if len(got) > len(want) && len(c.Errors) > 20 {
		got = got[:20]
	}
	if !slices.Equal(spaces(got), spaces(want)) {
		t.Errorf("%s: the page says\n  %s\nwant\n  %s", c.Name, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// spaces is how a browser shows lines: one space where there are several.
func spaces(lines []string) (list []string) {
	for _, line := range lines {
		list = append(list, strings.Join(strings.Fields(line), " "))
	}
	return list
}

// shows compares what the page shows of an exchange with what the table wants.
func (p *tab) shows(t *testing.T, name string, i int, x rewritetest.Exchange) {
	t.Helper()

	got := eval[struct{ Upstream, Client, Agreement, Verdict string }](p, `(() => {
		const box = (name) => document.querySelector('#outcome pre[aria-label="' + name + '"]')?.textContent ?? "";
		return {upstream: box("The upstream gets"), client: box("The client gets"),
			agreement: document.querySelector("#agreement")?.innerText ?? "", verdict: document.querySelector("#verdict").innerText};
	})()`)
	seen := rewritetest.Observed{Client: message(got.Client)}
	if got.Upstream != "" {
		up := message(got.Upstream)
		seen.Upstream = &up
	}

	x.Request.Body = "" // the page sends none
	x.Upstream.Body = ""
	x.Response.Body, x.Client.Body = "", ""
	if x.Answer == nil {
		seen.Client.Body = ""
	}

	for _, difference := range x.Differences(seen) {
		t.Errorf("%s, request %d: %s (the page says %q)", name, i+1, difference, got.Verdict)
	}
	if !strings.HasPrefix(got.Agreement, "filter agrees") {
		t.Errorf("%s, request %d: the module does not agree: %s", name, i+1, got.Agreement)
	}
}

// message reads what the page shows of a message.
func message(text string) (m rewritetest.Message) {
	head, body, _ := strings.Cut(text, "\n\n")

	m.Body = body
	for i, line := range strings.Split(strings.TrimSuffix(head, "\n"), "\n") {
		if i == 0 {
			m.Start, m.Target, _ = strings.Cut(line, " ")
			continue
		}

		name, value, _ := strings.Cut(line, ": ")
		name = map[string]string{"host": ":authority", "scheme": ":scheme"}[name] + map[bool]string{true: "", false: name}[name == "host" || name == "scheme"]
		m.Headers = append(m.Headers, rewrite.Header{Name: name, Value: value})
	}

	return m
}

func url(m rewritetest.Message) string {
	scheme, host := "http", "example.com"
	if v := m.Values(":scheme"); len(v) > 0 {
		scheme = v[0]
	}
	if v := m.Values(":authority"); len(v) > 0 {
		host = v[0]
	}
	return scheme + "://" + host + m.Target
}

func lines(m rewritetest.Message) string {
	var list []string
	for _, h := range m.Headers {
		if !strings.HasPrefix(h.Name, ":") {
			list = append(list, h.Name+": "+h.Value)
		}
	}
	return strings.Join(list, "\n")
}

// typable reports whether fields of a page can hold a request: text, no fragment, one line each.
func typable(x rewritetest.Exchange) bool {
	for _, m := range []rewritetest.Message{x.Request, x.Response} {
		for _, h := range m.Headers {
			if h.Name == "host" || !plain(h.Value) || strings.TrimSpace(h.Value) != h.Value || strings.Contains(h.Value, "\n") {
				return false
			}
		}
	}

	authority := x.Request.Values(":authority")

	scheme := x.Request.Values(":scheme")
	switch {
	case !plain(x.Request.Target), strings.ContainsAny(x.Request.Target, "# \t\n"), !strings.HasPrefix(x.Request.Target, "/"):
		return false
	case strings.ToUpper(x.Request.Start) != x.Request.Start:
		return false
	case len(authority) > 0 && (authority[0] == "" || !plain(authority[0]) || strings.ContainsAny(authority[0], "/?#")):
		return false
	case len(scheme) > 0 && scheme[0] != "http" && scheme[0] != "https":
		return false
	}

	return true
}

func plain(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}

	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// The recipes that docs link to open in the page, and their tests pass there, in engine and module.
func TestRecipes(t *testing.T) {
	files, err := os.ReadDir("../docs/recipes")
	if err != nil {
		t.Fatal(err)
	}

	page := open(t, "")
	page.click("#tab-tests")

	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".yaml")
		eval[bool](page, `(document.querySelector("#tests-verdict").textContent = "", location.hash = `+quote("#"+name)+`, true)`)
		page.settled()
		if got := eval[string](page, `document.querySelector("#example").value`); got != name {
			t.Errorf("#%s opens %q", name, got)
		}
		page.until(`document.querySelector("#tests-verdict").textContent !== ""`)
		if got := page.text("#tests-verdict"); !strings.Contains(got, " passed, 0 failed, in the engine and in the filter.") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
