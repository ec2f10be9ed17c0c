package plan

import "strings"

// AnySlashes writes each slash of a regex so that it takes several. nginx merges
// slashes before it looks for a location, and the rules see what the client sent:
// what a location excludes is excluded however many slashes there are.
func AnySlashes(regex string) string {
	var b strings.Builder
	for i := 0; i < len(regex); i++ {
		c := regex[i]

		switch {
		case c == '[':
			end := classEnd(regex, i)
			b.WriteString(regex[i:end])
			i = end - 1
			continue
		case c == '\\' && i+1 < len(regex) && regex[i+1] != '/':
			b.WriteString(regex[i : i+2])
			i++
			continue
		case c == '\\' && i+1 < len(regex):
			i++
		case c != '/':
			b.WriteByte(c)
			continue
		}

		// One that may be missing may come again, and one that is counted is a matter of its count.
		b.WriteByte('/')

		switch next := regex[i+1:]; {
		case strings.HasPrefix(next, "?"):
			b.WriteByte('*')
			i++
		case next == "" || strings.IndexByte("*+{", next[0]) < 0:
			b.WriteByte('+')
		}
	}

	return b.String()
}

// classEnd gives where the class ends that begins at from: ] right after [ or [^
// is literal.
func classEnd(regex string, from int) int {
	i := from + 1
	if strings.HasPrefix(regex[i:], "^") {
		i++
	}
	if strings.HasPrefix(regex[i:], "]") {
		i++
	}

	for ; i < len(regex); i++ {
		switch regex[i] {
		case '\\':
			i++
		case ']':
			return i + 1
		}
	}

	return len(regex)
}
