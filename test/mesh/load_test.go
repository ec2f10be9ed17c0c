package mesh_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// load is constant traffic: some hundred requests a second over kept connections, each answer counted.
type load struct {
	stop    chan struct{}
	workers sync.WaitGroup
	mu      sync.Mutex
	answers map[string]int
}

// startLoad asks v1 for the path of the seed until finish.
func (s *space) startLoad() *load {
	s.Helper()
	l := &load{stop: make(chan struct{}), answers: map[string]int{}}
	for range 4 {
		l.workers.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				a, err := s.get("v1", "/banana/418")
				what := ""
				if err != nil {
					what = err.Error()
				} else {
					what = fmt.Sprint(a.StatusCode)
				}
				l.mu.Lock()
				l.answers[what]++
				l.mu.Unlock()
			}
		})
	}
	s.Cleanup(l.end)
	return l
}

func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.workers.Wait()
}

// finish ends the traffic and fails the test if an answer was not one of allowed.
func (l *load) finish(s *space, allowed ...int) {
	s.Helper()
	l.end()
	total, lost := 0, 0
	var all []string
	for _, what := range slices.Sorted(maps.Keys(l.answers)) {
		n := l.answers[what]
		total += n
		if !slices.ContainsFunc(allowed, func(status int) bool { return what == fmt.Sprint(status) }) {
			lost += n
		}
		all = append(all, fmt.Sprintf("%d × %s", n, what))
	}
	s.Logf("%d requests: %s", total, strings.Join(all, ", "))
	if total < 50 {
		s.Errorf("%d requests are no load", total)
	}
	if lost > 0 {
		s.Errorf("%d of %d requests were lost", lost, total)
	}
}

const teapot, notFound = http.StatusTeapot, http.StatusNotFound
