// Package rewritetest reads the case table of the rule language
// (plugin/rewrite/testdata) and checks what an implementation makes of it: the
// engine itself, the compiled module, an Envoy with the module.
//
// A case is one txtar file named by the behaviour it shows. Its comment says it
// in a sentence. The section config.yaml, or config.json for text that is no
// YAML, is the configuration. Then comes either
//
//	-- error --    what the configuration's faults read, one a line
//
// or any number of exchanges, each begun by a request:
//
//	-- request --   what the client sends
//	-- upstream --  what the upstream must see; left out: the same
//	-- response --  what the upstream answers; left out: 200
//	-- client --    what the client must see; left out: the same
//	-- answer --    what the filter answers itself, instead of upstream, response and client
//	-- counts --    the counters that go up: pattern, result, number
//	-- noted --     what the filter leaves for the proxy's log about the response
//
// A message reads like HTTP: "GET /path?query" (the method alone where there is
// no path) or "200", then lines "name: value", then, behind an empty line, the
// body. "name:= "text\x00"" takes a Go string, "-name" says that there is none,
// "-:body" that there is no body.
// :authority is example.com and :scheme is http unless given.
//
// A file whose name begins with native- shows what a proxy refuses before a
// filter sees it, so it runs on the engine alone.
//
// Every header that one exchange mentions is compared with all its values in
// order; what upstream or client do not mention must be as request or response
// have it.
package rewritetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Case is one configuration and what it must do.
type Case struct {
	Name      string // the file's, without .txtar
	Config    []byte // JSON, as the filter receives it
	YAML      []byte // as written; nil for a case in JSON
	Errors    []string
	Exchanges []Exchange
}

// Native says that no proxy lets the case's messages through.
func (c *Case) Native() bool { return strings.HasPrefix(c.Name, "native-") }

// Exchange is one request and its response.
type Exchange struct {
	Request  Message
	Upstream Message // what the upstream must see; without Start where it must see Request
	Response Message
	Client   Message // what the client must see; without Start where it must see Response
	Answer   *Message
	Counts   []string // nil where they are not compared
	Noted    string   // empty where it is not compared
}

// Message is a request or response. Pseudo-headers but :method, :path and
// :status stand among the headers.
type Message struct {
	Start   string // the method or status
	Target  string // :path of a request; empty for none
	Headers []rewrite.Header
	Absent  []string // names that must not be there
	Body    string
}

// Load reads the cases of a folder in the order of their names.
func Load(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no cases in %s", dir)
	}

	cases := make([]Case, 0, len(files))
	for _, file := range files {
		c, err := loadCase(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}

		cases = append(cases, c)
	}

	return cases, nil
}

func loadCase(file string) (c Case, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}

	archive := txtar.Parse(data)
	c.Name = strings.TrimSuffix(filepath.Base(file), ".txtar")
	if strings.TrimSpace(string(archive.Comment)) == "" {
		return c, fmt.Errorf("says in no comment what it shows")
	}

	configs := 0
	for _, section := range archive.Files {
		text := string(section.Data)
		if !slices.Contains([]string{"config.yaml", "config.json", "error", "request"}, section.Name) && len(c.Exchanges) == 0 {
			return c, fmt.Errorf("section %s comes before a request", section.Name)
		}

		switch section.Name {
		case "config.yaml":
			configs++
			c.YAML = section.Data
			c.Config, err = yaml.YAMLToJSONStrict(section.Data)
			if text == "" {
				c.Config = nil
			}
		case "config.json":
			configs++
			c.Config = []byte(strings.TrimSuffix(text, "\n"))
		case "error":
			c.Errors = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		case "request":
			x := Exchange{Response: Message{Start: "200"}}
			x.Request, err = parseMessage(text)
			c.Exchanges = append(c.Exchanges, x)
		default:
			err = c.Exchanges[len(c.Exchanges)-1].section(section.Name, text)
		}
		if err != nil {
			return c, fmt.Errorf("section %s: %w", section.Name, err)
		}
	}

	for _, x := range c.Exchanges {
		for _, m := range []*Message{&x.Request, &x.Upstream, &x.Response, &x.Client} {
			for _, h := range m.Headers {
				if !c.Native() && strings.Trim(h.Value, " \t") != h.Value {
					return c, fmt.Errorf("%s: %q: HTTP/1.1 carries no space at the ends of a value", h.Name, h.Value)
				}
			}
		}
	}
	if configs != 1 || (c.Errors == nil) == (c.Exchanges == nil) {
		return c, fmt.Errorf("wants one configuration, and either an error or requests")
	}

	return c, nil
}

func (x *Exchange) section(name, text string) (err error) {
	switch name {
	case "upstream":
		x.Upstream, err = parseMessage(text)
	case "response":
		x.Response, err = parseMessage(text)
	case "client":
		x.Client, err = parseMessage(text)
	case "answer":
		var m Message
		m, err = parseMessage(text)
		x.Answer = &m
	case "noted":
		x.Noted = strings.TrimSuffix(text, "\n")
	case "counts":
		x.Counts = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
		if x.Counts == nil {
			x.Counts = []string{}
		}
		slices.Sort(x.Counts)
	default:
		return fmt.Errorf("is unknown")
	}

	return err
}

func parseMessage(text string) (m Message, err error) {
	head, body, _ := strings.Cut(text, "\n\n")
	m.Body = strings.TrimSuffix(body, "\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	m.Start, m.Target, _ = strings.Cut(lines[0], " ")
	if quoted, ok := strings.CutPrefix(m.Target, "="); ok {
		if m.Target, err = strconv.Unquote(quoted); err != nil {
			return m, fmt.Errorf("%s: %w", lines[0], err)
		}
	}

	for _, line := range lines[1:] {
		if name, ok := strings.CutPrefix(line, "-"); ok {
			m.Absent = append(m.Absent, name)
			continue
		}

		at := strings.IndexByte(line[min(1, len(line)):], ':') + 1
		if at <= 0 {
			return m, fmt.Errorf("%q is not a header", line)
		}

		name, value := line[:at], line[at+1:]
		if quoted, ok := strings.CutPrefix(value, "="); ok {
			if value, err = strconv.Unquote(strings.TrimSpace(quoted)); err != nil {
				return m, fmt.Errorf("%s: %w", line, err)
			}
		} else {
			value = strings.TrimSpace(value)
		}

		m.Headers = append(m.Headers, rewrite.Header{Name: name, Value: value})
	}

	return m, nil
}

// Values are all values of a header, in order.
func (m *Message) Values(name string) (values []string) {
	for _, h := range m.Headers {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return values
}

func (m *Message) mentions(name string) bool {
	return slices.Contains(m.Absent, name) || len(m.Values(name)) > 0
}

// List is the request's header list as a proxy hands it to a filter.
func (m *Message) List() []rewrite.Header {
	list := []rewrite.Header{{Name: ":authority", Value: m.pseudo(":authority", "example.com")}}
	if m.Target != "" {
		list = append(list, rewrite.Header{Name: ":path", Value: m.Target})
	}

	list = append(list, rewrite.Header{Name: ":method", Value: m.Start}, rewrite.Header{Name: ":scheme", Value: m.pseudo(":scheme", "http")})
	for _, h := range m.Headers {
		if !strings.HasPrefix(h.Name, ":") {
			list = append(list, h)
		}
	}

	return list
}

func (m *Message) pseudo(name, otherwise string) string {
	if v := m.Values(name); len(v) > 0 {
		return v[0]
	}
	return otherwise
}
