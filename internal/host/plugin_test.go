package host

import (
	"context"
	"os"
	"testing"
	"time"
)

// pluginBytes reads the module that the project builds.
func pluginBytes(t testing.TB) []byte {
	t.Helper()

	wasm, err := os.ReadFile("../../build/plugin.wasm")
	if err != nil {
		t.Fatalf("%v: run make build", err)
	}
	return wasm
}

// pluginModule compiles it.
func pluginModule(t testing.TB) *Module {
	t.Helper()
	module, err := Compile(t.Context(), pluginBytes(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close(context.Background()) })
	return module
}

// pluginVM starts it.
func pluginVM(t testing.TB) *VM {
	t.Helper()
	vm, err := pluginModule(t).New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// Istio 1.30 and later add to a WasmPlugin's name; its metrics have the name that
// they had before.
func TestAPluginThatIstioRenamedKeepsTheNamesOfItsMetrics(t *testing.T) {
	vm := pluginVM(t)
	if _, err := vm.Start(t.Context(), "shop.rules~istio-translated-wasmplugin", []byte(everyCall)); err != nil {
		t.Fatal(err)
	}
	if _, ok := vm.Metrics()["wasm_rewrite.shop_rules.moved.redirected"]; !ok {
		t.Errorf("no metric of plugin shop_rules in %v", vm.Metrics())
	}
}

// The module counts by itself and tells the host when it ticks, which it does
// while there is something to tell.
func TestTheHostIsToldOfCountsOnTheNextTick(t *testing.T) {
	refuses := false
	vm, err := pluginModule(t).New(t.Context(), Options{Fail: func(call string, _ int) Status {
		if refuses && call == "proxy_set_tick_period_milliseconds" {
			return StatusUnimplemented
		}
		return StatusOK
	}})
	if err != nil {
		t.Fatal(err)
	}
	var plugin *Plugin
	start := func() {
		if plugin, err = vm.Start(t.Context(), "shop", []byte(everyCall)); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() {
		if _, err := plugin.Exchange(t.Context(), failingRequest("/old"), upstreamOK); err != nil {
			t.Fatal(err)
		}
	}
	step := func(name string, told int64, period time.Duration) {
		t.Helper()
		if got := vm.Metrics()["wasm_rewrite.shop.moved.redirected"]; got != told {
			t.Errorf("%s: the host was told %d, want %d", name, got, told)
		}
		if got := plugin.TickPeriod(); got != period {
			t.Errorf("%s: the tick period is %s, want %s", name, got, period)
		}
	}
	tick := func() {
		if err := plugin.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	start()
	step("at the start", 0, 0)
	ask()
	ask()
	step("before the tick", 0, 100*time.Millisecond)
	tick()
	step("after the tick", 2, 100*time.Millisecond)
	tick()
	step("after a tick with nothing to tell", 2, 0)
	ask()
	if err := plugin.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	step("after the plugin's end", 3, 100*time.Millisecond)
	start()

	refuses = true
	ask()
	step("where the host does not tick", 4, 0)
}
