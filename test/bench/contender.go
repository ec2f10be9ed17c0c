package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
)

// contender is one way to do a work on a listener.
type contender struct {
	name string
	// about is what a reader has to know of it.
	about string
	// module is the file's name below the folder of modules; "" where it is not a module.
	module string
	build  func(c contender, modules, cluster string, w work) ([]map[string]any, []envoy.Filter)
	// does says what of a work it does; nil is everything.
	does func(work) work
	// quiet silences its log while it is measured.
	quiet bool
}

const (
	baseline      = "no filter"
	baselineAgain = "no filter, again"
	native        = "Envoy itself"
	ours          = "wasm-rewrite"
	empty         = "empty filter"
	emptyDefault  = "empty filter, default build"
	sdkStreams    = "wasm-rewrite, SDK's streams"
	lua           = "Lua"
	rust          = "Rust"
	seed          = "the seed"
	seedDefault   = "the seed, default build"
	logging       = "the seed, logging"
)

func plain(contender, string, string, work) ([]map[string]any, []envoy.Filter) { return nil, nil }

func wasm(c contender, modules, _ string, w work) ([]map[string]any, []envoy.Filter) {
	filter := envoy.Wasm(envoy.Plugin{
		Name: c.name, PluginName: "bench", Module: c.file(modules), Configuration: w.configuration(),
	})
	filter.Static = true
	return nil, []envoy.Filter{filter}
}

func nothing(work) work { return work{} }

var contenders = []contender{
	{name: baseline, build: plain, does: nothing},
	{name: baselineAgain, build: plain, does: nothing,
		about: "the same once more: how far from 0 it lies is the noise of the run"},
	{name: native, about: "routes with regex_rewrite or prefix_rewrite, and header_mutation",
		build: func(_ contender, _, cluster string, w work) ([]map[string]any, []envoy.Filter) {
			return w.native(cluster)
		}},
	{name: empty, module: "empty.wasm", build: wasm, does: nothing,
		about: "does nothing; the same SDK and toolchain as wasm-rewrite, trimmed as it is"},
	{name: emptyDefault, module: "empty-default.wasm", build: wasm, does: nothing,
		about: "the same, not trimmed: every callback that the SDK exports enters the VM"},
	{name: ours, module: "plugin.wasm", build: wasm, about: "this project, trimmed"},
	{name: sdkStreams, module: "sdk.wasm", build: wasm,
		about: "the same rules, but the SDK keeps the streams and copies what the host hands over"},
	{name: lua, about: "the same work by hand in Envoy's Lua filter",
		build: func(_ contender, _, _ string, w work) ([]map[string]any, []envoy.Filter) {
			return nil, []envoy.Filter{{Name: "lua", Static: true, Config: map[string]any{
				"@type":               "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
				"default_source_code": map[string]any{"inline_string": w.lua()},
			}}}
		}},
	{name: rust, module: "rust.wasm", build: wasm, about: "the same work by hand on the Rust SDK, trimmed as wasm-rewrite is"},
	{name: seed, module: "seed.wasm", build: wasm, quiet: true,
		about: "the article's plugin, trimmed as wasm-rewrite is, its log not written"},
	{name: seedDefault, module: "seed-default.wasm", build: wasm, quiet: true,
		about: "as its author would build it: not trimmed, optimised for size, its log not written"},
	{name: logging, module: "seed.wasm", build: wasm,
		about: "trimmed, and its two lines a request written to Envoy's log at Istio's default level"},
}

// otherBuild marks what is told of another build of the filter.
const otherBuild = "another build of this project"

// addBuild takes NAME=FILE: another build of the filter, which does the same work next to this one.
func addBuild(text string) error {
	name, file, ok := strings.Cut(text, "=")
	if !ok || name == "" || slices.Contains(everybody(), name) {
		return fmt.Errorf("%q: want NAME=FILE, with a name that no other contender has", text)
	}

	// Whatever is not a path from the root would be looked for in the folder of modules.
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}

	contenders = append(contenders, contender{name: name, module: file, build: wasm, about: otherBuild})

	return nil
}

func otherBuilds() (names []string) {
	for _, c := range contenders {
		if c.about == otherBuild {
			names = append(names, c.name)
		}
	}

	return names
}

// file is where a contender's module lies.
func (c contender) file(modules string) string {
	if filepath.IsAbs(c.module) {
		return c.module
	}

	return filepath.Join(modules, c.module)
}

func find(name string) contender {
	for _, c := range contenders {
		if c.name == name {
			return c
		}
	}
	panic("no contender " + name)
}
