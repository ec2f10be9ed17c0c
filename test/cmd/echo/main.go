// Command echo is a workload that says what reached it: its own name, and the method, target, host and headers of the
// request, as JSON. A request header x-answer-NAME becomes NAME of the answer.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()

		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(w http.ResponseWriter, r *http.Request) {
	for name, values := range r.Header {
		if to, ok := strings.CutPrefix(name, "X-Answer-"); ok {
			w.Header()[to] = values
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Echo", os.Getenv("NAME"))

	// The target is as it came: a router of Go's would clean it.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"name": os.Getenv("NAME"), "method": r.Method, "target": r.RequestURI, "host": r.Host, "headers": r.Header,
	})
}
