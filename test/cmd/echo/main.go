// Command echo is a workload that says what reached it: its own name, and the method, target, host and headers of the
// request, as JSON. A request header x-answer-NAME becomes NAME of the answer. With a URL it is a client instead: it prints
// the status of the answer.
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

	if len(os.Args) == 2 {
		if err := ask(ctx, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}

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

// ask prints the status of the answer.
func ask(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}

	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	_, err = fmt.Println(response.StatusCode)

	return err
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
