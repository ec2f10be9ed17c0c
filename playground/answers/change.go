package answers

import (
	"fmt"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/accesslog"
	"github.com/wasm-rewrite/wasm-rewrite/internal/change"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/replay"
)

// compared is the answer to change: what the rules say differently, and what that does to a log's requests.
type compared struct {
	Problem string         `json:"problem,omitempty"`
	Lines   []string       `json:"lines"`
	Replay  *replay.Report `json:"replay,omitempty"`
}

func compare(q *Question) *compared {
	out := &compared{Lines: []string{}}
	if err := out.fill(q); err != nil {
		return &compared{Problem: problem(err)}
	}
	return out
}

// examples is how many requests of each group are shown.
const examples = 5

func (c *compared) fill(q *Question) error {
	before, err := side("the old rules", q.Old)
	if err != nil {
		return err
	}

	after, err := side("the new rules", q.New)
	if err != nil {
		return err
	}

	// One workload of each side is the same whatever its name is; of several, those of one name are.
	for _, p := range pairs(before, after) {
		lines, err := change.Rules(p.was, p.is)
		if err != nil {
			return err
		}

		for _, line := range lines {
			if len(before.Workloads)+len(after.Workloads) > 2 {
				line = p.name + ": " + line
			}

			c.Lines = append(c.Lines, line)
		}
	}
	if strings.TrimSpace(q.Log) == "" {
		return nil
	}

	log, err := accesslog.Read(strings.NewReader(q.Log), "http")
	if err != nil {
		return err
	}
	if log.Lines == 0 {
		return fmt.Errorf("line %d of the requests: no line holds one; write lines such as GET https://shop.example.com/old", log.First)
	}

	pair, err := replay.Match(before, after)
	if err != nil {
		return err
	}

	c.Replay, err = pair.Compare(log, examples)

	return err
}

// side reads one side, which has to compile.
func side(name, text string) (*input.Input, error) {
	in, err := read(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	in.Name = name
	for _, f := range lintText(text).Findings {
		if f.Severity == "error" && (f.Check == "invalid" || f.Check == "refused") {
			return nil, fmt.Errorf("%s are refused: line %d: %s: %s", name, f.Line, f.Path, f.Reason)
		}
	}

	return in, nil
}

type pairing struct {
	name    string
	was, is *input.Workload
}

func pairs(before, after *input.Input) (list []pairing) {
	if len(before.Workloads) == 1 && len(after.Workloads) == 1 {
		return []pairing{{after.Workloads[0].Name, &before.Workloads[0], &after.Workloads[0]}}
	}

	at := map[string]int{}
	for i := range before.Workloads {
		w := &before.Workloads[i]
		at[w.Name] = len(list)
		list = append(list, pairing{w.Name, w, nil})
	}

	for i := range after.Workloads {
		w := &after.Workloads[i]
		if j, known := at[w.Name]; known {
			list[j].is = w
		} else {
			list = append(list, pairing{w.Name, nil, w})
		}
	}

	return list
}
