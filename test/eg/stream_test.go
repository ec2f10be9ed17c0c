package eg_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// drained is shutdown.drainTimeout of the space's proxies; Envoy Gateway's own is 60 s.
const drained = 5 * time.Second

// A change of rules replaces the whole listener, so that what is under way ends with the old one, on routes without rules,
// too: after the proxies' drain timeout.
func TestAChangeOfRulesCutsLongStreamsOfEveryRoute(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	r := s.install("seed", rules(418), s.image(), ungated)
	s.becomes("shop", "/banana", http.StatusTeapot)

	// A byte each half second, for longer than this test may wait.
	ctx, cancel := context.WithTimeout(t.Context(), 3*settled)
	defer cancel()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address+"/drip?duration=20m&numbytes=2400", nil)
	if err != nil {
		t.Fatal(err)
	}

	request.Host = "other.example"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 2)); err != nil {
		t.Fatalf("the stream never began: %v", err)
	}

	ended := make(chan string, 1)
	go func() {
		rest, err := io.Copy(io.Discard, response.Body)
		ended <- fmt.Sprintf("%d more bytes, then %v", rest, err)
	}()
	r.upgrade(rules(402))

	began := time.Now()
	s.becomes("shop", "/banana", http.StatusPaymentRequired)

	select {
	case how := <-ended:
		t.Logf("%s after the change: %s", time.Since(began).Round(time.Second), how)
	case <-time.After(drained + settled):
		t.Errorf("the stream goes on %s after the change", time.Since(began).Round(time.Second))
	}
}
