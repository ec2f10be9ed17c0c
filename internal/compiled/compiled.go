// Package compiled puts requests and their responses through the compiled
// filter, as package exchange does through the engine.
package compiled

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/host"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// Module is a compiled filter, ready for configurations.
type Module struct{ module *host.Module }

// Compile makes ready a filter's module.
func Compile(ctx context.Context, wasm []byte) (*Module, error) {
	m, err := host.Compile(ctx, wasm, nil)
	if err != nil {
		return nil, err
	}
	return &Module{m}, nil
}

// Close frees the module.
func (m *Module) Close(ctx context.Context) error { return m.module.Close(ctx) }

// Start puts a configuration in force in the filter: text, which config and
// rules are for the engine; they tell what the counters mean. The filter decides
// samples without `by` at random: see [WithoutRandom]. The error is a
// *RefusedError where the filter refuses the configuration.
func (m *Module) Start(ctx context.Context, text []byte, config *rewrite.Config, rules *rewrite.Rules) (exchange.Subject, error) {
	vm, err := m.module.New(ctx, host.Options{})
	if err != nil {
		return nil, err
	}

	plugin, err := vm.Start(ctx, "wasm-rewrite", text)
	if refused := (*host.RefusedError)(nil); errors.As(err, &refused) {
		err = refusal(refused)
	}
	if err != nil {
		return nil, errors.Join(err, vm.Close(ctx))
	}

	return &module{config: config, rules: rules, vm: vm, plugin: plugin, before: vm.Metrics()}, nil
}

// RefusedError says that the filter refuses a configuration that the engine of
// this tool takes: it is of another version.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string {
	return "the filter refuses the configuration: " + strings.Join(e.Reasons, "; ")
}

func refusal(from *host.RefusedError) *RefusedError {
	e := &RefusedError{}
	for _, l := range from.Logs {
		e.Reasons = append(e.Reasons, strings.TrimPrefix(l.Message, "wasm-rewrite: configuration refused: "))
	}
	return e
}

// WithoutRandom leaves out of a configuration the samples that are decided at
// random, so that the filter takes every request in, as the engine does for
// tests. A configuration without any comes back as it is.
func WithoutRandom(text []byte, config *rewrite.Config) ([]byte, error) {
	random := func(p rewrite.Pattern) bool { return p.Sample != nil && p.Sample.By == nil }
	if !slices.ContainsFunc(config.Patterns, random) {
		return text, nil
	}

	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var whole struct {
		object   map[string]any
		patterns []any
	}
	if err := d.Decode(&whole.object); err != nil {
		return nil, err
	}

	whole.patterns, _ = whole.object["patterns"].([]any)
	for i, p := range whole.patterns {
		if pattern, ok := p.(map[string]any); ok && random(config.Patterns[i]) {
			delete(pattern, "sample")
		}
	}

	return json.Marshal(whole.object)
}

type module struct {
	config *rewrite.Config
	rules  *rewrite.Rules
	vm     *host.VM
	plugin *host.Plugin
	before map[string]int64
}

func (m *module) Close(ctx context.Context) error { return m.vm.Close(ctx) }

func (m *module) Exchange(ctx context.Context, request, response message.Message) (exchange.Seen, error) {
	r, err := m.plugin.Exchange(ctx, request, func(message.Message) message.Message { return response })
	if err != nil {
		return exchange.Seen{}, err
	}
	// The filter says what it counted when the host ticks.
	if err := m.plugin.Tick(ctx); err != nil {
		return exchange.Seen{}, err
	}

	seen := exchange.Seen{Upstream: r.Upstream, Client: r.Client, Counts: map[exchange.Count]int{}}

	now := m.vm.Metrics()
	for name, value := range now {
		if value == m.before[name] {
			continue
		}

		pattern, result, ok := splitCounter(name)
		if !ok {
			continue
		}

		seen.Counts[exchange.Count{Pattern: pattern, Result: result}] += int(value - m.before[name])
	}

	m.before = now
	seen.Acted = m.acted(seen.Counts, request, response)

	return seen, nil
}

// splitCounter reads a counter's name: wasm_rewrite.<plugin>.<pattern>.<result>.
func splitCounter(name string) (pattern string, result rewrite.Result, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return "", 0, false
	}

	for result := range rewrite.Results {
		if result.String() == parts[3] {
			return parts[2], result, true
		}
	}

	return "", 0, false
}

// acted tells by the counters which patterns acted. One that counted unsafe did
// so because it was undone, or because its response lacks a header: where the
// counters leave that open, the engine tells.
func (m *module) acted(counts map[exchange.Count]int, request, response message.Message) []string {
	var onRequest, onResponse, known []string
	for i := range m.rules.Patterns() {
		name := m.rules.PatternName(i)
		counted := func(r rewrite.Result) int { return counts[exchange.Count{Pattern: name, Result: r}] }
		if counted(rewrite.Matched) == 0 {
			continue
		}

		did := counted(rewrite.Rewritten) + counted(rewrite.Redirected) + counted(rewrite.Responded)
		if counted(rewrite.Unsafe) > 0 && did == 0 {
			if known == nil {
				known = exchange.Run(m.rules.NewStream(), m.rules, request, response).Acted
			}
			if !slices.Contains(known, name) {
				continue
			}
		}
		if m.config.Patterns[i].Match.Response != nil {
			onResponse = append(onResponse, name)
		} else {
			onRequest = append(onRequest, name)
		}
	}

	return append(onRequest, onResponse...)
}
