// Package filter adapts the rule engine to a Proxy-Wasm host (ABI 0.2.0): it
// hands over what arrives and writes what the engine decides. It decides nothing.
package filter

import (
	"errors"
	"strconv"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// NewVMContext gives the SDK's entry point. Several plugins with the same
// module share one VM, so all state lives in a plugin's own context.
func NewVMContext() types.VMContext { return &vmContext{} }

type vmContext struct{ types.DefaultVMContext }

func (*vmContext) NewPluginContext(uint32) types.PluginContext { return &plugin{} }

// plugin is one configuration in force.
type plugin struct {
	types.DefaultPluginContext
	rules    *rewrite.Rules // nil where the configuration was refused
	counters counters
	warned   map[string]bool   // host calls whose failure was logged
	free     []*rewrite.Stream // done with their requests
	seed     uint64            // state of the generator for samples
}

// OnPluginStart compiles the configuration. A wrong one is refused whole: a
// running proxy keeps the last good one.
func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	config, err := proxywasm.GetPluginConfiguration()
	if err != nil && !errors.Is(err, types.ErrorStatusNotFound) {
		proxywasm.LogCritical("wasm-rewrite: the configuration cannot be read: " + err.Error())
		return types.OnPluginStartStatusFailed
	}
	rules, err := rewrite.Load(config)
	if err != nil {
		var all rewrite.Errors
		errors.As(err, &all)
		for _, one := range all {
			proxywasm.LogCritical("wasm-rewrite: configuration refused: " + one.Error())
		}
		return types.OnPluginStartStatusFailed
	}
	p.rules = rules
	p.warned = map[string]bool{}
	p.seed = uint64(time.Now().UnixNano()) | 1
	p.counters.define(p.name(), rules)
	revision := rules.Revision()
	if revision == "" {
		revision = "none"
	}
	proxywasm.LogInfo("wasm-rewrite: configuration in force, revision " + revision + ", patterns " + strconv.Itoa(rules.Patterns()))
	return types.OnPluginStartStatusOK
}

// name is the plugin's name as the proxy's configuration has it.
func (p *plugin) name() string {
	name, err := proxywasm.GetProperty([]string{"plugin_name"})
	if err != nil {
		p.failed("get_property", err)
	}
	return string(name)
}

func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &request{plugin: p} }

// failed counts a host call that failed, and warns the first time.
func (p *plugin) failed(call string, err error) {
	increment(p.counters.hostCallFailed)
	if !p.warned[call] {
		p.warned[call] = true
		proxywasm.LogWarn("wasm-rewrite: host call " + call + " failed: " + err.Error() + "; further failures are counted in host_call_failed only")
	}
}

// stream gives a stream that is not in use.
func (p *plugin) stream() *rewrite.Stream {
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		return s
	}
	s := p.rules.NewStream()
	s.Random = p.random
	return s
}

// maxFree bounds what idle streams may hold on to.
const maxFree = 256

func (p *plugin) done(s *rewrite.Stream) {
	s.Reset()
	if len(p.free) < maxFree {
		p.free = append(p.free, s)
	}
}

// random is xorshift64*: a share of requests needs no more.
func (p *plugin) random() uint32 {
	p.seed ^= p.seed >> 12
	p.seed ^= p.seed << 25
	p.seed ^= p.seed >> 27
	return uint32(p.seed * 2685821657736338717 >> 32)
}

// request is one request and its response.
type request struct {
	types.DefaultHttpContext
	plugin *plugin
	stream *rewrite.Stream
}

func (r *request) OnHttpRequestHeaders(int, bool) types.Action {
	p := r.plugin
	if p.rules == nil {
		return types.ActionContinue
	}
	if r.stream == nil {
		r.stream = p.stream()
	}
	out := r.stream.Request(requestSource{r})
	p.counters.add(out.Counts)
	if !r.write(out.Edits, &requestMap) || out.Answer == nil {
		return types.ActionContinue
	}
	a := out.Answer
	headers := make([][2]string, 0, len(a.Headers))
	for _, h := range a.Headers {
		headers = append(headers, [2]string{h.Name, h.Value})
	}
	if err := proxywasm.SendHttpResponse(uint32(a.Status), headers, []byte(a.Body), -1); err != nil {
		p.failed("send_local_response", err)
		return types.ActionContinue
	}
	return types.ActionPause
}

func (r *request) OnHttpResponseHeaders(int, bool) types.Action {
	p := r.plugin
	if p.rules == nil {
		return types.ActionContinue
	}
	if r.stream == nil {
		r.stream = p.stream()
	}
	out := r.stream.Response(responseSource{r})
	p.counters.add(out.Counts)
	r.write(out.Edits, &responseMap)
	p.done(r.stream)
	r.stream = nil
	return types.ActionContinue
}

// headerMap is the host calls that write one of the header maps.
type headerMap struct {
	add, set func(name, value string) error
	remove   func(name string) error
}

var (
	requestMap  = headerMap{proxywasm.AddHttpRequestHeader, proxywasm.ReplaceHttpRequestHeader, proxywasm.RemoveHttpRequestHeader}
	responseMap = headerMap{proxywasm.AddHttpResponseHeader, proxywasm.ReplaceHttpResponseHeader, proxywasm.RemoveHttpResponseHeader}
)

// write makes edits. Where one fails, what was written stays and the rest is
// left out.
func (r *request) write(edits []rewrite.Edit, m *headerMap) bool {
	for i := range edits {
		e := &edits[i]
		call, err := "", error(nil)
		switch e.Kind {
		case rewrite.EditSet:
			call, err = "replace_header_map_value", m.set(e.Name, e.Value)
		case rewrite.EditAdd:
			call, err = "add_header_map_value", m.add(e.Name, e.Value)
		case rewrite.EditRemove:
			call, err = "remove_header_map_value", m.remove(e.Name)
		}
		if err != nil {
			r.plugin.failed(call, err)
			return false
		}
	}
	return true
}

type (
	requestSource  struct{ *request }
	responseSource struct{ *request }
)

func (s requestSource) Header(name string) (string, bool, bool) {
	v, err := proxywasm.GetHttpRequestHeader(name)
	return s.header(v, err)
}

func (s responseSource) Header(name string) (string, bool, bool) {
	v, err := proxywasm.GetHttpResponseHeader(name)
	return s.header(v, err)
}

func (s requestSource) Headers() ([]rewrite.Header, bool) {
	pairs, err := proxywasm.GetHttpRequestHeaders()
	return s.headers(pairs, err)
}

func (s responseSource) Headers() ([]rewrite.Header, bool) {
	pairs, err := proxywasm.GetHttpResponseHeaders()
	return s.headers(pairs, err)
}

func (r *request) header(value string, err error) (string, bool, bool) {
	switch {
	case err == nil:
		return value, true, true
	case errors.Is(err, types.ErrorStatusNotFound):
		return "", false, true
	}
	r.plugin.failed("get_header_map_value", err)
	return "", false, false
}

func (r *request) headers(pairs [][2]string, err error) ([]rewrite.Header, bool) {
	if err != nil {
		r.plugin.failed("get_header_map_pairs", err)
		return nil, false
	}
	list := make([]rewrite.Header, len(pairs))
	for i := range pairs {
		list[i] = rewrite.Header{Name: pairs[i][0], Value: pairs[i][1]}
	}
	return list, true
}
