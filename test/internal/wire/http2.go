package wire

import (
	"bytes"
	"io"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// window is what each side may send without asking, more than any message here.
const window = 1 << 24

type http2Conn struct {
	*http2.Framer
	out     io.Writer
	decoder *hpack.Decoder
	encoder *hpack.Encoder
	block   bytes.Buffer // what encoder wrote
	stream  uint32       // the client's last
}

func newHTTP2Conn(in io.Reader, out io.Writer) *http2Conn {
	c := &http2Conn{Framer: http2.NewFramer(out, in), out: out, decoder: hpack.NewDecoder(4096, nil)}
	c.SetMaxReadFrameSize(1 << 20)
	c.encoder = hpack.NewEncoder(&c.block)
	return c
}

// hello begins a client's side of a connection.
func (c *http2Conn) hello() error {
	if _, err := io.WriteString(c.out, preface); err != nil {
		return err
	}
	return c.settings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
}

func (c *http2Conn) settings(more ...http2.Setting) error {
	if err := c.WriteSettings(append(more, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})...); err != nil {
		return err
	}
	return c.WriteWindowUpdate(0, window)
}

// write sends a message in a stream; open leaves the stream open behind it.
func (c *http2Conn) write(stream uint32, fields []rewrite.Header, body string, open bool) error {
	c.block.Reset()

	for _, f := range fields {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
			return err
		}
	}
	const frame = 16 << 10
	block := c.block.Bytes()
	first := block[:min(frame, len(block))]

	err := c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: first, EndHeaders: len(first) == len(block), EndStream: body == "" && !open,
	})
	for block = block[len(first):]; err == nil && len(block) > 0; {
		part := block[:min(frame, len(block))]
		block = block[len(part):]
		err = c.WriteContinuation(stream, len(block) == 0, part)
	}

	for err == nil && body != "" {
		part := body[:min(frame, len(body))]
		body = body[len(part):]
		err = c.WriteData(stream, body == "" && !open, []byte(part))
	}

	return err
}

// fields are a message as HTTP/2 has it.
func fields(m Message, start ...rewrite.Header) []rewrite.Header {
	list := start
	for _, h := range m.Headers {
		if strings.HasPrefix(h.Name, ":") {
			list = append(list, h)
		}
	}

	for _, h := range m.Headers {
		if !strings.HasPrefix(h.Name, ":") {
			list = append(list, h)
		}
	}

	return list
}

func (c *http2Conn) exchange(request Message) (Message, error) {
	if c.stream += 2; c.stream == 2 {
		c.stream = 1 // a client's streams have odd numbers
	}

	start := []rewrite.Header{{Name: ":method", Value: request.Start}}
	if request.Target != "" {
		start = append(start, rewrite.Header{Name: ":path", Value: request.Target})
	}

	connect := request.Start == "CONNECT"
	if connect && request.Target == "" { // RFC 9113, 8.5: an ordinary CONNECT has no :scheme either
		var rest []rewrite.Header
		for _, h := range request.Headers {
			if h.Name != ":scheme" {
				rest = append(rest, h)
			}
		}

		request.Headers = rest
	}
	if err := c.write(c.stream, fields(request, start...), request.Body, connect); err != nil {
		return Message{}, err
	}

	var response Message
	for {
		event, err := c.next()
		if err != nil {
			return Message{}, err
		}
		if event.stream != c.stream {
			continue
		}
		if event.reset {
			return Message{}, malformed("stream was reset: %s", event.code)
		}
		if event.headers != nil && (response.Start == "" || strings.HasPrefix(response.Start, "1")) {
			response = Message{}
			for _, h := range event.headers {
				if h.Name == ":status" {
					response.Start = h.Value
				} else {
					response.Headers = append(response.Headers, h)
				}
			}
		}

		response.Body += event.data
		if event.end || connect && response.Start != "" {
			return response, nil
		}
	}
}

func (c *http2Conn) serve(answer func(Message, []byte) Message) {
	if c.settings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}) != nil {
		return
	}

	requests := map[uint32]*Message{}
	for {
		event, err := c.next()
		if err != nil {
			return
		}
		if event.reset {
			delete(requests, event.stream)
			continue
		}

		request := requests[event.stream]
		if request == nil {
			if event.headers == nil {
				continue
			}

			request = &Message{}

			requests[event.stream] = request
			for _, h := range event.headers {
				switch h.Name {
				case ":method":
					request.Start = h.Value
				case ":path":
					request.Target = h.Value
				default:
					request.Headers = append(request.Headers, h)
				}
			}
		}

		request.Body += event.data
		if !event.end && request.Start != "CONNECT" {
			continue
		}
		delete(requests, event.stream)

		response := answer(*request, nil)
		if response.Start == "" {
			if c.WriteRSTStream(event.stream, http2.ErrCodeInternal) != nil {
				return
			}
			continue
		}
		if request.Start == "HEAD" {
			response.Body = ""
		}
		if c.write(event.stream, fields(response, rewrite.Header{Name: ":status", Value: response.Start}), response.Body, false) != nil {
			return
		}
	}
}

// event is what the other side did to a stream.
type event struct {
	stream  uint32
	headers []rewrite.Header // nil for none
	data    string
	end     bool
	reset   bool
	code    http2.ErrCode
}

func (c *http2Conn) next() (event, error) {
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return event{}, err
		}

		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := c.WriteSettingsAck(); err != nil {
					return event{}, err
				}
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				if err := c.WritePing(true, f.Data); err != nil {
					return event{}, err
				}
			}
		case *http2.GoAwayFrame:
			return event{}, malformed("connection refused: %s %s", f.ErrCode, f.DebugData())
		case *http2.RSTStreamFrame:
			return event{stream: f.StreamID, reset: true, code: f.ErrCode}, nil
		case *http2.DataFrame:
			return event{stream: f.StreamID, data: string(f.Data()), end: f.StreamEnded()}, nil
		case *http2.HeadersFrame:
			e := event{stream: f.StreamID, end: f.StreamEnded(), headers: []rewrite.Header{}}

			block := bytes.Clone(f.HeaderBlockFragment())
			for ended := f.HeadersEnded(); !ended; {
				frame, err := c.ReadFrame()
				if err != nil {
					return e, err
				}

				more, ok := frame.(*http2.ContinuationFrame)
				if !ok {
					return e, malformed("%v inside a header block", frame)
				}

				block = append(block, more.HeaderBlockFragment()...)
				ended = more.HeadersEnded()
			}

			list, err := c.decoder.DecodeFull(block)
			if err != nil {
				return e, err
			}

			for _, h := range list {
				e.headers = append(e.headers, rewrite.Header{Name: h.Name, Value: h.Value})
			}

			return e, nil
		}
	}
}
