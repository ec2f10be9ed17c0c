package test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// settings are what a connection manager does around the filters.
type settings struct {
	name       string
	server     string // the header that every response gets
	more       map[string]any
	normalises bool // paths, before the filter sees them
}

// usualSettings are Envoy's defaults, and what istiod writes where nobody says
// otherwise (pilot/pkg/networking/util/proxy_headers.go and MeshConfig's BASE).
var usualSettings = []settings{
	{name: "Envoy", server: "envoy"},
	{name: "Istio", server: "istio-envoy", normalises: true, more: map[string]any{
		"server_name":                       "istio-envoy",
		"normalize_path":                    true,
		"path_with_escaped_slashes_action":  "KEEP_UNCHANGED",
		"use_remote_address":                false,
		"forward_client_cert_details":       "APPEND_FORWARD",
		"set_current_client_cert_details":   map[string]any{"subject": true, "dns": true, "uri": true},
		"preserve_external_request_id":      true,
		"always_set_request_id_in_response": false,
		"stream_idle_timeout":               "0s",
		"server_header_transformation":      "OVERWRITE",
		"proxy_100_continue":                true,
	}},
}

// TestCasesWithUsualSettings runs the case table where Envoy changes what it
// changes in production.
func TestCasesWithUsualSettings(t *testing.T) {
	all, err := rewritetest.Load(filepath.Join(made.Root, caseTable))
	if err != nil {
		t.Fatal(err)
	}

	for _, s := range usualSettings {
		t.Run(s.name, func(t *testing.T) {
			cases := s.cases(all)
			if len(cases) < 100 {
				t.Fatalf("%d cases are left, want most of them", len(cases))
			}

			table := startTable(t, made.Envoy(t), cases, s.manager)
			rewritetest.RunCases(t, cases, func(t *testing.T, c rewritetest.Case) (rewritetest.Subject, []string) {
				return table.subject(t, c, wire.HTTP1), nil
			})
		})
	}
}

// manager is what a case needs of a connection manager, and these settings.
func (s settings) manager(scheme string) map[string]any {
	fields := untouched(scheme)
	delete(fields, "generate_request_id")
	delete(fields, "server_header_transformation")
	maps.Copy(fields, s.more)

	return fields
}

// settled are paths that normalising leaves as they are.
var settled = regexp.MustCompile(`^/?[A-Za-z0-9_:@-]*(/[A-Za-z0-9_:@-]+)*(\.[a-z]+)?/?$`)

// cases are those whose requests reach the filter as they are written, with what
// the client must see once Envoy has written its headers.
func (s settings) cases(all []rewritetest.Case) (list []rewritetest.Case) {
	for _, c := range all {
		c.Exchanges = slices.Clone(c.Exchanges)
		c.Exchanges = slices.DeleteFunc(c.Exchanges, func(x rewritetest.Exchange) bool {
			path, _, _ := strings.Cut(x.Request.Target, "?")
			return s.normalises && !settled.MatchString(path)
		})
		if c.Native() || c.Errors != nil || len(c.Exchanges) == 0 {
			continue
		}

		for i := range c.Exchanges {
			x := &c.Exchanges[i]
			if x.Answer != nil {
				answer := s.served(*x.Answer)
				x.Answer = &answer
			} else {
				x.Client = s.served(x.Client)
			}
		}

		list = append(list, c)
	}

	return list
}

// served adds what Envoy writes after the filters, whatever they did.
func (s settings) served(m rewritetest.Message) rewritetest.Message {
	isServer := func(h rewrite.Header) bool { return h.Name == "server" }
	m.Headers = append(slices.DeleteFunc(slices.Clone(m.Headers), isServer), rewrite.Header{Name: "server", Value: s.server})
	m.Absent = slices.DeleteFunc(slices.Clone(m.Absent), func(name string) bool { return name == "server" || name == "date" })

	return m
}
