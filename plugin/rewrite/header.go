package rewrite

import (
	"slices"
	"strconv"
	"strings"
)

func (c *compiler) headerValue(at *place, text string, sc scope) template {
	t := c.template(at, text, sc)
	for _, p := range t.pieces {
		if p.kind == pieceText && !t.config && hasControl(p.text) {
			c.add(at, quoted(text), "a control byte is not allowed in a header value")
			break
		}
	}
	if fixed, ok := t.constant(); ok {
		t.checked = len(fixed) <= maxValue && !hasControl(fixed)
		if !t.config && len(fixed) > maxValue {
			c.add(at, quoted(text), "has "+strconv.Itoa(len(fixed))+" bytes, the limit is "+strconv.Itoa(maxValue))
		}
	}

	return t
}

// untouchable are headers that belong to the connection or decide where a
// message ends: changing them lets one message be read as two.
var untouchable = []string{"host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "keep-alive", "proxy-connection"}

// forwardedProto is left alone by a glob: an Envoy finds no route for a request
// without it and answers 404.
const forwardedProto = "x-forwarded-proto"

func isUntouchable(name string) bool {
	return strings.HasPrefix(name, ":") || slices.Contains(untouchable, name)
}

// headerName checks a name that is written or removed and gives it in lower case.
func (c *compiler) headerName(at *place, name string) string {
	low := strings.ToLower(name)
	switch {
	case low == ":path":
		c.add(at, quoted(name), "is not changed as a header: use rewrite.path")
	case low == "host" || low == ":authority":
		c.add(at, quoted(name), "is not changed as a header: use rewrite.host")
	case isUntouchable(low):
		c.add(at, quoted(name), "belongs to the connection or the message's frame: it is never changed")
	case !isToken(low):
		c.add(at, quoted(name), "is not a header name")
	}

	return low
}

// ownHeader checks the name of a header that the filter itself writes.
func (c *compiler) ownHeader(at *place, name string) string {
	if name == "" {
		return ""
	}
	return c.headerName(at, name)
}
