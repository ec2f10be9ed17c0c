package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// everyCall makes the module use every function that it imports.
const everyCall = `{"revision": "1a2b3c4d", "patterns": [
	{"name": "gone", "match": {"path": {"exact": "/gone"}}, "headers": {"request": {"set": {"x-gone": "1"}}}, "respond": {"status": 410, "body": "gone"}},
	{"name": "moved", "match": {"path": {"exact": "/old"}}, "redirect": {"path": "/new"}},
	{"name": "some", "match": {"path": {"regex": "^/a/(.*)$"}}, "rewrite": {"path": "/b/$1"},
	 "headers": {"request": {"set": {"x-set": "1"}, "add": {"x-user": "$1"}, "remove": ["x-remove"]}, "response": {"remove": ["x-up*"]}},
	 "sample": {"percent": 100}}
], "headers": {"response": {"set": {"x-all": "${header.x-user}"}}}}`

var failingRequests = []string{"/a/1?q=2", "/gone", "/old", "/nothing"}

func failingRequest(path string) Message {
	return Message{Headers: []Header{
		{Name: ":authority", Value: "example.com"}, {Name: ":path", Value: path}, {Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: "x-user", Value: "anne"}, {Name: "x-remove", Value: "1"},
	}}
}

func upstreamOK(Message) Message {
	return Message{Headers: []Header{{Name: ":status", Value: "200"}, {Name: "x-upstream", Value: "1"}}, Body: "ok"}
}

// Every call of every function fails in turn, with every status that a host may
// give: the module never traps, and every request gets an answer.
func TestNoFailingHostCallTrapsTheModule(t *testing.T) {
	module := pluginModule(t)
	calls := map[string]int{} // function → how often an undisturbed run calls it
	run := func(fail func(call string, n int) Status) error {
		vm, err := module.New(t.Context(), Options{Fail: func(call string, n int) Status {
			if fail == nil {
				calls[call] = max(calls[call], n)
				return StatusOK
			}
			return fail(call, n)
		}})
		if err != nil {
			return err
		}
		defer vm.Close(context.Background())

		plugin, err := vm.Start(t.Context(), "shop", []byte(everyCall))
		var refused *RefusedError
		if errors.As(err, &refused) {
			return nil // a configuration that cannot be read
		}
		if err != nil {
			return err
		}

		for _, path := range failingRequests {
			result, err := plugin.Exchange(t.Context(), failingRequest(path), upstreamOK)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if status, _ := NewResponseHeaders(result.Client.Headers...).Get(":status"); status == "" {
				return fmt.Errorf("%s: no answer", path)
			}

			for range 2 { // the second has nothing to tell
				if err := plugin.Tick(t.Context()); err != nil {
					return fmt.Errorf("%s: tick: %w", path, err)
				}
			}
		}

		return plugin.Close(t.Context())
	}
	if err := run(nil); err != nil {
		t.Fatal(err)
	}

	for _, call := range []string{"proxy_get_header_map_value", "proxy_get_header_map_pairs", "proxy_add_header_map_value", "proxy_replace_header_map_value",
		"proxy_remove_header_map_value", "proxy_send_local_response", "proxy_define_metric", "proxy_increment_metric", "proxy_record_metric",
		"proxy_set_tick_period_milliseconds", "proxy_get_property", "proxy_get_buffer_bytes", "proxy_log", "proxy_get_current_time_nanoseconds"} {
		if calls[call] == 0 {
			t.Errorf("no request makes the module call %s", call)
		}
	}

	for call, often := range calls {
		for _, status := range []Status{StatusNotFound, StatusBadArgument, StatusSerializationFailure, StatusInternalFailure, StatusUnimplemented} {
			for at := range often + 1 { // 0: every call
				if err := run(func(name string, n int) Status {
					if name == call && (at == 0 || n == at) {
						return status
					}
					return StatusOK
				}); err != nil {
					t.Errorf("%s, call %d gives status %d: %v", call, at, status, err)
				}
			}
		}
	}
}

