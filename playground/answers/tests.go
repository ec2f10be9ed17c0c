package answers

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/wasm-rewrite/wasm-rewrite/internal/suite"
)

// tested is the answer to tests: what came of them in the module where there is one, else in the engine.
type tested struct {
	Problem string `json:"problem,omitempty"`
	Agrees  bool   `json:"agrees"` // engine and module give the same report
	*suite.Report
}

func (d *Desk) tests(ctx context.Context, q *Question) *tested {
	in, err := read(q.Values)
	if err != nil {
		return &tested{Problem: problem(err)}
	}

	report, err := (&suite.Suite{}).Run(ctx, in)
	if err != nil {
		return &tested{Problem: problem(err)}
	}
	if d.module == nil {
		return &tested{Report: report, Agrees: true}
	}

	shipped, err := (&suite.Suite{Module: d.module}).Run(ctx, in)
	if err != nil {
		return &tested{Problem: problem(err)}
	}

	engine, err := json.Marshal(report)
	if err != nil {
		return &tested{Problem: problem(err)}
	}

	module, err := json.Marshal(shipped)
	if err != nil {
		return &tested{Problem: problem(err)}
	}

	return &tested{Report: shipped, Agrees: bytes.Equal(engine, module)}
}
