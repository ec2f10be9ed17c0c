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

// startLoad asks v1 for the path of the seed until finish, and counts statuses.
func (s *space) startLoad() *load {
	s.Helper()
	return s.startLoadOf("/banana/418", func(a answer) string { return fmt.Sprint(a.StatusCode) })
}

// startLoadOf asks v1 for a path until finish, and counts what tell says of each answer.
func (s *space) startLoadOf(path string, tell func(answer) string) *load {
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

				a, err := s.get("v1", path)
				what := ""
				if err != nil {
					what = err.Error()
				} else {
					what = tell(a)
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

// finish ends the traffic and fails the test if an answer was not one of allowed: statuses, or what tell says.
func (l *load) finish(s *space, allowed ...any) {
	s.Helper()
	l.end()

	total, lost := 0, 0

	var all []string
	for _, what := range slices.Sorted(maps.Keys(l.answers)) {
		n := l.answers[what]
		total += n
		if !slices.ContainsFunc(allowed, func(a any) bool { return what == fmt.Sprint(a) }) {
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
