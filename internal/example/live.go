//go:build !js

package example

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
)

// Send sends a test's request to the real service and compares what a client
// sees: status, location and response headers. The error is that there was no
// answer.
func (t *Test) Send(ctx context.Context, over http.RoundTripper) ([]Failure, error) {
	r := t.Request

	request := (&http.Request{
		Method: r.Method, Host: r.Host, Header: http.Header{"User-Agent": {"wasm-rewrite"}},
		URL: &url.URL{Scheme: r.Scheme, Host: r.Host, Opaque: r.Path}, // the path as it is written
	}).WithContext(ctx)
	for name, values := range r.Headers {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}

	response, err := over.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body.Close()

	headers := Headers{}
	for name, values := range response.Header {
		headers[strings.ToLower(name)] = slices.Clone(values)
	}

	seen := Expect{Status: t.Expect.Status, Location: t.Expect.Location, ResponseHeaders: t.Expect.ResponseHeaders,
		AbsentResponseHeaders: t.Expect.AbsentResponseHeaders}

	return seen.check(exchange.Seen{Client: Response{Status: response.StatusCode, Headers: headers}.message(), Upstream: &message.Message{}}), nil
}
