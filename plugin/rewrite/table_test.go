package rewrite_test

import (
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// table is the case table, for tests that take their configurations and
// messages from it.
func table(tb testing.TB) []rewritetest.Case {
	tb.Helper()

	cases, err := rewritetest.Load("testdata")
	if err != nil {
		tb.Fatal(err)
	}
	return cases
}

// source is a header list that counts how often it is asked, and can fail.
type source struct {
	list        []rewrite.Header
	single, all int // calls so far
	failing     int // the call that fails, from 1; 0 for none
	failed      bool
}

func (s *source) fails() bool {
	s.failed = s.failed || s.failing == s.single+s.all
	return s.failing == s.single+s.all
}

func (s *source) Header(name string) (string, bool, bool) {
	s.single++
	if s.fails() {
		return "", false, false
	}

	for _, h := range s.list {
		if h.Name == name {
			return h.Value, true, true
		}
	}

	return "", false, true
}

func (s *source) Headers() ([]rewrite.Header, bool) {
	s.all++
	if s.fails() {
		return nil, false
	}
	return s.list, true
}

func (s *source) values(name string) (values []string) {
	for _, h := range s.list {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return values
}

// carried are all values that arrived.
func (s *source) carried() (values []string) {
	for _, h := range s.list {
		values = append(values, h.Value)
	}
	return values
}
