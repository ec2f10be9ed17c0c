package lint

import (
	"fmt"
	"io"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Refusals are the faults that keep an input from being tried; nil for none.
func Refusals(in *input.Input) (faults []Finding) {
	for _, f := range Faults(in) {
		if f.Severity == SeverityError {
			faults = append(faults, f)
		}
	}
	return faults
}

// String is the finding as people read it, in a line or more.
func (f Finding) String() string {
	var text strings.Builder
	f.Write(&text)
	return text.String()
}

// Write writes the finding for people.
func (f Finding) Write(w io.Writer) {
	parts := []string{string(f.Severity), terminal.Where(f.Place(), f.Workload)}
	for _, part := range []string{f.Named(), f.Value} {
		if part != "" {
			parts = append(parts, terminal.Line(part))
		}
	}

	fmt.Fprintf(w, "%s: %s [%s]\n", strings.Join(parts, ": "), terminal.Line(f.Reason), f.Check)
	if f.Shown != "" {
		fmt.Fprintln(w, f.Shown)
	}
	if f.Advice != "" {
		fmt.Fprintf(w, "  %s\n", terminal.Line(f.Advice))
	}
}
