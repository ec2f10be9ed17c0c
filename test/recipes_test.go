package test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/chart"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// recipe is a file of docs/recipes, as far as it is an example.
type recipe struct {
	Workloads map[string]struct {
		Tests []recipeTest
	}
}

// recipeTest is one of the tests next to a recipe's rules.
type recipeTest struct {
	Name    string
	Request struct {
		Method, Scheme, Host, Path string
		Headers                    map[string]texts
	}
	Response struct {
		Status  int
		Headers map[string]texts
	}
	Expect struct {
		Pattern                                     any // the command line compares it; a proxy does not tell
		Path, Host, Location                        *string
		Status                                      *int
		RequestHeaders, ResponseHeaders             map[string]texts
		AbsentRequestHeaders, AbsentResponseHeaders []string
	}
}

// texts is a text or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(t))
}

// Each recipe is what the author's tool finds no fault in, passes its own tests with every pattern of it at work, and
// does the same in Envoy by way of the chart.
func TestEveryRecipeDoesWhatItSays(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(made.Root, "docs/recipes/*.yaml"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d recipes (%v), want 10 at least", len(files), err)
	}
	t.Run("on the command line", func(t *testing.T) {
		tool, module := made.File(t, "build/bin/wasm-rewrite"), made.Module(t)
		for _, args := range [][]string{{"lint"}, {"test", "--min-coverage", "100"}, {"test", "--wasm", module}} {
			command := exec.CommandContext(t.Context(), tool, append(args, files...)...)
			command.Dir = made.Root // the chart is found from here
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("wasm-rewrite %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
	})
	t.Run("in Envoy", func(t *testing.T) {
		upstream := newScripted(t)
		var listeners []envoy.Listener

		tests := map[string][]recipeTest{}
		for _, file := range files {
			text := chart.ReadFile(t, file)
			var r recipe
			if err := yaml.Unmarshal([]byte(text), &r); err != nil {
				t.Fatalf("%s: %v", file, err)
			}

			for _, object := range chart.Objects(t, chart.MustRender(t, chart.Module, text)) {
				workload := strings.TrimPrefix(object.GetName(), chart.Release+"-")
				name := strings.TrimSuffix(filepath.Base(file), ".yaml") + "/" + workload
				listeners = append(listeners, envoy.Listener{Name: name, Filters: []envoy.Filter{plugin(t, name, string(chart.FilterConfig(t, object)))},
					Upstream: upstream.Address})
				tests[name] = r.Workloads[workload].Tests
			}
		}
		// What is in shadow is put into force by one word.
		const risky = "shadow-then-enforce"
		text := chart.ReadFile(t, filepath.Join(made.Root, "docs/recipes", risky+".yaml"))
		enforced := strings.Replace(text, "mode: shadow", "mode: enforce", 1)
		config := chart.FilterConfig(t, chart.Objects(t, chart.MustRender(t, chart.Module, enforced))[0])
		listeners = append(listeners, envoy.Listener{Name: "enforced", Filters: []envoy.Filter{plugin(t, "enforced", string(config))}, Upstream: upstream.Address})

		proxy := envoy.MustStart(t, envoy.Config{Binary: made.Envoy(t), Listeners: listeners})
		for name, tests := range tests {
			if len(tests) == 0 {
				t.Errorf("%s has no tests", name)
			}

			for _, test := range tests {
				if problem := upstream.run(t, address(proxy, name), test); problem != "" {
					t.Errorf("%s: %s: %s", name, test.Name, problem)
				}
			}
		}

		test := tests[risky+"/shop"][0]
		want := "/cart/7?all=1"
		test.Expect.Path, test.Expect.RequestHeaders = &want, map[string]texts{"x-wasm-rewrite": {"risky"}}
		if problem := upstream.run(t, address(proxy, "enforced"), test); problem != "" {
			t.Errorf("%s: enforced: %s", risky, problem)
		}
	})
}

// scripted is an upstream that answers as it is told and keeps what it got.
type scripted struct {
	*wire.Upstream
	mu     sync.Mutex
	answer wire.Message
	got    *wire.Message
}

func newScripted(t *testing.T) *scripted {
	s := &scripted{}
	var err error
	s.Upstream, err = wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		s.mu.Lock()
		defer s.mu.Unlock()

		s.got = &request
		return s.answer
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })

	return s
}

// run sends a test's request and says how the outcome differs from what is expected; "" is not at all.
func (s *scripted) run(t *testing.T, address string, test recipeTest) string {
	t.Helper()

	request := wire.Message{Start: or(test.Request.Method, "GET"), Target: or(test.Request.Path, "/"), Headers: []rewrite.Header{
		{Name: ":authority", Value: or(test.Request.Host, "example.com")},
	}}
	if test.Request.Scheme != "" {
		// What Envoy takes for the scheme of a request without TLS.
		request.Headers = append(request.Headers, rewrite.Header{Name: "x-forwarded-proto", Value: test.Request.Scheme})
	}

	request.Headers = append(request.Headers, headers(test.Request.Headers)...)
	s.mu.Lock()
	s.got = nil
	s.answer = wire.Message{Start: strconv.Itoa(max(test.Response.Status, 200)), Headers: headers(test.Response.Headers)}
	s.mu.Unlock()

	response, err := wire.Exchange(t.Context(), wire.HTTP1, address, request)
	if err != nil {
		return err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []string
	compare := func(what string, got, want any) {
		if diff := cmp.Diff(want, got); diff != "" {
			problems = append(problems, fmt.Sprintf("%s: %v, want %v", what, got, want))
		}
	}
	expect := test.Expect
	side := func(m wire.Message, what string, want map[string]texts, absent []string) {
		for name, values := range want {
			compare(what+" header "+name, m.Values(name), []string(values))
		}

		for _, name := range absent {
			compare(what+" header "+name, len(m.Values(name)), 0)
		}
	}
	if expect.Path != nil || expect.Host != nil || expect.RequestHeaders != nil || expect.AbsentRequestHeaders != nil {
		if s.got == nil {
			return "the request never arrived: answered " + response.Start
		}
		if expect.Path != nil {
			compare("path", s.got.Target, *expect.Path)
		}
		if expect.Host != nil {
			compare("host", s.got.Values(":authority"), []string{*expect.Host})
		}
		side(*s.got, "request", expect.RequestHeaders, expect.AbsentRequestHeaders)
	}
	if expect.Status != nil {
		compare("status", response.Start, strconv.Itoa(*expect.Status))
	}
	if expect.Location != nil {
		compare("location", response.Values("location"), []string{*expect.Location})
	}
	side(response, "response", expect.ResponseHeaders, expect.AbsentResponseHeaders)

	return strings.Join(problems, "; ")
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func headers(all map[string]texts) (list []rewrite.Header) {
	for name, values := range all {
		for _, value := range values {
			list = append(list, rewrite.Header{Name: name, Value: value})
		}
	}
	return list
}
