package test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/envoy"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wait"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

const caseTable = "plugin/rewrite/testdata"

// The case table in Envoy: every configuration in one proxy, each on a
// listener of its own, over HTTP/1.1 and over HTTP/2.
func TestCases(t *testing.T) { testCases(t, made.Envoy(t), "") }

// The same in the oldest and the mesh's Envoy, which compile the module again
// for each configuration that is refused: one of them is enough.
func TestCasesInOlderEnvoys(t *testing.T) {
	for _, version := range strings.Fields(made.Variable(t, "ENVOY_OLDER_VERSIONS")) {
		t.Run(version, func(t *testing.T) { testCases(t, made.File(t, "build/envoy/"+version+"/envoy"), "wrong-everything") })
	}
}

// testCases runs the cases in an Envoy; of the wrong configurations only the
// named one, if one is named.
func testCases(t *testing.T, binary, onlyWrong string) {
	cases, err := rewritetest.Load(filepath.Join(made.Root, caseTable))
	if err != nil {
		t.Fatal(err)
	}

	var right, wrong []rewritetest.Case
	for _, c := range cases {
		switch {
		case c.Native():
		case c.Errors == nil:
			right = append(right, c)
		case onlyWrong == "" || onlyWrong == c.Name:
			wrong = append(wrong, c)
		}
	}

	table := startTable(t, binary, right, untouched)
	for _, protocol := range []wire.Protocol{wire.HTTP1, wire.HTTP2} {
		t.Run(strings.ReplaceAll(string(protocol), "/", ""), func(t *testing.T) {
			rewritetest.RunCases(t, right, func(t *testing.T, c rewritetest.Case) (rewritetest.Subject, []string) {
				return table.subject(t, c, protocol), nil
			})
		})
	}
	// Once only: Envoy remembers what was refused, and tells the reason the first time.
	t.Run("refused", func(t *testing.T) {
		rewritetest.RunCases(t, wrong, func(t *testing.T, c rewritetest.Case) (rewritetest.Subject, []string) {
			return nil, table.refused(t, c.Config)
		})
	})
}

// table is one Envoy with all cases' configurations.
type table struct {
	*envoy.Envoy
	module string

	mu       sync.Mutex
	request  *wire.Message // what arrived upstream
	response wire.Message  // what upstream answers
}

// live is the listener that every wrong configuration is tried on, while it
// runs with a right one.
const live = "live"

