package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// client keeps connections to one listener busy.
type client struct {
	http        *fasthttp.HostClient
	address     string
	target      target
	connections int
}

func newClient(address string, t target, connections int) *client {
	return &client{
		http: &fasthttp.HostClient{
			Addr: address, MaxConns: connections, MaxIdleConnDuration: time.Hour, NoDefaultUserAgentHeader: true,
			DisablePathNormalizing: true, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxIdemponentCallAttempts: 1,
		},
		address: address, target: t, connections: connections,
	}
}

func (c *client) prepare(r *fasthttp.Request) {
	r.SetRequestURI("http://" + c.address + c.target.request.path)
	r.Header.SetHost("bench.example.com")

	for _, h := range c.target.request.headers {
		r.Header.Add(h[0], h[1])
	}
}

// run sends exactly n requests over all connections, each once its last answer is there.
func (c *client) run(ctx context.Context, n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	var group sync.WaitGroup

	failed := make(chan error, c.connections)
	for range c.connections {
		group.Go(func() {
			request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			defer fasthttp.ReleaseRequest(request)
			defer fasthttp.ReleaseResponse(response)
			c.prepare(request)

			for left.Add(-1) >= 0 && ctx.Err() == nil {
				if err := c.http.Do(request, response); err != nil {
					failed <- fmt.Errorf("%s: %s: %w", c.target.label, c.target.request.path, err)
					return
				}
				if response.StatusCode() != fasthttp.StatusOK {
					failed <- fmt.Errorf("%s: %s: status %d: %s", c.target.label, c.target.request.path, response.StatusCode(), response.Body())
					return
				}
			}
		})
	}
	group.Wait()
	close(failed)
	if err := <-failed; err != nil {
		return err
	}

	return ctx.Err()
}

// check sends one request and sees whether the contender does its work.
func (c *client) check() error {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	c.prepare(request)
	request.Header.Set(checkHeader, "1")
	if err := c.http.Do(request, response); err != nil {
		return fmt.Errorf("%s: %w", c.target.label, err)
	}
	if response.StatusCode() != fasthttp.StatusOK {
		return fmt.Errorf("%s: answers %d: %s", c.target.label, response.StatusCode(), response.Body())
	}
	var got seen
	if err := json.Unmarshal(response.Body(), &got); err != nil {
		return fmt.Errorf("%s: what the upstream got: %w", c.target.label, err)
	}

	w, becomes := c.target.work, c.target.becomes
	if c.target.contender.does != nil {
		w, becomes = c.target.contender.does(w), c.target.request.path
	}
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(c.target.label+" does not do the work: "+format, args...))
	}
	if got.Path != becomes {
		problem("the upstream got the path %q, not %q", got.Path, becomes)
	}

	one := func(values []string) string {
		if len(values) == 1 {
			return values[0]
		}
		return fmt.Sprint(values)
	}
	for name, value := range w.request.set {
		if is := one(got.Headers[textproto.CanonicalMIMEHeaderKey(name)]); is != w.value(value) {
			problem("the upstream got %s: %q, not %q", name, is, w.value(value))
		}
	}

	for _, name := range w.request.remove {
		if is := got.Headers[textproto.CanonicalMIMEHeaderKey(name)]; is != nil {
			problem("the upstream got %s: %q", name, is)
		}
	}

	for name, value := range w.response.set {
		if is := string(response.Header.Peek(name)); is != w.value(value) {
			problem("the client got %s: %q, not %q", name, is, w.value(value))
		}
	}

	for _, name := range w.response.remove {
		if is := response.Header.Peek(name); is != nil {
			problem("the client got %s: %q", name, is)
		}
	}

	return errors.Join(problems...)
}
