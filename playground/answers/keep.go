package answers

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/wasm-rewrite/wasm-rewrite/internal/example"
	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// kept is the answer to keep: the values with the request at hand as one more test.
type kept struct {
	Problem string `json:"problem,omitempty"`
	Values  string `json:"values"`
	Name    string `json:"name"`
}

func keep(q *Question) *kept {
	out := &kept{}
	if err := out.fill(q); err != nil {
		return &kept{Problem: problem(err)}
	}
	return out
}

func (k *kept) fill(q *Question) error {
	in, err := read(q.Values)
	if err != nil {
		return err
	}

	w, err := pick(in, q.Workload)
	if err != nil {
		return err
	}
	if in.Kind == input.Manifest {
		return errors.New("a manifest holds no tests: paste the values that it was made of")
	}
	if w.TestFault != nil {
		return errors.New("the tests that are there cannot be read: see the findings")
	}

	request, response, err := q.exchange()
	if err != nil {
		return err
	}

	rules, err := rewrite.Load(w.Config)
	if err != nil {
		return err
	}

	k.Name = free(w.Tests, request)
	kept := test(k.Name, request, response, exchange.Run(rules.NewStream(), rules, request, response))

	var workload []string
	if in.Kind == input.Values {
		workload = []string{"workloads", w.Name}
	}

	k.Values, err = withTest(q.Values, workload, kept)

	return err
}

// withTest adds a test to values where the tests are, in the text as it was
// written.
func withTest(values string, workload []string, kept *yaml.Node) (string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(values), &doc); err != nil {
		return "", err
	}
	if len(doc.Content) == 0 {
		return "", errNoWorkload
	}

	root := doc.Content[0]
	for _, key := range workload {
		root = below(root, key)
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return "", errNoWorkload
	}

	list := below(root, "tests")
	if list == nil {
		list = &yaml.Node{Kind: yaml.SequenceNode}
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "tests"}, list)
	}

	list.Style = 0
	list.Content = append(list.Content, kept)

	var text bytes.Buffer
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return "", err
	}

	return text.String(), nil
}

// free is a name that no test has yet.
func free(tests []example.Test, request message.Message) string {
	base := strings.ToLower(exchange.Value(request, ":method")) + " " + exchange.Value(request, ":path")
	if len(base) > 60 {
		base = base[:60]
	}

	base = strings.ToValidUTF8(base, "")

	name := base
	for n := 2; ; n++ {
		taken := false
		for _, t := range tests {
			taken = taken || t.Name == name
		}
		if !taken {
			return name
		}

		name = fmt.Sprintf("%s %d", base, n)
	}
}

// test writes what was seen as what is expected.
func test(name string, request, response message.Message, seen exchange.Seen) *yaml.Node {
	sent := flow("method", exchange.Value(request, ":method"), "scheme", exchange.Value(request, ":scheme"),
		"host", exchange.Value(request, ":authority"), "path", exchange.Value(request, ":path"))
	headers(sent, request)
	all := block("name", scalar(name), "request", sent)
	answered := flow()
	if status := exchange.Value(response, ":status"); status != "200" {
		put(answered, "status", number(status))
	}
	headers(answered, response)
	if len(answered.Content) > 0 {
		put(all, "response", answered)
	}

	want := flow()

	acted := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, one := range seen.Acted {
		acted.Content = append(acted.Content, scalar(one))
	}
	if len(seen.Acted) > 0 {
		put(want, "pattern", acted)
	} else {
		put(want, "pattern", scalar(""))
	}
	if seen.Upstream != nil {
		put(want, "path", scalar(exchange.Value(*seen.Upstream, ":path")))
		put(want, "host", scalar(exchange.Value(*seen.Upstream, ":authority")))
	}
	put(want, "status", number(exchange.Value(seen.Client, ":status")))
	if to := exchange.Value(seen.Client, "location"); to != "" {
		put(want, "location", scalar(to))
	}
	put(all, "expect", want)

	return all
}

// headers writes the headers of a message, repeated ones as lists.
func headers(into *yaml.Node, m message.Message) {
	all := flow()
	for _, h := range m.Headers {
		if strings.HasPrefix(h.Name, ":") || below(all, h.Name) != nil {
			continue
		}

		values := exchange.Values(m, h.Name)
		if len(values) == 1 {
			put(all, h.Name, scalar(values[0]))
			continue
		}

		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, v := range values {
			list.Content = append(list.Content, scalar(v))
		}
		put(all, h.Name, list)
	}
	if len(all.Content) > 0 {
		put(into, "headers", all)
	}
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

func number(text string) *yaml.Node {
	if _, err := strconv.Atoi(text); err != nil {
		return scalar(text)
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: text}
}

func put(into *yaml.Node, key string, value *yaml.Node) {
	into.Content = append(into.Content, scalar(key), value)
}

func flow(pairs ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for i := 0; i+1 < len(pairs); i += 2 {
		put(n, pairs[i], scalar(pairs[i+1]))
	}
	return n
}

func block(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(pairs); i += 2 {
		key, _ := pairs[i].(string)
		value, _ := pairs[i+1].(*yaml.Node)
		put(n, key, value)
	}
	return n
}

func below(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}

	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
