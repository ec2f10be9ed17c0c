package eg_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/testbed"
)

// load asks for the path of the seed without pause until it is ended, over kept connections, and counts the answers.
func (s *space) load() (end func() map[string]int) {
	s.Helper()

	return testbed.StartLoad(s, func() func() string {
		client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
		s.Cleanup(client.CloseIdleConnections)

		return func() string {
			a, err := s.get(client, "shop", "/banana")
			if err != nil {
				return err.Error()
			}
			return fmt.Sprint(a.StatusCode)
		}
	}).End
}

// Who asks meanwhile gets the old answer or the new one.
func TestInstallChangeRollbackAndUninstallLoseNoRequest(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	image := s.image()
	end := s.load()
	r := s.install("seed", rules(418), image, ungated)
	s.becomes("shop", "/banana", http.StatusTeapot)

	for _, status := range []int{http.StatusPaymentRequired, http.StatusTeapot} {
		r.upgrade(rules(status))
		s.becomes("shop", "/banana", status)
	}
	r.rollback()
	s.becomes("shop", "/banana", http.StatusPaymentRequired)
	r.uninstall()
	s.becomes("shop", "/banana", http.StatusNotFound)

	seen := end()

	total := 0
	for _, n := range seen {
		total += n
	}
	t.Logf("%d requests: %v", total, seen)
	lost := total - seen["404"] - seen["418"] - seen["402"]
	if total < 200 || lost != 0 {
		t.Errorf("%d of %d requests were lost: %v", lost, total, seen)
	}
}
