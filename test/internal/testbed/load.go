package testbed

import (
	"sync"
	"testing"
	"time"
)

// Load is traffic from four clients, each of which asks over and over with a short pause.
type Load struct {
	stop    chan struct{}
	once    sync.Once
	workers sync.WaitGroup
	mu      sync.Mutex
	answers map[string]int
}

// StartLoad lets four clients ask until End, or the test's end. client makes what one of them asks with; what that
// returns of an answer is counted.
func StartLoad(t testing.TB, client func() func() string) *Load {
	l := &Load{stop: make(chan struct{}), answers: map[string]int{}}
	for range 4 {
		ask := client()

		l.workers.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(10 * time.Millisecond):
				}

				answer := ask()
				l.mu.Lock()
				l.answers[answer]++
				l.mu.Unlock()
			}
		})
	}
	t.Cleanup(func() { l.End() })

	return l
}

// End ends the traffic and returns what was answered, and how often.
func (l *Load) End() map[string]int {
	l.once.Do(func() { close(l.stop) })
	l.workers.Wait()

	return l.answers
}
