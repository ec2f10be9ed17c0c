package rewrite_test

import (
	"syscall"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// The seed's scenario and the common case, in the engine alone.
func BenchmarkSeed(b *testing.B) {
	rules, err := rewrite.Load([]byte(`{"patterns": [{"name": "teapot", "match": {"path": {"regex": "banana/([0-9]*)"}}, "rewrite": {"path": "status/$1"}}],
		"headers": {"response": {"set": {"who-am-i": "wasm-rewrite", "injected-by": "istio-api!", "site": "youdianzhishi.com", "author": "陽明", "configdata": "${config}"}}}}`))
	if err != nil {
		b.Fatal(err)
	}

	for name, path := range map[string]string{"match": "/banana/418?v=1", "no-match": "/apple/418?v=1"} {
		request := fixed{{Name: ":path", Value: path}}
		response := fixed{{Name: ":status", Value: "418"}, {Name: "content-type", Value: "text/plain"}, {Name: "content-length", Value: "13"},
			{Name: "date", Value: "Sun, 22 Nov 2026 19:20:25 GMT"}, {Name: "server", Value: "envoy"}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()

			s := rules.NewStream()
			for b.Loop() {
				s.Request(request)
				s.Response(response)
				s.Reset()
			}
		})
	}
}

// fixed is a message that is there already, so that reading it costs nothing.
type fixed []rewrite.Header

func (f fixed) Header(string) (string, bool, bool) { return f[0].Value, true, true }
func (f fixed) Headers() ([]rewrite.Header, bool)  { return f, true }

// As many patterns as a configuration may have, each with conditions and edits.
func BenchmarkLoad(b *testing.B) {
	config := []byte(rewritetest.ManyPatterns(rewrite.MaxPatterns))
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(0, &before)
	defer func() {
		_ = syscall.Getrusage(0, &after)
		b.ReportMetric(float64(after.Utime.Nano()-before.Utime.Nano())/1e6/float64(b.N), "cpu-ms/op")
	}()

	for b.Loop() {
		if _, err := rewrite.Load(config); err != nil {
			b.Fatal(err)
		}
	}
}
