package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// The case table, on the compiled module. All cases share one VM, as plugins do
// in a proxy.
func TestCases(t *testing.T) {
	cases, err := rewritetest.Load("../../plugin/rewrite/testdata")
	if err != nil {
		t.Fatal(err)
	}

	vm := pluginVM(t)
	cases = slices.DeleteFunc(cases, func(c rewritetest.Case) bool { return c.Native() })
	rewritetest.RunCases(t, cases, func(t *testing.T, c rewritetest.Case) (rewritetest.Subject, []string) {
		plugin, err := vm.Start(t.Context(), c.Name, c.Config)
		var refused *RefusedError
		if errors.As(err, &refused) {
			var faults []string
			for _, l := range refused.Logs {
				faults = append(faults, strings.TrimPrefix(l.Message, "wasm-rewrite: configuration refused: "))
			}
			return nil, faults
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := plugin.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})

		return &caseSubject{t, vm, plugin}, nil
	})
}

// caseSubject is one case's configuration in the VM.
type caseSubject struct {
	t      *testing.T
	vm     *VM
	plugin *Plugin
}

func (s *caseSubject) Exchange(x rewritetest.Exchange) (seen rewritetest.Observed, err error) {
	before := s.vm.Metrics()
	result, err := s.plugin.Exchange(s.t.Context(), made(x.Request.List(), x.Request.Body), func(Message) Message {
		return made(append([]rewrite.Header{{Name: ":status", Value: x.Response.Start}}, x.Response.Headers...), x.Response.Body)
	})
	if err != nil {
		return seen, err
	}

	seen.Client = caseMessage(result.Client)
	if result.Upstream != nil {
		m := caseMessage(*result.Upstream)
		seen.Upstream = &m
	}
	if err := s.plugin.Tick(s.t.Context()); err != nil {
		return seen, err
	}

	// A note's name is the pattern header's, and the filter sets nothing else.
	noted := strings.Join(slices.Collect(maps.Values(result.Properties)), "; ")
	seen.Noted, seen.Counts = &noted, []string{}

	prefix := "wasm_rewrite." + strings.ReplaceAll(s.plugin.name, "-", "_") + "."
	for name, value := range s.vm.Metrics() {
		own, is := strings.CutPrefix(name, prefix)
		pattern, result, ofPattern := strings.Cut(own, ".")
		if value -= before[name]; is && ofPattern && value > 0 {
			seen.Counts = append(seen.Counts, fmt.Sprintf("%s %s %d", pattern, result, value))
		}
	}
	slices.Sort(seen.Counts)

	return seen, nil
}

func made(list []rewrite.Header, body string) Message {
	m := Message{Body: body}
	for _, h := range list {
		m.Headers = append(m.Headers, Header{Name: h.Name, Value: h.Value})
	}
	return m
}

func caseMessage(from Message) rewritetest.Message {
	m := rewritetest.Message{Body: from.Body}
	for _, h := range from.Headers {
		switch h.Name {
		case ":method", ":status":
			m.Start = h.Value
		case ":path":
			m.Target = h.Value
		default:
			m.Headers = append(m.Headers, rewrite.Header{Name: h.Name, Value: h.Value})
		}
	}

	return m
}
