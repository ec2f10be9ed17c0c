package mesh_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// trapping is a filter that crashes on a request with more than 40 headers and leaves all others alone:
//
//	(module
//	  (memory (export "memory") 1)
//	  (func (export "proxy_abi_version_0_2_0"))
//	  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)
//	  (func (export "proxy_on_request_headers") (param $context i32) (param $headers i32) (param $end i32) (result i32)
//	    (if (i32.gt_u (local.get $headers) (i32.const 40)) (then unreachable))
//	    i32.const 0))
const trapping = "\x00asm\x01\x00\x00\x00" +
	"\x01\x10\x03\x60\x00\x00\x60\x01\x7f\x01\x7f\x60\x03\x7f\x7f\x7f\x01\x7f" + // types
	"\x03\x04\x03\x00\x01\x02" + // functions
	"\x05\x03\x01\x00\x01" + // memory
	"\x07\x5a\x04\x06memory\x02\x00\x17proxy_abi_version_0_2_0\x00\x00\x18proxy_on_memory_allocate\x00\x01\x18proxy_on_request_headers\x00\x02" + // exports
	"\x0a\x17\x03\x02\x00\x0b\x04\x00\x41\x00\x0b\x0d\x00\x20\x01\x41\x28\x4b\x04\x40\x00\x0b\x41\x00\x0b" // code

// trappingImage pushes the filter that crashes and returns the values that name it.
func (s *space) trappingImage() string {
	s.Helper()
	file := filepath.Join(s.TempDir(), "plugin.wasm")
	if err := os.WriteFile(file, []byte(trapping), 0o600); err != nil {
		s.Fatal(err)
	}
	return s.imageAt(publish(s.T, s.repository(), file))
}

// trap makes the filter crash.
func (s *space) trap() int {
	s.Helper()

	var headers []string
	for i := range 50 {
		headers = append(headers, "x-trap-"+strconv.Itoa(i), "1")
	}

	a, err := s.get("v1", "/status/200", headers...)
	if err != nil {
		s.Fatal(err)
	}

	return a.StatusCode
}

// The request that crashes the filter is lost; the policy says what becomes of those after it.
func TestAFilterThatCrashes(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	image := s.trappingImage()
	trapped := func(s *space, want int) func() error {
		return func() error {
			if got := s.trap(); got != want {
				return fmt.Errorf("the request that crashes the filter is answered %d, want %d", got, want)
			}
			return nil
		}
	}
	install := func(t *testing.T, policy string) (*space, *release) {
		s := s.in(t)
		s.until(trapped(s, http.StatusOK)) // the one before is gone
		r := s.rules(image, "workloads: {httpbin: {selector: {version: v1}, failStrategy: "+policy+"}}")
		s.until(trapped(s, http.StatusServiceUnavailable))
		return s, r
	}
	served := func(s *space) func() error {
		return func() error { return s.asked("v1", "/status/200", http.StatusOK) }
	}
	t.Run("with FAIL_CLOSE is answered 503 until its configuration changes", func(t *testing.T) {
		s, r := install(t, "FAIL_CLOSE")
		s.settles(func() error { return s.asked("v1", "/status/200", http.StatusServiceUnavailable) })

		began := time.Now()
		r.upgrade(`workloads: {httpbin: {vars: {any: "change"}}}`)
		s.settles(served(s))
		t.Logf("healed %s after the start of the upgrade", time.Since(began).Round(100*time.Millisecond))
	})
	t.Run("with FAIL_RELOAD is replaced by a new one about a second later", func(t *testing.T) {
		s, _ := install(t, "FAIL_RELOAD")
		t.Logf("after the crash, served again %s later", s.settles(served(s)))
		// It is there again, and crashes again.
		if err := trapped(s, http.StatusServiceUnavailable)(); err != nil {
			t.Error(err)
		}
		t.Logf("after the second crash, served again %s later", s.settles(served(s)))
	})
	t.Run("with FAIL_OPEN is passed by from then on", func(t *testing.T) {
		s, _ := install(t, "FAIL_OPEN")
		s.settles(served(s))
		if err := trapped(s, http.StatusOK)(); err != nil {
			t.Error(err)
		}
	})
}
