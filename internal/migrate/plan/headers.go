package plan

import (
	"regexp"
	"slices"
	"strings"
)

// Headers joins header operations of which the second come after the first, as
// Envoy runs those of one route: all that is removed first, then all that is
// set, of which the last counts, and then all that is added.
func Headers(first, second Fields) Fields {
	if len(first) == 0 {
		return second
	}
	if len(second) == 0 {
		return first
	}

	all := Fields{}
	for _, side := range []string{"request", "response"} {
		a, _ := first.Get(side).(Fields)
		b, _ := second.Get(side).(Fields)
		all = all.With(side, edits(a, b))
	}

	return all
}

// edits joins the operations of one side.
func edits(first, second Fields) Fields {
	remove := list(first.Get("remove"))
	for _, name := range list(second.Get("remove")) {
		if !slices.Contains(remove, name) {
			remove = append(slices.Clip(remove), name)
		}
	}

	set, _ := first.Get("set").(Fields)
	add, _ := first.Get("add").(Fields)

	later, _ := second.Get("set").(Fields)
	for _, one := range later {
		set = append(set.Without(one.Key), one)
	}

	more, _ := second.Get("add").(Fields)
	for _, one := range more {
		values := append(slices.Clone(list(add.Get(one.Key))), list(one.Value)...)
		if len(values) == 1 {
			add = append(add.Without(one.Key), one)
		} else {
			add = append(add.Without(one.Key), Field{one.Key, values})
		}
	}

	return Fields{}.With("remove", remove).With("set", set).With("add", add)
}

// list gives a value that may be one or a list as a list.
func list(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{value}
}

var command = regexp.MustCompile(`%REQ\(([A-Za-z0-9_-]+)\)%`)

// NoCommand is why a header's value is left out that Commands cannot write.
const NoCommand = "%q holds a command of Envoy's access log: write ${header.NAME}, ${path} or another reference, or keep it here"

// Commands writes a header's value with Envoy's commands as one with references,
// where it has no command but that for a request header.
func Commands(text string) (string, bool) {
	var b strings.Builder
	for i, piece := range strings.Split(text, "%%") {
		if i > 0 {
			b.WriteByte('%')
		}
		if strings.Contains(command.ReplaceAllString(piece, ""), "%") {
			return "", false
		}

		last := 0
		for _, m := range command.FindAllStringSubmatchIndex(piece, -1) {
			b.WriteString(Literal(piece[last:m[0]]))
			b.WriteString("${header." + strings.ToLower(piece[m[2]:m[3]]) + "}")
			last = m[1]
		}
		b.WriteString(Literal(piece[last:]))
	}

	return b.String(), true
}
