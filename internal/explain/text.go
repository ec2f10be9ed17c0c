package explain

import (
	"fmt"
	"io"

	"github.com/wasm-rewrite/wasm-rewrite/internal/exchange"
	"github.com/wasm-rewrite/wasm-rewrite/internal/message"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Text writes what became of a request for people.
func (e *Explanation) Text(w io.Writer, request message.Message) {
	fmt.Fprintln(w, terminal.Line(exchange.Line(request)))
	writeSteps(w, e.Request)
	if e.Untried > 0 {
		fmt.Fprintf(w, "  the search ended: %s not tried\n", terminal.Count(e.Untried, "pattern"))
	}
	writeOutside(w, e.Outside, e.OutsideIdle)
	if e.Answer != nil {
		fmt.Fprintf(w, "is answered with %s\n", exchange.Value(*e.Answer, ":status"))
	} else {
		fmt.Fprintf(w, "goes upstream as %s\nis answered with %s\n", terminal.Line(exchange.Line(*e.Upstream)), exchange.Value(e.Received, ":status"))
	}
	writeSteps(w, e.Response)
	writeOutside(w, e.OutsideResponse, e.OutsideResponseIdle)
	fmt.Fprintf(w, "the client gets %s\n", exchange.Value(e.Client, ":status"))

	for _, h := range e.Client.Headers {
		if h.Name != ":status" {
			fmt.Fprintf(w, "  %s: %s\n", terminal.Line(h.Name), terminal.Cut(h.Value))
		}
	}
	if e.Client.Body != "" {
		fmt.Fprintf(w, "\n%s\n", terminal.Block(e.Client.Body, "  "))
	}
}

func writeSteps(w io.Writer, steps []Step) {
	for _, s := range steps {
		fmt.Fprintf(w, "  %s: %s", s.Pattern, s.Verdict)
		if s.Why != "" {
			fmt.Fprintf(w, ", %s", terminal.Cut(s.Why))
		}
		fmt.Fprintln(w)
		writeChanges(w, s.Changes)
		writeIdle(w, s.Idle)
	}
}

func writeOutside(w io.Writer, changes []Change, idle []Operation) {
	if len(changes)+len(idle) > 0 {
		fmt.Fprintf(w, "  outside the patterns:\n")
		writeChanges(w, changes)
		writeIdle(w, idle)
	}
}

// writeIdle says which header operations wrote nothing.
func writeIdle(w io.Writer, idle []Operation) {
	for _, o := range idle {
		fmt.Fprintf(w, "    %s %s: %s, %s\n", o.Key, terminal.Line(o.Name), o.Outcome, o.Why)
	}
}

func writeChanges(w io.Writer, changes []Change) {
	for _, c := range changes {
		fmt.Fprintf(w, "    %s %s: %s\n", c.Op, terminal.Line(c.Name), terminal.Cut(c.Value))
	}
}
