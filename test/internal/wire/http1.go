package wire

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

type http1Conn struct {
	in  *bufio.Reader
	raw *bytes.Buffer // what was read since it was reset
	out io.Writer
}

func newHTTP1Conn(in io.Reader, out io.Writer) *http1Conn {
	raw := &bytes.Buffer{}
	return &http1Conn{bufio.NewReader(io.TeeReader(in, raw)), raw, out}
}

func (c *http1Conn) exchange(request Message) (response Message, err error) {
	target := request.Target
	if target == "" {
		target = pseudo(request, ":authority", "")
	}
	var text bytes.Buffer
	text.WriteString(request.Start + " " + target + " HTTP/1.1\r\n")
	if host := pseudo(request, ":authority", ""); host != "" {
		text.WriteString("host: " + host + "\r\n")
	}
	writeHeaders(&text, request)
	if _, err := c.out.Write(text.Bytes()); err != nil {
		return response, err
	}

	for {
		response, err = c.read(func(line string) (m Message, err error) {
			version, rest, _ := strings.Cut(line, " ")
			m.Start, _, _ = strings.Cut(rest, " ")
			if version != "HTTP/1.1" || len(m.Start) != 3 {
				err = malformed("status line %q", line)
			}
			return m, err
		}, request.Start)
		if err != nil || response.Start == "101" || !strings.HasPrefix(response.Start, "1") {
			return response, err
		}
	}
}

// writeHeaders writes the headers, the framing where it is missing, and the body.
func writeHeaders(text *bytes.Buffer, m Message) {
	for _, h := range m.Headers {
		if !strings.HasPrefix(h.Name, ":") {
			text.WriteString(h.Name + ": " + h.Value + "\r\n")
		}
	}

	_, _, request := strings.Cut(text.String(), " HTTP/1.1\r\n")
	framed := len(m.Values("content-length"))+len(m.Values("transfer-encoding")) > 0
	if bodiless := m.Start == "101" || m.Start == "204" || m.Start == "304"; !framed && (m.Body != "" || !request && !bodiless) {
		text.WriteString("content-length: " + strconv.Itoa(len(m.Body)) + "\r\n")
	}
	text.WriteString("\r\n" + m.Body)
}

func (c *http1Conn) serve(answer func(Message, []byte) Message) {
	for {
		c.raw.Reset()
		request, err := c.read(func(line string) (m Message, err error) {
			var version string
			m.Start, line, _ = strings.Cut(line, " ")
			m.Target, version, _ = strings.Cut(line, " ")
			if version != "HTTP/1.1" {
				err = malformed("request line %q", line)
			}
			return m, err
		}, "")
		if err != nil && c.raw.Len() == 0 {
			return // the connection ended between requests
		}

		for i, h := range request.Headers {
			if h.Name == "host" {
				request.Headers[i].Name = ":authority"
			}
		}
		if request.Start == "CONNECT" {
			request.Target = ""
		}

		response := answer(request, bytes.Clone(c.raw.Bytes()))
		if response.Start == "" {
			return
		}
		var text bytes.Buffer
		text.WriteString("HTTP/1.1 " + response.Start + " Reason\r\n")
		if request.Start == "HEAD" {
			response.Body = ""
		}
		if request.Start == "CONNECT" && strings.HasPrefix(response.Start, "2") {
			response.Headers = append(slices.Clone(response.Headers), rewrite.Header{Name: "connection", Value: "close"})
		}
		writeHeaders(&text, response)
		if _, writeErr := c.out.Write(text.Bytes()); err != nil || writeErr != nil {
			return
		}
	}
}

// read reads a message. of is the method that a response answers.
func (c *http1Conn) read(start func(line string) (Message, error), of string) (m Message, err error) {
	line, err := c.line()
	if err != nil {
		return m, err
	}
	if m, err = start(line); err != nil {
		return m, err
	}

	for {
		line, err := c.line()
		if err != nil {
			return m, err
		}
		if line == "" {
			break
		}

		name, value, found := strings.Cut(line, ":")
		if !found {
			return m, malformed("header line %q", line)
		}

		m.Headers = append(m.Headers, rewrite.Header{Name: strings.ToLower(name), Value: strings.Trim(value, " \t")})
	}

	m.Body, err = c.body(m, of)

	return m, err
}

func (c *http1Conn) body(m Message, of string) (string, error) {
	switch {
	case of == "HEAD" || of == "CONNECT" || m.Start[0] == '1' || m.Start == "204" || m.Start == "304":
		return "", nil
	case slices.Contains(m.Values("transfer-encoding"), "chunked"):
		var body strings.Builder
		for {
			line, err := c.line()
			if err != nil {
				return "", err
			}

			size, err := strconv.ParseInt(line, 16, 32)
			if err != nil {
				return "", malformed("chunk %q", line)
			}
			if _, err := io.CopyN(&body, c.in, size); err != nil {
				return "", err
			}
			if _, err := c.line(); err != nil {
				return "", err
			}
			if size == 0 {
				return body.String(), nil
			}
		}
	case len(m.Values("content-length")) > 0:
		size, err := strconv.Atoi(m.Values("content-length")[0])
		if err != nil {
			return "", malformed("content-length %q", m.Values("content-length"))
		}

		body := make([]byte, size)
		_, err = io.ReadFull(c.in, body)
		return string(body), err
	case of != "":
		body, err := io.ReadAll(c.in)
		return string(body), err
	default:
		return "", nil
	}
}

// line reads a line that ends in CR LF, or in LF: an injected one is seen.
func (c *http1Conn) line() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		if line != "" {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}
