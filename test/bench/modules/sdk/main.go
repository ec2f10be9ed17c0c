//go:build wasm

// Command sdk is this project's rule engine on the SDK alone, with its contexts
// and its copies of what the host hands over: what plugin/filter saves by doing
// both itself.
package main

import (
	"errors"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

func main() {}

func init() { proxywasm.SetVMContext(&vm{}) }

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(uint32) types.PluginContext { return &plugin{} }

type plugin struct {
	types.DefaultPluginContext
	rules    *rewrite.Rules
	counters [][rewrite.Results]proxywasm.MetricCounter
	free     []*rewrite.Stream
}

func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	data, err := proxywasm.GetPluginConfiguration()
	if err != nil && !errors.Is(err, types.ErrorStatusNotFound) {
		return types.OnPluginStartStatusFailed
	}
	if p.rules, err = rewrite.Load(data); err != nil {
		proxywasm.LogCritical(err.Error())
		return types.OnPluginStartStatusFailed
	}
	p.counters = make([][rewrite.Results]proxywasm.MetricCounter, p.rules.Patterns())
	for i := range p.counters {
		for r := range rewrite.Results {
			if p.rules.Possible(i, r) {
				p.counters[i][r] = proxywasm.DefineCounterMetric("sdk." + p.rules.PatternName(i) + "." + r.String())
			}
		}
	}
	return types.OnPluginStartStatusOK
}

func (p *plugin) NewHttpContext(uint32) types.HttpContext {
	s := &stream{plugin: p}
	if n := len(p.free); n > 0 {
		s.rules, p.free = p.free[n-1], p.free[:n-1]
	} else {
		s.rules = p.rules.NewStream()
	}
	return s
}

type stream struct {
	types.DefaultHttpContext
	plugin *plugin
	rules  *rewrite.Stream
}

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	out := s.rules.Request(message{proxywasm.GetHttpRequestHeader, proxywasm.GetHttpRequestHeaders})
	s.plugin.count(out)
	write(out.Edits, proxywasm.ReplaceHttpRequestHeader, proxywasm.AddHttpRequestHeader, proxywasm.RemoveHttpRequestHeader)
	return types.ActionContinue
}

func (s *stream) OnHttpResponseHeaders(int, bool) types.Action {
	out := s.rules.Response(message{proxywasm.GetHttpResponseHeader, proxywasm.GetHttpResponseHeaders})
	s.plugin.count(out)
	write(out.Edits, proxywasm.ReplaceHttpResponseHeader, proxywasm.AddHttpResponseHeader, proxywasm.RemoveHttpResponseHeader)
	return types.ActionContinue
}

func (s *stream) OnHttpStreamDone() {
	s.rules.Reset()
	s.plugin.free = append(s.plugin.free, s.rules)
}

func (p *plugin) count(out *rewrite.Outcome) {
	for _, n := range out.Counts {
		if n.Pattern != rewrite.TopLevel {
			p.counters[n.Pattern][n.Result].Increment(1)
		}
	}
}

func write(edits []rewrite.Edit, set, add func(name, value string) error, remove func(name string) error) {
	for i := range edits {
		e := &edits[i]
		var err error
		switch e.Kind {
		case rewrite.EditSet:
			err = set(e.Name, e.Value)
		case rewrite.EditAdd:
			err = add(e.Name, e.Value)
		case rewrite.EditRemove:
			err = remove(e.Name)
		}
		if err != nil {
			proxywasm.LogWarn("header " + e.Name + ": " + err.Error())
			return
		}
	}
}

// message implements [rewrite.Source].
type message struct {
	one func(name string) (string, error)
	all func() ([][2]string, error)
}

func (m message) Header(name string) (value string, found, ok bool) {
	value, err := m.one(name)
	if errors.Is(err, types.ErrorStatusNotFound) {
		return "", false, true
	}
	return value, err == nil, err == nil
}

func (m message) Headers() ([]rewrite.Header, bool) {
	pairs, err := m.all()
	list := make([]rewrite.Header, 0, len(pairs))
	for _, pair := range pairs {
		list = append(list, rewrite.Header{Name: pair[0], Value: pair[1]})
	}
	return list, err == nil
}