func startTable(t *testing.T, binary string, cases []rewritetest.Case, manager func(scheme string) map[string]any) *table {
	b := &table{module: made.Module(t)}
	upstream, err := wire.Listen(func(request wire.Message, _ []byte) wire.Message {
		b.mu.Lock()
		defer b.mu.Unlock()

		b.request = &request
		return b.response
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { upstream.Close() })

	config := envoy.Config{
		Binary: binary, SameProtocol: true,
		Listeners: []envoy.Listener{{Name: live, Filters: []envoy.Filter{b.filter(live, nil)}, Upstream: upstream.Address}},
		// Hundreds of listeners have a hundred thousand statistics.
		Bootstrap: map[string]any{"stats_config": map[string]any{"stats_matcher": map[string]any{"inclusion_list": map[string]any{
			"patterns": []any{map[string]any{"prefix": "wasmcustom."}, map[string]any{"prefix": "extension_config_discovery."}},
		}}}},
	}
	for _, c := range cases {
		filter := b.filter(c.Name, c.Config)

		filter.Static = true
		for _, scheme := range []string{"http", "https"} {
			if slices.ContainsFunc(c.Exchanges, func(x rewritetest.Exchange) bool { return schemeOf(x.Request) == scheme }) {
				config.Listeners = append(config.Listeners, envoy.Listener{
					Name: scheme + "-" + c.Name, Filters: []envoy.Filter{filter}, Upstream: upstream.Address,
					Manager: manager(scheme), Routes: everything(upstream.Address),
				})
			}
		}
	}

	b.Envoy = envoy.MustStart(t, config)

	return b
}

func (b *table) filter(name string, config []byte) envoy.Filter {
	filter := envoy.Wasm(envoy.Plugin{Name: name, PluginName: name, Module: b.module})
	// Unlike istiod's StringValue, this takes a configuration that is not UTF-8 too.
	filter.Config["config"].(map[string]any)["configuration"] = map[string]any{
		"@type": "type.googleapis.com/google.protobuf.BytesValue", "value": config,
	}
	return filter
}

// refused hands a wrong configuration to the running Envoy and returns the
// faults for which the filter refuses it.
func (b *table) refused(t *testing.T, config []byte) (faults []string) {
	logged := len(b.Log())
	if err := b.Configure(t.Context(), b.filter(live, config)); err == nil {
		t.Fatal("Envoy takes this configuration")
	}

	for line := range strings.Lines(b.Log()[logged:]) {
		if _, fault, found := strings.Cut(line, "wasm-rewrite: configuration refused: "); found {
			faults = append(faults, strings.TrimSuffix(fault, "\n"))
		}
	}

	return faults
}

// untouched makes the connection manager change nothing that it need not.
func untouched(scheme string) map[string]any {
	return map[string]any{
		"generate_request_id":          false,
		"server_header_transformation": "PASS_THROUGH",
		"scheme_header_transformation": map[string]any{"scheme_to_overwrite": scheme},
		"max_request_headers_kb":       1024,
		"common_http_protocol_options": map[string]any{"max_headers_count": 2000},
		"http2_protocol_options":       map[string]any{"allow_connect": true},
		"upgrade_configs":              []any{map[string]any{"upgrade_type": "websocket"}, map[string]any{"upgrade_type": "CONNECT"}},
	}
}

// everything sends every request to an upstream, also one without a path.
func everything(upstream string) []map[string]any {
	action := map[string]any{"cluster": upstream}
	return []map[string]any{
		{"match": map[string]any{"connect_matcher": map[string]any{}}, "route": action},
		{"match": map[string]any{"prefix": "/"}, "route": action},
	}
}

func schemeOf(m rewritetest.Message) string {
	for _, h := range m.List() {
		if h.Name == ":scheme" {
			return h.Value
		}
	}
	return ""
}

// caseSubject is one case's configuration in Envoy.
type caseSubject struct {
	t        *testing.T
	table    *table
	name     string
	protocol wire.Protocol
	// The counters before the exchange; nil where the case compares none.
	counted map[string]int64
	stale   bool // counted is older than the last exchange
}

// late is how late Envoy may know what the filter counted, twice over.
const late = 200 * time.Millisecond

func (b *table) subject(t *testing.T, c rewritetest.Case, protocol wire.Protocol) *caseSubject {
	s := &caseSubject{t: t, table: b, name: c.Name, protocol: protocol}
	if slices.ContainsFunc(c.Exchanges, func(x rewritetest.Exchange) bool { return x.Counts != nil }) {
		var err error
		if s.counted, err = s.counts(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *caseSubject) Exchange(x rewritetest.Exchange) (seen rewritetest.Observed, err error) {
	if s.stale && x.Counts != nil {
		time.Sleep(late)
		if s.counted, err = s.counts(); err != nil {
			return seen, err
		}

		s.stale = false
	}
	s.table.mu.Lock()
	s.table.request, s.table.response = nil, x.Response
	s.table.mu.Unlock()

	scheme := schemeOf(x.Request)

	request := wire.Message{Start: x.Request.Start, Target: x.Request.Target, Body: x.Request.Body}
	for _, h := range x.Request.List() {
		if h.Name != ":method" && h.Name != ":path" {
			request.Headers = append(request.Headers, h)
		}
	}

	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(s.table.Port(scheme+"-"+s.name)))
	if seen.Client, err = wire.Exchange(s.t.Context(), s.protocol, address, request); err != nil {
		return seen, err
	}
	s.table.mu.Lock()
	seen.Upstream = s.table.request
	s.table.mu.Unlock()
	if seen.Upstream != nil && seen.Upstream.Values(":scheme") == nil { // HTTP/1.1 has none
		seen.Upstream.Headers = append(seen.Upstream.Headers, rewrite.Header{Name: ":scheme", Value: scheme})
	}
	if s.counted == nil || x.Counts == nil {
		s.stale = true
		return seen, nil
	}

	before := s.counted
	err = wait.Eventually(s.t.Context(), 5*time.Second, func() error {
		if s.counted, err = s.counts(); err != nil {
			return err
		}

		seen.Counts = []string{}
		for name, number := range s.counted {
			if number -= before[name]; number > 0 {
				seen.Counts = append(seen.Counts, fmt.Sprintf("%s %d", name, number))
			}
		}
		slices.Sort(seen.Counts)
		if !slices.Equal(seen.Counts, x.Counts) {
			return errOtherCounts
		}

		return nil
	})
	if errors.Is(err, errOtherCounts) {
		return seen, nil // the difference is the caller's to tell
	}

	return seen, err
}

var errOtherCounts = errors.New("the counters are not yet those of the case")

// counts are the counters of the case: pattern and result, and their values.
func (s *caseSubject) counts() (map[string]int64, error) {
	prefix := "wasmcustom.wasm_rewrite." + strings.ReplaceAll(s.name, "-", "_") + "."
	stats, err := s.table.Stats(s.t.Context(), "^"+strings.ReplaceAll(prefix, ".", `\.`))

	counts := map[string]int64{}
	for name, value := range stats {
		if pattern, result, found := strings.Cut(strings.TrimPrefix(name, prefix), "."); found {
			counts[pattern+" "+result] = value
		}
	}
	return counts, err
}
