// Package wire speaks HTTP/1.1 and HTTP/2 as client and as upstream, byte by
// byte: it changes nothing, and lets through what an HTTP library would refuse.
package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/wasm-rewrite/wasm-rewrite/internal/rewritetest"
)

// Message is a request or a response. Of the pseudo-headers, :authority,
// :scheme and :protocol stand among the headers.
type Message = rewritetest.Message

// Protocol is the version of HTTP.
type Protocol string

// The protocols that Envoy tells apart on a port without TLS.
const (
	HTTP1 Protocol = "HTTP/1.1"
	HTTP2 Protocol = "HTTP/2"
)

// timeout bounds one exchange.
const timeout = 20 * time.Second

// Conn is a client's connection, for one exchange after the other. It is not
// safe for concurrent use.
type Conn struct {
	net.Conn
	protocol Protocol
	http1    *http1Conn
	http2    *http2Conn
}

// Dial connects to address.
func Dial(ctx context.Context, protocol Protocol, address string) (*Conn, error) {
	tcp, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}

	c := &Conn{Conn: tcp, protocol: protocol}
	if protocol == HTTP2 {
		c.http2 = newHTTP2Conn(tcp, tcp)
		if err := c.http2.hello(); err != nil {
			return nil, err
		}
	} else {
		c.http1 = newHTTP1Conn(tcp, tcp)
	}

	return c, nil
}

// Exchange sends a request and returns the final response. The error is that of
// a connection or stream that ended without one.
func (c *Conn) Exchange(request Message) (Message, error) {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Message{}, err
	}
	if c.protocol == HTTP2 {
		return c.http2.exchange(request)
	}
	return c.http1.exchange(request)
}

// Exchange connects to address, sends one request and returns the response.
func Exchange(ctx context.Context, protocol Protocol, address string, request Message) (Message, error) {
	c, err := Dial(ctx, protocol, address)
	if err != nil {
		return Message{}, err
	}
	defer c.Close()
	return c.Exchange(request)
}

// Upstream is a server that hands over every request as it arrived.
type Upstream struct {
	// Address is the IP:port it listens on.
	Address  string
	listener net.Listener
}

// Listen serves HTTP/1.1 and HTTP/2 on a free port of 127.0.0.1. answer gives
// the response to a request; raw is the request as it came in HTTP/1.1, nil in
// HTTP/2. It is called from several goroutines.
func Listen(answer func(request Message, raw []byte) Message) (*Upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	go func() {
		for {
			tcp, err := listener.Accept()
			if err != nil {
				return
			}

			go serve(tcp, answer)
		}
	}()

	return &Upstream{listener.Addr().String(), listener}, nil
}

// Close stops listening. Connections end with their clients.
func (u *Upstream) Close() error { return u.listener.Close() }

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func serve(tcp net.Conn, answer func(Message, []byte) Message) {
	defer tcp.Close()

	start := make([]byte, len("PRI "))
	if _, err := io.ReadFull(tcp, start); err != nil {
		return
	}

	in := io.MultiReader(bytes.NewReader(start), tcp)
	if string(start) == "PRI " {
		if _, err := io.ReadFull(in, make([]byte, len(preface))); err == nil {
			newHTTP2Conn(in, tcp).serve(answer)
		}
		return
	}
	newHTTP1Conn(in, tcp).serve(answer)
}

// pseudo takes a pseudo-header out of a message's headers.
func pseudo(m Message, name, otherwise string) string {
	for _, h := range m.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return otherwise
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("wire: "+format, args...)
}
