package main

import (
	"bytes"
	"encoding/json"
	"net"

	"github.com/valyala/fasthttp"
)

// checkHeader asks the upstream to answer with what it got.
const checkHeader = "x-bench-check"

// seen is what the upstream got.
type seen struct {
	Path    string
	Headers map[string][]string
}

// serveUpstream answers every request at once, with 500 below /error. It is in this process: it
// shall take as little of the machine as it can.
func serveUpstream() (address string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}

	server := &fasthttp.Server{Name: "upstream", Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.Set("x-powered-by", "upstream")
		if len(ctx.Request.Header.Peek(checkHeader)) == 0 {
			if bytes.HasPrefix(ctx.Path(), []byte("/error")) {
				ctx.SetStatusCode(fasthttp.StatusInternalServerError)
			}
			ctx.SetBodyString("ok\n")
			return
		}

		s := seen{string(ctx.Request.Header.RequestURI()), map[string][]string{}}
		for name, value := range ctx.Request.Header.All() {
			s.Headers[string(name)] = append(s.Headers[string(name)], string(value))
		}

		body, err := json.Marshal(s)
		if err != nil {
			ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
			return
		}
		ctx.SetBody(body)
	}}

	server.NoDefaultDate = true
	go func() { _ = server.Serve(listener) }()

	return listener.Addr().String(), func() error { return server.Shutdown() }, nil
}
