package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// startProbe starts one plugin, shop, with the configuration "conf".
func startProbe(t *testing.T, p *probe, opts Options) (*VM, *Plugin) {
	t.Helper()
	vm := newVM(t, p, opts)
	plugin, err := vm.Start(context.Background(), "shop", []byte("conf"))
	if err != nil {
		t.Fatal(err)
	}
	return vm, plugin
}

func newVM(t *testing.T, p *probe, opts Options) *VM {
	t.Helper()

	ctx := context.Background()
	module, err := Compile(ctx, p.bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close(ctx) })

	vm, err := module.New(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}

	return vm
}

var request = Message{Headers: []Header{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "example.com"},
	{Name: ":scheme", Value: "http"}}}

func ok(Message) Message { return Message{Headers: []Header{{Name: ":status", Value: "200"}}} }

func logged(logs []Log) string {
	var lines []string
	for _, l := range logs {
		lines = append(lines, fmt.Sprintf("%s %s %s", l.Level, l.Plugin, l.Message))
	}
	return strings.Join(lines, "\n")
}

func TestWhatEnvoyWouldNotLoadIsRefused(t *testing.T) {
	with := func(change func(p *probe)) []byte {
		p := newProbe()
		change(p)
		return p.bytes()
	}
	for _, c := range []struct {
		name, want string
		wasm       []byte
	}{
		{"nothing", "not a WebAssembly module", nil},
		{"text", "not a WebAssembly module", []byte("hello")},
		{"another ABI", "does not export proxy_abi_version_0_2_0", with(func(p *probe) { p.without["proxy_abi_version_0_2_0"] = true })},
		{"no memory", "exports no memory", with(func(p *probe) { p.without["memory"] = true })},
		{"no allocator", "exports neither malloc nor proxy_on_memory_allocate", with(func(p *probe) { p.without["proxy_on_memory_allocate"] = true })},
		{"foreign imports", "env.proxy_get_log_level, wasi_snapshot_preview1.sock_send, wasi_unstable.fd_write", with(func(p *probe) {
			p.imports = []string{"env.proxy_log", "env.proxy_get_log_level", "wasi_snapshot_preview1.fd_write", "wasi_snapshot_preview1.sock_send",
				"wasi_unstable.fd_write"}
		})},
	} {
		_, err := Compile(context.Background(), c.wasm, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
}

func TestHostCallsBeforeTheStartFail(t *testing.T) {
	p := newProbe()
	p.on("_initialize").call("proxy_log", 2, str("hello")).call("proxy_get_current_time_nanoseconds", resultsAt)
	module, err := Compile(context.Background(), p.bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close(context.Background())

	_, err = module.New(context.Background(), Options{})
	var trap *TrapError
	if !errors.As(err, &trap) || trap.Callback != "_initialize" ||
		!strings.Contains(err.Error(), "it called proxy_get_current_time_nanoseconds before it was started") {
		t.Error(err)
	}
}

func TestAnAnswerHasDetails(t *testing.T) {
	p := newProbe()
	p.on("proxy_on_request_headers").call("proxy_send_local_response", 403, str("not today"), str("no"), str(""), -1).ret(0)
	_, plugin := startProbe(t, p, Options{})
	result, err := plugin.Exchange(context.Background(), request, ok)
	if err != nil {
		t.Fatal(err)
	}
	if !result.Answered || result.Upstream != nil || result.Details != "not_today" || result.Client.Body != "no" {
		t.Errorf("%+v", result)
	}
}

func TestTrapsEndTheVM(t *testing.T) {
	for _, c := range []struct {
		name, want string
		program    func(g *program)
	}{
		{"unreachable", "unreachable", func(g *program) { g.op(0) }},
		{"memory", "out of bounds memory access", func(g *program) { g.store(-8, 0) }},
		{"endless loop", "it did not return: context deadline exceeded", func(g *program) { g.op(0x03, 0x40, 0x0c, 0, end) }},
		{"exit", "exit_code", func(g *program) { g.i32(3); g.op(0x10, byte(g.probe.imported("wasi_snapshot_preview1.proc_exit"))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProbe()
			g := p.on("proxy_on_response_headers")
			c.program(g)
			g.ret(0)

			// The others end by themselves, however busy the machine is.
			limit := time.Minute
			if c.name == "endless loop" {
				limit = 200 * time.Millisecond
			}

			vm, plugin := startProbe(t, p, Options{Timeout: limit})
			_, err := plugin.Exchange(context.Background(), request, ok)
			var trap *TrapError
			if !errors.As(err, &trap) || trap.Callback != "proxy_on_response_headers" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}

			_, again := plugin.Exchange(context.Background(), request, ok)
			_, start := vm.Start(context.Background(), "other", nil)
			if !errors.Is(again, trap) || !errors.Is(start, trap) {
				t.Errorf("after the trap: %v, %v", again, start)
			}
		})
	}
}

func TestARefusedConfigurationLeavesTheVMAsItWas(t *testing.T) {
	p := newProbe()
	g := p.on("proxy_on_configure")
	g.show("proxy_get_buffer_bytes", 7, 0, 1000)
	g.when(resultsAt, "good").i32(1)
	g.op(0x0f, end) // return
	g.call("proxy_log", 4, str("bad")).ret(0)
	p.on("proxy_on_delete").call("proxy_log", 0, str("deleted"))
	vm := newVM(t, p, Options{})
	ctx := context.Background()
	good, err := vm.Start(ctx, "shop", []byte("good one"))
	if err != nil {
		t.Fatal(err)
	}

	_, err = vm.Start(ctx, "shop", []byte("wrong"))
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if want := "plugin \"shop\": the module refused its configuration\ninfo: wrong\nerror: bad"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if _, err := good.Exchange(ctx, request, ok); err != nil {
		t.Error(err)
	}
	if got, want := logged(vm.Logs()), "info shop good one\ninfo shop wrong\nerror shop bad\ntrace shop deleted\ntrace shop deleted"; got != want {
		t.Errorf("logged\n%s\nwant\n%s", got, want)
	}
}

// configured is a probe that adds its configuration to requests and responses.
func configured() *probe {
	p := newProbe()
	p.on("proxy_on_request_headers").call("proxy_add_header_map_value", 0, str("x-request"), str("1")).show("proxy_get_property", str("plugin_name")).
		call("proxy_add_header_map_value", 0, str("x-plugin"), deref(resultsAt), deref(resultsAt+4)).ret(0)
	p.on("proxy_on_response_headers").show("proxy_get_property", str("plugin_name")).
		call("proxy_add_header_map_value", 2, str("x-plugin"), deref(resultsAt), deref(resultsAt+4)).ret(0)
	p.on("proxy_on_delete").call("proxy_log", 2, str("deleted"))
	return p
}

func TestPluginsShareAVMAndNothingElse(t *testing.T) {
	vm := newVM(t, configured(), Options{})
	ctx := context.Background()

	var plugins []*Plugin
	for _, name := range []string{"one", "two", "three"} {
		plugin, err := vm.Start(ctx, name, nil)
		if err != nil {
			t.Fatal(err)
		}

		plugins = append(plugins, plugin)
	}

	var all sync.WaitGroup
	for i := range 30 {
		plugin := plugins[i%len(plugins)]
		all.Go(func() {
			for range 20 {
				result, err := plugin.Exchange(ctx, request, ok)
				if err != nil {
					t.Error(err)
					return
				}

				up := NewRequestHeaders(result.Upstream.Headers...).Values("x-plugin")
				down := NewResponseHeaders(result.Client.Headers...).Values("x-plugin")
				if !slices.Equal(up, []string{plugin.name}) || !slices.Equal(down, up) {
					t.Errorf("plugin %s: %q, %q", plugin.name, up, down)
				}
			}
		})
	}
	all.Wait()
}

func TestAPluginEndsWithItsLastExchange(t *testing.T) {
	vm := newVM(t, configured(), Options{})
	ctx := context.Background()
	before, err := vm.Start(ctx, "before", nil)
	if err != nil {
		t.Fatal(err)
	}

	result, err := before.Exchange(ctx, request, func(_ Message) Message {
		after, err := vm.Start(ctx, "after", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := before.Close(ctx); err != nil {
			t.Fatal(err)
		}

		inner, err := after.Exchange(ctx, request, ok)
		if err != nil {
			t.Fatal(err)
		}

		return inner.Client
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := NewResponseHeaders(result.Client.Headers...).Values("x-plugin"); !slices.Equal(got, []string{"after", "before"}) {
		t.Errorf("%q", got)
	}

	logs := vm.Logs()
	if last := logs[len(logs)-2:]; logged(last) != "info before deleted\ninfo before deleted" {
		t.Errorf("the plugin's context did not end after its stream's: %s", logged(logs))
	}
	if _, err := before.Exchange(ctx, request, ok); err == nil || err.Error() != `plugin "before" is closed` {
		t.Error(err)
	}
}

func TestCallsAreCountedAndCanBeMadeToFail(t *testing.T) {
	p := newProbe()

	g := p.on("proxy_on_request_headers")
	for range 3 {
		g.call("proxy_add_header_map_value", 0, str("x-a"), str("1"))
	}
	g.transcript().ret(0)
	var asked []string
	vm, plugin := startProbe(t, p, Options{Fail: func(call string, n int) Status {
		asked = append(asked, fmt.Sprintf("%s %d", call, n))
		if call == "proxy_add_header_map_value" && n == 2 {
			return StatusInternalFailure
		}
		return StatusOK
	}})
	result, err := plugin.Exchange(context.Background(), request, ok)
	if err != nil {
		t.Fatal(err)
	}
	if got := vm.Logs()[0].Message; got != "0:0" {
		t.Errorf("statuses %q, want 0, 10, 0", got)
	}
	if got := NewRequestHeaders(result.Upstream.Headers...).Values("x-a"); len(got) != 2 {
		t.Errorf("%q was added, want the second call without effect", got)
	}
	if got, want := strings.Join(asked, ", "), "proxy_add_header_map_value 1, proxy_add_header_map_value 2, proxy_add_header_map_value 3, proxy_log 1"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}

	for _, calls := range []map[string]int{vm.Calls(), result.Calls} {
		if fmt.Sprint(calls) != "map[proxy_add_header_map_value:3 proxy_log:1]" {
			t.Errorf("counted %v", calls)
		}
	}
}

func TestMetricsKeepTheirNames(t *testing.T) {
	p := newProbe()

	g := p.on("proxy_on_configure")
	for kind, name := range []str{"hits", "level", "times"} {
		g.call("proxy_define_metric", kind, name, resultsAt)
		g.call("proxy_record_metric", deref(resultsAt), int64(40))
		g.call("proxy_increment_metric", deref(resultsAt), int64(2))
	}
	g.call("proxy_define_metric", 1, str("level"), resultsAt)
	g.call("proxy_increment_metric", deref(resultsAt), int64(-3))
	g.ret(1)

	vm, _ := startProbe(t, p, Options{})
	if got, want := fmt.Sprint(vm.Metrics()), "map[hits:42 level:39 times:1]"; got != want {
		t.Errorf("metrics %s, want %s", got, want)
	}
}

func TestTimeAndTicks(t *testing.T) {
	now := time.Unix(12, 34)
	p := newProbe()
	p.on("proxy_on_configure").call("proxy_set_tick_period_milliseconds", 1500).ret(1)
	p.on("proxy_on_tick").
		call("proxy_get_current_time_nanoseconds", resultsAt).call("proxy_log", 2, resultsAt, 8).
		call("wasi_snapshot_preview1.clock_time_get", 0, int64(0), resultsAt).call("proxy_log", 2, resultsAt, 8)
	vm, plugin := startProbe(t, p, Options{Clock: func() time.Time { return now }})
	if got := plugin.TickPeriod(); got != 1500*time.Millisecond {
		t.Errorf("tick period %s", got)
	}
	if err := plugin.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}

	for _, l := range vm.Logs() {
		var nanoseconds int64
		for i, b := range []byte(l.Message) {
			nanoseconds |= int64(b) << (8 * i)
		}
		if nanoseconds != now.UnixNano() {
			t.Errorf("the module saw %d, want %d", nanoseconds, now.UnixNano())
		}
	}
}

func TestOutputIsLogged(t *testing.T) {
	p := newProbe()

	g := p.on("proxy_on_request_headers")
	for fd := 1; fd <= 2; fd++ {
		line := constantsAt + len(p.data)
		p.data = append(p.data, "some text\n"...)
		g.store(resultsAt, line).store(resultsAt+4, 10)
		g.call("wasi_snapshot_preview1.fd_write", fd, resultsAt, 1, resultsAt+8)
	}
	g.ret(0)

	vm, plugin := startProbe(t, p, Options{})
	if _, err := plugin.Exchange(context.Background(), request, ok); err != nil {
		t.Fatal(err)
	}
	if got, want := logged(vm.Logs()), "info shop some text\nerror shop some text"; got != want {
		t.Errorf("logged\n%s\nwant\n%s", got, want)
	}
}

func TestBodiesCanBeReadAndReplaced(t *testing.T) {
	p := newProbe()
	p.on("proxy_on_request_body").show("proxy_get_buffer_bytes", 0, 1, 3).
		call("proxy_set_buffer_bytes", 0, 0, 0, str("<")).call("proxy_set_buffer_bytes", 0, 100, 0, str(">")).ret(0)
	p.on("proxy_on_response_body").call("proxy_set_buffer_bytes", 1, 0, 1, str("no")).
		call("proxy_set_buffer_bytes", 1, 0, 100, str("new")).transcript().ret(0)
	vm, plugin := startProbe(t, p, Options{})
	sent := request
	sent.Body = "hello"
	result, err := plugin.Exchange(context.Background(), sent, func(m Message) Message {
		answer := ok(m)
		answer.Body = "old"
		return answer
	})
	if err != nil {
		t.Fatal(err)
	}
	if result.Upstream.Body != "<hello>" || result.Client.Body != "new" || logged(vm.Logs()) != "info shop ell\ninfo shop 20" {
		t.Errorf("upstream got %q, the client %q, logged %s", result.Upstream.Body, result.Client.Body, logged(vm.Logs()))
	}
}

func TestAPausedStreamIsAnError(t *testing.T) {
	for _, c := range []struct{ callback, want string }{
		{"proxy_on_request_headers", "the module paused the request, and nothing would continue it"},
		{"proxy_on_response_headers", "the module paused the response, and nothing would continue it"},
	} {
		p := newProbe()
		p.on(c.callback).ret(1)
		_, plugin := startProbe(t, p, Options{})
		if _, err := plugin.Exchange(context.Background(), request, ok); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}

		p = newProbe()
		p.on(c.callback).call("proxy_close_stream", 0).ret(1)
		_, plugin = startProbe(t, p, Options{})
		if _, err := plugin.Exchange(context.Background(), request, ok); err == nil || !strings.Contains(err.Error(), "the module closed the stream") {
			t.Errorf("error %v", err)
		}
	}

	p := newProbe()
	p.on("proxy_on_request_headers").call("proxy_continue_stream", 0).ret(1)
	_, plugin := startProbe(t, p, Options{})
	if _, err := plugin.Exchange(context.Background(), request, ok); err != nil {
		t.Error(err)
	}
}

func TestSharedDataIsOfTheVM(t *testing.T) {
	p := newProbe()
	p.on("proxy_on_request_headers").
		call("proxy_get_shared_data", str("k"), resultsAt, resultsAt+4, resultsAt+8).
		call("proxy_set_shared_data", str("k"), str("v1"), 0).
		call("proxy_set_shared_data", str("k"), str("v2"), 7).
		call("proxy_get_shared_data", str("k"), resultsAt, resultsAt+4, resultsAt+8).
		call("proxy_log", 2, deref(resultsAt), deref(resultsAt+4)).
		call("proxy_set_shared_data", str("k"), str("v3"), deref(resultsAt+8)).
		transcript().ret(0)
	vm, plugin := startProbe(t, p, Options{})
	if _, err := plugin.Exchange(context.Background(), request, ok); err != nil {
		t.Fatal(err)
	}
	if got, want := logged(vm.Logs()), "info shop v1\ninfo shop 108000"; got != want {
		t.Errorf("logged\n%s\nwant\n%s", got, want)
	}
}

func TestTheEffectiveContextMakesTheCalls(t *testing.T) {
	p := newProbe()
	p.on("proxy_on_tick").call("proxy_set_effective_context", 2).show("proxy_get_property", str("plugin_name"))
	vm, plugin := startProbe(t, p, Options{})
	if _, err := vm.Start(context.Background(), "other", nil); err != nil {
		t.Fatal(err)
	}
	if err := plugin.Tick(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, want := logged(vm.Logs()), "info other other"; got != want {
		t.Errorf("logged %s, want %s", got, want)
	}
}
