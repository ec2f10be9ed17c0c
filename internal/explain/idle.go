package explain

import (
	"slices"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

// idleList are the header operations that wrote nothing, each once.
type idleList []rewrite.Operation

// note takes an operation. What ran before an answer took the response's place
// runs on the answer again: then that counts.
func (l *idleList) note(o rewrite.Operation) {
	same := func(other rewrite.Operation) bool {
		return other.Pattern == o.Pattern && other.Block == o.Block && other.Key == o.Key && other.Name == o.Name
	}
	if at := slices.IndexFunc(*l, same); at >= 0 && o.Block == rewrite.HeadersResponse {
		(*l)[at] = o
		return
	}

	*l = append(*l, o)
}

// of gives those of a pattern's block.
func (l idleList) of(pattern int, block rewrite.Block) []Operation {
	list := []Operation{}
	for _, o := range l {
		if o.Pattern != pattern || o.Block != block {
			continue
		}

		shown := Operation{Key: o.Key.String(), Name: o.Name, Outcome: "nothing", Why: o.Why()}
		switch {
		case o.Block == rewrite.RespondHeaders:
			shown.Key, shown.Outcome = "respond.headers", "left out"
		case o.Removed():
			shown.Outcome = "removed"
		}

		list = append(list, shown)
	}

	return list
}
