package read

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

var (
	fromSchema  = regexp.MustCompile(`^at '([^']*)': (.*)$`)
	fromRules   = regexp.MustCompile(`^(?:workload ([^:,]+)(?:, pattern ([^:]+))?: )?([^\s:]+): (.*)$`)
	schemaIndex = regexp.MustCompile(`^\d+$`)
	plainKey    = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	schemaKeys  = regexp.MustCompile(`^additional propert(?:y|ies) (.*) not allowed$`)
	schemaKey   = regexp.MustCompile(`'([^']*)'`)
)

// refusals takes the single reasons out of the chart's own failures: those of
// its schema and of its requirements. Of any other failure there are none.
func refusals(err error) (list []input.Refusal) {
	text := err.Error()
	switch {
	case strings.Contains(text, "values don't meet the specifications of the schema"):
		for _, line := range strings.Split(text, "\n") {
			line, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
			if !ok || strings.HasSuffix(line, " failed") {
				continue // the lines below it say what
			}

			r := input.Refusal{Reason: line}
			if m := fromSchema.FindStringSubmatch(line); m != nil {
				r.Path, r.Reason = m[1], m[2]
				// null stands for a key that is left out, in every list.
				r.Reason = strings.NewReplacer(", <nil>", "", "want null or ", "want ").Replace(r.Reason)
				// What the schema says in its own words.
				if words, ok := strings.CutPrefix(r.Reason, "value must be '("); ok {
					r.Reason = strings.TrimSuffix(words, ")'")
				}
				if workload, ok := strings.CutPrefix(r.Path, "/workloads/"); ok {
					r.Workload, r.Path, _ = strings.Cut(workload, "/")
				}

				r.Path = dotted(r.Path)
			}

			list = append(list, keyByKey(r)...)
		}
		slices.SortFunc(list, func(a, b input.Refusal) int {
			return cmp.Or(strings.Compare(a.Workload, b.Workload), strings.Compare(a.Path, b.Path))
		})
	case strings.Contains(text, requirements):
		for _, line := range strings.Split(text, "\n") {
			line, ok := strings.CutPrefix(line, "- ")
			if !ok {
				continue
			}

			r := input.Refusal{Reason: line}
			if m := fromRules.FindStringSubmatch(line); m != nil {
				r = input.Refusal{Workload: m[1], Path: m[3], Reason: m[4]}
			}

			list = append(list, r)
		}
	}

	return list
}

// keyByKey gives one refusal for each unknown key that the schema names, at the
// key as the compiler does, and none where the schema only leads up to others.
func keyByKey(r input.Refusal) (list []input.Refusal) {
	keys := schemaKeys.FindStringSubmatch(r.Reason)
	switch {
	case r.Reason == "validation failed":
		return nil
	case keys == nil:
		return []input.Refusal{r}
	}

	for _, key := range schemaKey.FindAllStringSubmatch(keys[1], -1) {
		list = append(list, input.Refusal{Workload: r.Workload, Path: strings.TrimPrefix(r.Path+"."+key[1], "."), Reason: "is an unknown key"})
	}

	return list
}
