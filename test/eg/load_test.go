package eg_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// load asks for the path of the seed without pause until it is ended, over kept connections, and counts the answers.
func (s *space) load() (end func() map[string]int) {
	s.Helper()

	stop := make(chan struct{})
	var workers sync.WaitGroup
	var mu sync.Mutex

	seen := map[string]int{}
	for range 4 {
		client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
		workers.Go(func() {
			defer client.CloseIdleConnections()

			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}

				a, err := s.get(client, "shop", "/banana")
				what := fmt.Sprint(err)
				if err == nil {
					what = fmt.Sprint(a.StatusCode)
				}
				mu.Lock()
				seen[what]++
				mu.Unlock()
			}
		})
	}

	once := sync.OnceValue(func() map[string]int {
		close(stop)
		workers.Wait()
		return seen
	})
	s.Cleanup(func() { once() })

	return once
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
