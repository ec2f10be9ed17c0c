package compiled

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// TestVerdictsAreTheFilters puts the whole case table through the engine and
// through the filter as they are used here: a test has the same outcome in both.
func TestVerdictsAreTheFilters(t *testing.T) {
	ctx := context.Background()
	filter := built(t)
	cases, err := rewritetest.Load("../../plugin/rewrite/testdata")
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range cases {
		if c.Errors != nil || c.Native() {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			rules, err := rewrite.Load(c.Config)
			if err != nil {
				t.Fatal(err)
			}

			config, err := rewrite.Parse(c.Config)
			if err != nil {
				t.Fatal(err)
			}

			text, err := WithoutRandom(c.Config, config)
			if err != nil {
				t.Fatal(err)
			}

			subject, err := filter.Start(ctx, text, config, rules)
			if err != nil {
				t.Fatal(err)
			}
			defer subject.Close(ctx)

			native := exchange.Native(rules)
			for i, x := range c.Exchanges {
				status, err := strconv.Atoi(x.Response.Start)
				if err != nil {
					t.Fatal(err)
				}

				request := message.Message{Headers: list(x.Request.List()), Body: x.Request.Body}
				response := exchange.Response(status, list(x.Response.Headers))
				response.Body = x.Response.Body
				want, err := subject.Exchange(ctx, request, response)
				if err != nil {
					t.Fatal(err)
				}

				got, err := native.Exchange(ctx, request, response)
				if err != nil {
					t.Fatal(err)
				}
				sortHeaders(&want)
				sortHeaders(&got)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("request %d, %s %s:\nengine %+v %+v\nfilter %+v %+v", i+1, x.Request.Start, x.Request.Target, got.Upstream, got, want.Upstream, want)
				}
			}
		})
	}
}

// TestRefusal shows what is told of a filter that knows less than the engine.
func TestRefusal(t *testing.T) {
	rules, err := rewrite.Load(nil)
	if err != nil {
		t.Fatal(err)
	}

	_, err = built(t).Start(context.Background(), []byte(`{"patterns":[{}],"later":1}`), &rewrite.Config{}, rules)
	refused := (*RefusedError)(nil)
	want := []string{
		"patterns[0]: does nothing: want rewrite, redirect, respond or headers; or then: stop, which leaves its requests as they are and ends the search",
		"later: is an unknown key: want one of vars, patterns, headers, originalPathHeader, patternHeader, onUnsafe, revision",
	}
	if !errors.As(err, &refused) || !slices.Equal(refused.Reasons, want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// built makes ready the filter as it was built.
func built(t *testing.T) *Module {
	t.Helper()

	wasm, err := os.ReadFile("../../build/plugin.wasm")
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal("there is no build/plugin.wasm: `make build` makes it")
	}
	if err != nil {
		t.Fatal(err)
	}

	m, err := Compile(context.Background(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})

	return m
}

func list(headers []rewrite.Header) (list []message.Header) {
	for _, h := range headers {
		list = append(list, message.Header(h))
	}
	return list
}

// sortHeaders orders headers by name, which no test looks at: values of one
// name stay in order.
func sortHeaders(s *exchange.Seen) {
	byName := func(a, b message.Header) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	}
	if s.Upstream != nil {
		slices.SortStableFunc(s.Upstream.Headers, byName)
	}
	slices.SortStableFunc(s.Client.Headers, byName)
}

// A gRPC client gets the filter's own answers in gRPC's form, from the engine as from the filter.
func TestAnswersToGRPCAreTheFilters(t *testing.T) {
	const rules = `{"patterns": [
		{"name": "closed", "match": {"path": {"prefix": "/closed"}}, "respond": {"status": 403, "body": "not yours, 100 %", "headers": {"x-why": "rules"}}},
		{"name": "moved", "match": {"path": {"prefix": "/old"}}, "redirect": {"path": "/new"}},
		{"name": "unsafe", "match": {"path": {"regex": "^/raw(.*)$"}}, "rewrite": {"path": "$1"}}]}`
	compiled, err := rewrite.Load([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}

	config, err := rewrite.Parse([]byte(rules))
	if err != nil {
		t.Fatal(err)
	}

	subject, err := built(t).Start(t.Context(), []byte(rules), config, compiled)
	if err != nil {
		t.Fatal(err)
	}
	defer subject.Close(context.Background())

	for _, c := range []struct{ method, target, kind, status string }{
		{"POST", "/closed/Get", "application/grpc", "7"},
		{"POST", "/closed/Get", "application/grpc+proto", "7"},
		{"HEAD", "/closed/Get", "application/grpc", "7"},
		{"POST", "/old/Get", "application/grpc", "2"},
		{"POST", "/rawx", "application/grpc", "13"},
		{"POST", "/closed/Get", "application/json", ""},
	} {
		t.Run(c.method+" "+c.target+" "+c.kind, func(t *testing.T) {
			request := exchange.Request(c.method, "http", "example.com", c.target, []message.Header{{Name: "content-type", Value: c.kind}})
			want, err := subject.Exchange(t.Context(), request, exchange.Response(200, nil))
			if err != nil {
				t.Fatal(err)
			}

			got, err := exchange.Native(compiled).Exchange(t.Context(), request, exchange.Response(200, nil))
			if err != nil {
				t.Fatal(err)
			}
			sortHeaders(&want)
			sortHeaders(&got)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("engine %+v\nfilter %+v", got, want)
			}
			if status := exchange.Value(got.Client, "grpc-status"); status != c.status {
				t.Errorf("grpc-status is %q, want %q", status, c.status)
			}
		})
	}
}
