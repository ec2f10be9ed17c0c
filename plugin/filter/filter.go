//go:build wasm

// Package filter adapts the rule engine to a Proxy-Wasm host (ABI 0.2.0): it
// hands over what arrives and writes what the engine decides. It decides nothing.
package filter

import (
	"strconv"
	"strings"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// NewVMContext gives the SDK's entry point. Several plugins with the same
// module share one VM, so all state lives in a plugin's own context.
func NewVMContext() types.VMContext { return &vmContext{} }

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(contextID uint32) types.PluginContext {
	p := &plugin{warned: map[string]bool{}, seed: now() + uint64(contextID)}
	plugins.put(contextID, p)
	return p
}

// plugin is one configuration in force.
type plugin struct {
	types.DefaultPluginContext
	rules    *rewrite.Rules // nil where the configuration was refused
	counters counters
	warned   map[string]bool // host calls whose failure was logged
	free     []*request      // done, to be used again
	seed     uint64          // state of the generator for samples
}

// OnPluginStart compiles the configuration. A wrong one is refused whole: a
// running proxy keeps the last good one.
func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	config, status := configuration()
	if status != statusOK && status != statusNotFound {
		proxywasm.LogCritical("wasm-rewrite: the configuration cannot be read: status " + strconv.Itoa(int(status)))
		return types.OnPluginStartStatusFailed
	}
	rules, err := rewrite.Load(config)
	if err != nil {
		// All that Load gives; errors.As brings the printing of types, of 5 KiB.
		all, _ := err.(rewrite.Errors) //nolint:errorlint // see above
		for _, one := range all {
			proxywasm.LogCritical("wasm-rewrite: configuration refused: " + one.Error())
		}
		return types.OnPluginStartStatusFailed
	}
	p.rules = rules
	p.counters.define(p.name(), rules)
	revision := rules.Revision()
	if revision == "" {
		revision = "none"
	}
	proxywasm.LogInfo("wasm-rewrite: configuration in force, revision " + revision + ", patterns " + strconv.Itoa(rules.Patterns()))
	return types.OnPluginStartStatusOK
}

// translated is what Istio 1.30 and later add to the names of WasmPlugins, of
// which they make TrafficExtensions.
const translated = "~istio-translated-wasmplugin"

// name is the plugin's name as the proxy's configuration has it, but without
// what Istio added: metrics keep their names when Istio changes.
func (p *plugin) name() string {
	name, err := proxywasm.GetProperty([]string{"plugin_name"})
	if err != nil {
		p.failed("get_property", err.Error())
	}
	return strings.TrimSuffix(string(name), translated)
}

// failed counts a host call that failed, and warns the first time.
func (p *plugin) failed(call, reason string) {
	increment(p.counters.hostCallFailed, 1)
	if !p.warned[call] {
		p.warned[call] = true
		proxywasm.LogWarn("wasm-rewrite: host call " + call + " failed: " + reason + "; further failures are only counted, in host_call_failed")
	}
}

func (p *plugin) failedStatus(call string, status uint32) {
	p.failed(call, "status "+strconv.Itoa(int(status)))
}

// random is splitmix64: a share of requests needs no more.
func (p *plugin) random() uint32 {
	p.seed += 0x9e3779b97f4a7c15
	z := p.seed
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return uint32(z >> 32)
}
