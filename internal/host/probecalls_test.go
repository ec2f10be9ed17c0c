package host

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// calls makes a program of lines "operation map name value".
func calls(lines ...string) func(g *program) {
	return func(g *program) {
		for _, line := range lines {
			part := strings.SplitN(line, " ", 4)

			kind := int(part[1][0] - '0')
			switch part[0] {
			case "get":
				g.show("proxy_get_header_map_value", kind, str(part[2]))
			case "pairs":
				g.show("proxy_get_header_map_pairs", kind)
			case "size":
				g.show4("proxy_get_header_map_size", kind)
			case "remove":
				g.call("proxy_remove_header_map_value", kind, str(part[2]))
			case "add":
				g.call("proxy_add_header_map_value", kind, str(part[2]), str(part[3]))
			case "set":
				g.call("proxy_replace_header_map_value", kind, str(part[2]), str(part[3]))
			default:
				panic(line)
			}
		}
	}
}

func setPairs(kind int, list ...Header) func(g *program) {
	return func(g *program) {
		g.call("proxy_set_header_map_pairs", kind, str(marshalPairs(list)))
	}
}

func manyPairs(n int) func(g *program) {
	return func(g *program) {
		list := []Header{{Name: ":method", Value: "GET"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "a"}, {Name: ":scheme", Value: "http"},
			{Name: "x-forwarded-proto", Value: "http"}}
		for len(list) < n {
			list = append(list, Header{Name: "x", Value: "y"})
		}
		setPairs(0, list...)(g)
		g.show4("proxy_get_header_map_size", 0)
		// so many headers would not fit upstream
		calls("remove 0 x")(g)
	}
}

func respond(status int, body string, headers ...Header) func(g *program) {
	return respondGRPC(status, -1, body, headers...)
}

func respondGRPC(status, grpcStatus int, body string, headers ...Header) func(g *program) {
	return func(g *program) {
		headers := append(headers, Header{Name: "x-case", Value: g.probe.lastID()})
		g.call("proxy_send_local_response", status, str("some details"), str(body), str(marshalPairs(headers)), grpcStatus)
	}
}

var randomNames = []string{"x-a", "X-B", "x-c", "accept", "Pragma", "set-cookie", "vary", "cookie", "location", "cache-control"}

func randomLines(r *rand.Rand) []string {
	var lines []string
	for range r.IntN(8) {
		lines = append(lines, randomNames[r.IntN(len(randomNames))]+": "+strings.Repeat("v", r.IntN(3)))
	}
	return lines
}

func randomCalls(r *rand.Rand, kind int) func(g *program) {
	var lines []string
	for range r.IntN(12) {
		op := []string{"add", "set", "remove", "get", "pairs", "size", "add"}[r.IntN(7)]
		lines = append(lines, fmt.Sprintf("%s %d %s %s", op, kind, randomNames[r.IntN(len(randomNames))], strings.Repeat("w", r.IntN(3))))
	}
	return calls(lines...)
}

func (p *probe) lastID() string { return fmt.Sprintf("%04d", p.cases-1) }

// caseProbe makes one module of all exchanges. The header x-case says which.
func caseProbe(exchanges []exchange) *probe {
	p := newProbe()

	request, response := p.on("proxy_on_request_headers"), p.on("proxy_on_response_headers")
	for _, g := range []*program{request, response} {
		kind := map[*program]int{request: requestHeaders, response: responseHeaders}[g]
		g.store(resultsAt+8, 0)
		g.call("proxy_get_header_map_value", kind, str("x-case"), resultsAt+8, resultsAt+12)
		g.digits = 0
	}
	response.call("proxy_log", 2, str("response"))

	for _, e := range exchanges {
		p.cases++
		for _, g := range []*program{request, response} {
			kind, edit := requestHeaders, e.edit
			if g == response {
				kind, edit = responseHeaders, e.answer
			}
			g.when(resultsAt+8, p.lastID())
			g.call("proxy_log", 2, str(fmt.Sprintf("CASE %s %d", p.lastID(), kind)))
			g.show("proxy_get_header_map_pairs", kind)
			g.digits = 0
			if edit != nil {
				edit(g)
			}
			g.show("proxy_get_header_map_pairs", kind)
			g.transcript()
			g.op(end)
		}
	}
	request.ret(0)
	response.ret(0)

	return p
}