// What rules.md promises of a failed read, write and answer; each is counted,
// and warned about once.
func TestFailingHostCallsAreCountedAndWarnedAboutOnce(t *testing.T) {
	module := pluginModule(t)
	for _, c := range []struct {
		call, path string
		at         int               // the call of an exchange that fails; 0: all
		upstream   map[string]string // what the upstream gets; "" is nothing
		client     map[string]string
		warning    string
	}{
		{"proxy_get_header_map_value", "/a/1?q=2", 0,
			map[string]string{":path": "/a/1?q=2", "x-set": "", "x-remove": "1"}, map[string]string{":status": "200"}, "get_header_map_value"},
		{"proxy_get_header_map_pairs", "/a/1?q=2", 0, nil, map[string]string{":status": "200", "x-upstream": "1"}, "get_header_map_pairs"},
		// What was written stays, the rest is left out.
		{"proxy_replace_header_map_value", "/a/1?q=2", 2,
			map[string]string{":path": "/b/1?q=2", "x-set": "", "x-user": "anne"}, map[string]string{":status": "200"}, "replace_header_map_value"},
		{"proxy_add_header_map_value", "/a/1?q=2", 0,
			map[string]string{":path": "/b/1?q=2", "x-user": "anne"}, map[string]string{":status": "200"}, "add_header_map_value"},
		{"proxy_send_local_response", "/gone", 0, map[string]string{":path": "/gone"}, map[string]string{":status": "200"}, "send_local_response"},
		{"proxy_send_local_response", "/old", 0, map[string]string{":path": "/old"}, map[string]string{":status": "200"}, "send_local_response"},
	} {
		t.Run(c.warning+c.path, func(t *testing.T) {
			failed, in := 0, 0 // calls that failed; calls of the exchange at hand
			failing := false
			vm, err := module.New(t.Context(), Options{Fail: func(call string, _ int) Status {
				if !failing || call != c.call {
					return StatusOK
				}
				if in++; c.at == 0 || in == c.at {
					failed++
					return StatusInternalFailure
				}
				return StatusOK
			}})
			if err != nil {
				t.Fatal(err)
			}

			plugin, err := vm.Start(t.Context(), "shop", []byte(everyCall))
			if err != nil {
				t.Fatal(err)
			}

			failing = true

			for range 3 {
				in = 0
				result, err := plugin.Exchange(t.Context(), failingRequest(c.path), upstreamOK)
				if err != nil {
					t.Fatal(err)
				}
				if result.Upstream == nil {
					t.Fatalf("is answered with %v, want it to go upstream", result.Client)
				}
				differences(t, "upstream", result.Upstream.Headers, c.upstream)
				differences(t, "client", result.Client.Headers, c.client)
			}
			if failed == 0 {
				t.Fatal("no call failed")
			}
			if got := vm.Metrics()["wasm_rewrite.shop.host_call_failed"]; got != int64(failed) {
				t.Errorf("host_call_failed is %d, want %d", got, failed)
			}

			var warnings []string
			for _, l := range vm.Logs() {
				if strings.Contains(l.Message, "failed") {
					warnings = append(warnings, l.Level.String()+": "+l.Message)
				}
			}
			if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "warn") || !strings.Contains(warnings[0], "host call "+c.warning+" failed") {
				t.Errorf("logged %q, want one warning about %s", warnings, c.warning)
			}
		})
	}
}

// The header that names the patterns is decoration: what the filter refuses stays refused where it cannot be written.
func TestAnAnswerIsSentThoughAHeaderOfTheRequestCannotBeWritten(t *testing.T) {
	vm, err := pluginModule(t).New(t.Context(), Options{Fail: func(call string, _ int) Status {
		if strings.Contains(call, "header_map_value") && !strings.Contains(call, "_get_") {
			return StatusInternalFailure
		}
		return StatusOK
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close(context.Background())

	plugin, err := vm.Start(t.Context(), "shop", []byte(`{"patternHeader": "x-patterns", "patterns": [
		{"name": "closed", "match": {"path": {"exact": "/closed"}}, "respond": {"status": 403}},
		{"name": "moved", "match": {"path": {"exact": "/old"}}, "redirect": {"path": "/new"}},
		{"name": "unsafe", "match": {"path": {"regex": "^/raw(.*)$"}}, "rewrite": {"path": "/$1"}}]}`))
	if err != nil {
		t.Fatal(err)
	}

	for path, want := range map[string]string{"/closed": "403", "/old": "302", "/raw/x": "400"} {
		result, err := plugin.Exchange(t.Context(), failingRequest(path), upstreamOK)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := NewResponseHeaders(result.Client.Headers...).Get(":status"); result.Upstream != nil || status != want {
			t.Errorf("%s is answered with %s and goes upstream as %v; want %s and nothing upstream", path, status, result.Upstream, want)
		}
	}
}

func differences(t *testing.T, side string, headers []Header, want map[string]string) {
	t.Helper()

	for _, name := range slices.Sorted(maps.Keys(want)) {
		var values []string
		for _, h := range headers {
			if h.Name == name {
				values = append(values, h.Value)
			}
		}
		if got := strings.Join(values, ","); got != want[name] {
			t.Errorf("%s: %s is %q, want %q", side, name, got, want[name])
		}
	}
}
