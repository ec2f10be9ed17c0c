package answers

import (
	"github.com/wasm-rewrite/wasm-rewrite/internal/lint"
)

// looked is the answer to lint.
type looked struct {
	Findings []lint.Finding `json:"findings"`
}

func lintText(text string) *looked {
	in, err := read(text)
	if err == nil {
		return &looked{append([]lint.Finding{}, lint.Lint(in)...)}
	}

	// What cannot be read at all is a finding, too.
	list, rest := lint.Unreadable(err)
	if rest != nil {
		list = append(list, lint.Finding{Reason: rest.Error(), Severity: lint.SeverityError, Check: lint.Invalid})
	}

	return &looked{list}
}
