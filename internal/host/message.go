package host

import "github.com/wasm-rewrite/wasm-rewrite/internal/message"

// What is sent through a filter. The types have a package of their own because
// the command line and the playground use them without a WebAssembly runtime.
type (
	// Message is a request or a response.
	Message = message.Message
	// Header is one entry of a header map.
	Header = message.Header
	// HeaderMap keeps headers as Envoy does.
	HeaderMap = message.HeaderMap
	// LocalReply is a response that did not come from upstream.
	LocalReply = message.LocalReply
)

// NewRequestHeaders returns the map Envoy makes of the headers of a request.
func NewRequestHeaders(list ...Header) *HeaderMap { return message.NewRequestHeaders(list...) }

// NewResponseHeaders returns the map Envoy makes of the headers of a response.
func NewResponseHeaders(list ...Header) *HeaderMap { return message.NewResponseHeaders(list...) }
