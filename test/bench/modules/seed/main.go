//go:build wasm

// Command seed is the plugin this project began with, an article's example, as
// written there: it compiles its regexp again for each request, logs three times
// and rewrites the query too. Only init is new: a reactor has no main.
package main

import (
	"regexp"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() { proxywasm.SetVMContext(&vm{}) }

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(uint32) types.PluginContext { return &plugin{} }

type plugin struct {
	types.DefaultPluginContext
	configData string
}

func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	proxywasm.LogWarn("loading plugin config")
	data, err := proxywasm.GetPluginConfiguration()
	if data == nil {
		return types.OnPluginStartStatusOK
	}
	if err != nil {
		proxywasm.LogCriticalf("error reading plugin configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	p.configData = string(data)
	proxywasm.LogWarnf("plugin config: %s", p.configData)
	return types.OnPluginStartStatusOK
}

func (p *plugin) NewHttpContext(contextID uint32) types.HttpContext {
	return &stream{contextID: contextID, configData: p.configData}
}

type stream struct {
	types.DefaultHttpContext
	contextID  uint32
	configData string
}

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	path, err := proxywasm.GetHttpRequestHeader(":path")
	if err != nil {
		proxywasm.LogCriticalf("failed to get the path: %v", err)
		return types.ActionContinue
	}
	proxywasm.LogWarnf("original path: %s", path)
	re := regexp.MustCompile(`banana/([0-9]*)`)
	rewritten := re.ReplaceAllString(path, "status/$1")
	proxywasm.LogWarnf("rewritten path: %s", rewritten)
	if err := proxywasm.ReplaceHttpRequestHeader(":path", rewritten); err != nil {
		proxywasm.LogCriticalf("failed to replace the path: %v", err)
	}
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	for _, h := range [][2]string{
		{"who-am-i", "go-wasm-demo"},
		{"injected-by", "istio-api!"},
		{"site", "youdianzhishi.com"},
		{"author", "陽明"},
		{"configData", s.configData},
	} {
		if err := proxywasm.AddHttpResponseHeader(h[0], h[1]); err != nil {
			proxywasm.LogCriticalf("failed to add header %s: %v", h[0], err)
		}
	}
	return types.ActionContinue
}

func (s *stream) OnHttpStreamDone() {
	proxywasm.LogInfof("%d finished", s.contextID)
}
