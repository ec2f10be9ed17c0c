package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wasm-rewrite/wasm-rewrite/internal/host"
)

// scenario is a kind of request: the rules it meets, its path, and what must become of it.
type scenario struct {
	name  string
	rules string
	path  string
	shows string // a header of the request as upstream gets it, or of the response as the client gets it
	want  string
}

// scenarios are what requests do most, the shortest way first: its functions are part of the others' ways.
var scenarios = []scenario{
	{
		name:  "no pattern matches",
		rules: `{"patterns": [{"match": {"path": {"regex": "banana/([0-9]*)"}}, "rewrite": {"path": "status/$1"}}]}`,
		path:  "/apple/418", shows: ":path", want: "/apple/418",
	},
	{
		name: "the seed's scenario",
		rules: `{
			"patterns": [{"match": {"path": {"regex": "banana/([0-9]*)"}}, "rewrite": {"path": "status/$1"}}],
			"headers": {"response": {"set": {"who-am-i": "wasm-rewrite", "injected-by": "istio-api!", "site": "youdianzhishi.com",
				"author": "陽明", "configdata": "${config}"}}}
		}`,
		path: "/banana/418", shows: ":path", want: "/status/418",
	},
	{
		name: "headers change",
		rules: `{"headers": {
			"request": {"remove": ["x-debug"], "set": {"x-tenant": "blue", "x-env": "production"}},
			"response": {"remove": ["x-powered-by"], "set": {"x-frame-options": "DENY"}, "add": {"x-seen": "yes"}}
		}}`,
		path: "/apple/418", shows: "x-frame-options", want: "DENY",
	},
	{
		name: "a prefix is replaced",
		rules: `{"patterns": [
			{"match": {"path": {"exact": "/one"}}, "rewrite": {"path": "/two"}},
			{"match": {"path": {"prefix": "/old"}}, "rewrite": {"path": "/new"}}
		]}`,
		path: "/old/shoes?size=43", shows: ":path", want: "/new/shoes?size=43",
	},
	{
		name:  "a redirect",
		rules: `{"patterns": [{"match": {"path": {"prefix": "/old"}}, "redirect": {"path": "/new"}}]}`,
		path:  "/old/shoes", shows: "location", want: "http://shop.example.com/new/shoes",
	},
}

// enter sends the requests through a module and gives, for each, the functions that it enters, by their index, in the
// order in which they are first entered.
func enter(ctx context.Context, module []byte) ([][]int, error) {
	seen := &listener{entered: map[int]bool{}}
	compiled, err := host.Compile(experimental.WithFunctionListenerFactory(ctx, seen), module, nil)
	if err != nil {
		return nil, err
	}
	defer compiled.Close(ctx)

	var paths [][]int
	for _, s := range scenarios {
		if err := s.run(ctx, compiled, seen); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}

		paths = append(paths, seen.path)
	}

	return paths, nil
}

// run sends the request twice: what the first one does once and for all does not belong to the others' way.
func (s scenario) run(ctx context.Context, module *host.Module, seen *listener) error {
	// The same sources must make the same bytes: neither time nor chance decides which way a request takes.
	vm, err := module.New(ctx, host.Options{Clock: func() time.Time { return time.Unix(0, 0) }, Random: rand.NewChaCha8([32]byte{})})
	if err != nil {
		return err
	}
	defer vm.Close(ctx)

	plugin, err := vm.Start(ctx, "layout", []byte(s.rules))
	if err != nil {
		return err
	}

	request := host.Message{Headers: []host.Header{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "shop.example.com"},
		{Name: ":path", Value: s.path}, {Name: "user-agent", Value: "curl/8.14.1"}, {Name: "accept", Value: "*/*"},
		{Name: "x-debug", Value: "1"}, {Name: "x-env", Value: "test"},
	}}
	response := host.Message{Headers: []host.Header{
		{Name: ":status", Value: "200"}, {Name: "content-type", Value: "text/plain"}, {Name: "x-powered-by", Value: "PHP/5.2"},
	}}

	for range 2 {
		seen.forget()

		result, err := plugin.Exchange(ctx, request, func(host.Message) host.Message { return response })
		if err != nil {
			return err
		}
		if got := s.became(result); got != s.want {
			return fmt.Errorf("%s is %q, want %q", s.shows, got, s.want)
		}
	}

	return nil
}

// became is the header that shows what was done.
func (s scenario) became(r host.Result) string {
	messages := []host.Message{r.Client}
	if r.Upstream != nil {
		messages = append(messages, *r.Upstream)
	}

	for _, message := range messages {
		for _, header := range message.Headers {
			if header.Name == s.shows {
				return header.Value
			}
		}
	}

	return ""
}

// listener keeps the functions that were entered since it was told to forget.
type listener struct {
	path    []int
	entered map[int]bool
}

func (l *listener) forget() { l.path, l.entered = nil, map[int]bool{} }

// NewFunctionListener implements experimental.FunctionListenerFactory. The host's own functions have no place in the module.
func (l *listener) NewFunctionListener(f api.FunctionDefinition) experimental.FunctionListener {
	if f.GoFunction() != nil {
		return nil
	}

	index := int(f.Index())

	return experimental.FunctionListenerFunc(func(context.Context, api.Module, api.FunctionDefinition, []uint64, experimental.StackIterator) {
		if !l.entered[index] {
			l.entered[index] = true
			l.path = append(l.path, index)
		}
	})
}
