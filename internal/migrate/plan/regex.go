package plan

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// RE2 writes a regex of PCRE so that RE2 reads it, where that is a matter of
// spelling: an underscore is not a special character.
func RE2(pcre string) string {
	var b strings.Builder
	for i := 0; i < len(pcre); i++ {
		if pcre[i] == '\\' && i+1 < len(pcre) {
			if pcre[i+1] != '_' {
				b.WriteByte(pcre[i])
			}
			i++
		}
		b.WriteByte(pcre[i])
	}

	return b.String()
}

// Groups counts the groups of a regex that is right.
func Groups(regex string) (n int, names []string) {
	re, err := regexp.Compile(regex)
	if err != nil {
		return 0, nil
	}
	return re.NumSubexp(), re.SubexpNames()
}

const special = `\.+*?()|[]{}^$`

// Beginning gives the literal text that every path begins with that a regex
// takes which is anchored in front; the regex need not be one of RE2.
func Beginning(regex string) string {
	regex = strings.TrimPrefix(regex, "^")
	if alternates(regex) {
		return ""
	}

	var b []byte
	for i := 0; i < len(regex); i++ {
		c := regex[i]
		switch {
		case c == '\\' && i+1 < len(regex) && !isWord(regex[i+1]):
			i++
			c = regex[i]
		case strings.IndexByte(special, c) >= 0:
			// A character that may be missing is not a beginning.
			if strings.IndexByte("*?{", c) >= 0 && len(b) > 0 {
				b = b[:len(b)-1]
			}
			return string(b)
		}

		b = append(b, c)
	}

	return string(b)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// Alternates reports whether a regex is several, of which any may fit.
func Alternates(regex string) bool { return alternates(regex) }

// alternates reports whether there is a | outside of all brackets.
func alternates(regex string) bool {
	found := false
	scan(regex, func(_, depth int, c byte) { found = found || depth == 0 && c == '|' })
	return found
}

// TakesAll reports whether a regex that fits a whole path takes all of it where
// it is not anchored at the end, too. Of /v1|/v1beta the first one is taken, and
// what is written as little as can be takes that.
func TakesAll(regex string) bool {
	if alternates(regex) {
		return false
	}

	bare := strings.TrimRight(regex, ")")
	for _, end := range []string{"$", ".*", ".+"} {
		if strings.HasSuffix(bare, end) {
			return true
		}
	}

	whole := true
	scan(regex, func(i, _ int, c byte) {
		if c == '|' || c == '?' && i > 0 && strings.IndexByte("*+?}", regex[i-1]) >= 0 {
			whole = false
		}
	})

	return whole
}

// scan walks over a regex's characters that are neither escaped nor in a class.
// depth is that of the groups around them, a bracket's own not counted.
func scan(regex string, visit func(i, depth int, c byte)) {
	depth, class := 0, -1
	for i := 0; i < len(regex); i++ {
		c := regex[i]
		switch {
		case c == '\\':
			i++
			continue
		case class >= 0:
			// ] right after [ or [^ is literal.
			if c == ']' && i > class+1 && (i != class+2 || regex[class+1] != '^') {
				class = -1
			}
			continue
		case c == '[':
			class = i
		case c == ')':
			depth--
		}
		visit(i, depth, c)
		if c == '(' {
			depth++
		}
	}
}

// span gives where the n-th group begins and ends, brackets included.
func span(regex string, n int) (from, to int, ok bool) {
	count, level := 0, -1
	from, to = -1, -1
	scan(regex, func(i, depth int, c byte) {
		switch {
		case c == '(' && capturing(regex[i:]):
			if count++; count == n {
				from, level = i, depth
			}
		case c == ')' && from >= 0 && to < 0 && depth == level:
			to = i + 1
		}
	})

	return from, to, from >= 0 && to > from
}

func capturing(at string) bool {
	return !strings.HasPrefix(at, "(?") || strings.HasPrefix(at, "(?P<") || strings.HasPrefix(at, "(?<") && !strings.HasPrefix(at, "(?<=") &&
		!strings.HasPrefix(at, "(?<!")
}

var (
	leading   = regexp.MustCompile(`^/(?:\$([1-9])|\$\{([1-9])\}|\\([1-9]))`)
	reference = regexp.MustCompile(`\$\$|\\\\|\$([1-9])|\$\{([1-9])\}|\\([1-9])`)
)

// OneSlash changes a regex and what replaces the path so that a path does not
// begin with two slashes where a group brings one of its own: nginx and Envoy
// send such a path, and the filter refuses it. It reports whether it changed them.
// more is other text with references to the regex.
func OneSlash(regex, replacement string, more ...*string) (string, string, bool) {
	m := leading.FindStringSubmatch(replacement)
	if m == nil {
		return regex, replacement, false
	}

	n, _ := strconv.Atoi(m[1] + m[2] + m[3])
	from, to, ok := span(regex, n)
	if !ok {
		return regex, replacement, false
	}

	body := regex[from+1 : to-1]
	// A named group of all is one of all.
	if named := groupName.FindString(body); body == named+".*" {
		body = ".*"
	}

	rest := replacement[len(m[0]):]
	switch body {
	case ".*?":
		// Only at the end it takes no less where a slash is taken before it.
		if regex[to:] != "" && regex[to:] != "$" {
			return regex, replacement, false
		}
	}

	switch body {
	case "/?.*", "/*.*":
		return regex[:from] + "/*(.*)" + regex[to:], replacement, true
	case ".*", ".*?":
		if strings.HasSuffix(regex[:from], "/") {
			return regex[:from] + "+" + regex[from:], replacement, true
		}
		return regex[:from] + "/*" + regex[from:], replacement, true
	case ".+":
		// What follows slashes, or all where there is none: one group became two.
		both := regex[:from] + "(?:/+(.*)|(" + body + "))" + regex[to:]

		for _, text := range more {
			*text = renumber(*text, n)
		}
		return both, renumber(replacement, n), true
	}
	if onlySlash.MatchString(body) {
		// It brings nothing but the slash that is there already.
		rest = "/" + strings.TrimPrefix(rest, "/")
		regex, rest, _ = OneSlash(regex, rest, more...)
		return regex, rest, true
	}
	if !slashFirst(body) {
		return regex, replacement, false
	}

	group := strconv.Itoa(n)
	switch {
	case strings.HasPrefix(rest, "/"):
		return regex, "${" + group + "}" + rest, true
	default:
		return regex, "${" + group + ":-/}" + rest, true
	}
}

var (
	slashes  = regexp.MustCompile(`(?:/[*+?]?|\((?:\?:)?/(?:\|\$)?\)\??)+$`)
	repeated = regexp.MustCompile(`[*+?}]\)*$`)
)

var groupName = regexp.MustCompile(`^\?P?<\w+>`)

var onlySlash = regexp.MustCompile(`^(?:/\?|/|/\|\$|/\||\$\|/|\|/)$`)

var filled = regexp.MustCompile(`^/(?:\$([1-9])|\$\{([1-9])\})/`)

// Filled gives a regex whose first group in a replacement is not empty, and the
// replacement without that group, where an empty one would leave two slashes.
func Filled(regex, replacement string) (full, without string, ok bool) {
	m := filled.FindStringSubmatch(replacement)
	if m == nil {
		return "", "", false
	}

	n, _ := strconv.Atoi(m[1] + m[2])
	from, to, ok := span(regex, n)
	if body := regex[max(from, 0):max(to, 0)]; !ok || body != "(.*)" && body != "(.*?)" && !strings.HasSuffix(body, "]*)") {
		return "", "", false
	}

	// What takes as little as it can is not made to take more: only at the end of
	// the path it takes the same.
	if strings.HasSuffix(regex[from:to], "?)") && regex[to:] != "$" {
		return "", "", false
	}

	// What it is made to take has to be free: not what a group or a repetition
	// before it takes first.
	if repeated.MatchString(slashes.ReplaceAllString(regex[:from], "")) {
		return "", "", false
	}

	more := "(" + regex[from+1:to-2] + "+)"
	if strings.HasPrefix(regex[from:], "(.") {
		more = "([^/]" + regex[from+1:to]
	}

	return regex[:from] + more + regex[to:], replacement[len(m[0])-1:], true
}

var slashBefore = regexp.MustCompile(`(?:/[?*+]?|/\)[?*+]?|/\|\$\)|\^\|/\)|\(/\|\$\)\??)$`)

// EndsInSlash reports whether a slash is taken right before the group that a
// replacement begins with, so that the group begins with one only where a
// client sent two.
func EndsInSlash(regex, replacement string) bool {
	m := leading.FindStringSubmatch(replacement)
	if m == nil {
		return false
	}

	n, _ := strconv.Atoi(m[1] + m[2] + m[3])
	from, _, ok := span(regex, n)
	return ok && slashBefore.MatchString(regex[:from])
}

// renumber makes two groups of the n-th, and moves those after it.
func renumber(text string, n int) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string {
		m := reference.FindStringSubmatch(ref)

		k, err := strconv.Atoi(m[1] + m[2] + m[3])
		switch {
		case err != nil || k < n:
			return ref
		case k == n:
			return "${" + strconv.Itoa(k) + "}${" + strconv.Itoa(k+1) + "}"
		}
		return "${" + strconv.Itoa(k+1) + "}"
	})
}

// slashFirst reports whether all that a group takes begins with a slash, or is
// empty.
func slashFirst(body string) bool {
	re, err := syntax.Parse(body, syntax.Perl)
	if err != nil {
		return false
	}
	return begins(re.Simplify())
}

func begins(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune) > 0 && re.Rune[0] == '/'
	case syntax.OpConcat:
		return len(re.Sub) > 0 && begins(re.Sub[0]) && re.Sub[0].Op != syntax.OpQuest && re.Sub[0].Op != syntax.OpStar && re.Sub[0].Op != syntax.OpAlternate ||
			len(re.Sub) == 1 && begins(re.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !begins(sub) && !empty(sub) {
				return false
			}
		}
		return true
	case syntax.OpCapture, syntax.OpPlus, syntax.OpQuest, syntax.OpStar, syntax.OpRepeat:
		return begins(re.Sub[0])
	case syntax.OpCharClass:
		return len(re.Rune) == 2 && re.Rune[0] == '/' && re.Rune[1] == '/'
	}

	return false
}

func empty(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpEndText, syntax.OpEndLine:
		return true
	}
	return false
}

// Without takes a negative lookahead out of a regex that is anchored in front,
// where what it excludes can be said as a regex of its own: it follows literal
// text, so that its place is known. The second regex is what is excluded.
func Without(regex string) (rest, excluded string, ok bool) {
	from := strings.Index(regex, "(?!")
	if from < 0 || strings.Contains(regex[from+3:], "(?!") || strings.Contains(regex, "(?=") || strings.Contains(regex, "(?<!") ||
		strings.Contains(regex, "(?<=") {
		return "", "", false
	}
	// What stands before it is literal, but for groups that are still open.
	before, open := regex[:from], 0
	for i := 0; i < len(before); i++ {
		switch c := before[i]; {
		case c == '\\' && i+1 < len(before) && !isWord(before[i+1]):
			i++
		case c == '(':
			if strings.HasPrefix(before[i:], "(?") && !strings.HasPrefix(before[i:], "(?:") {
				return "", "", false
			}
			if strings.HasPrefix(before[i:], "(?:") {
				i += 2
			}
			open++
		case c == '^' && i == 0:
		case strings.IndexByte(special, c) >= 0:
			return "", "", false
		}
	}

	end := closing(regex, from)
	if end < 0 {
		return "", "", false
	}
	// No alternative to it, and no group around it that may be left out or come
	// again.
	after, depth := regex[end:], 0
	wrong := false
	scan(after, func(i, _ int, c byte) {
		switch {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 && i+1 < len(after) && strings.IndexByte("*+?{", after[i+1]) >= 0 {
				wrong = true
			}
		case c == '|' && depth <= 0:
			wrong = true
		}
	})
	if wrong || depth != -open || strings.HasPrefix(after, "*") || strings.HasPrefix(after, "+") || strings.HasPrefix(after, "?") {
		return "", "", false
	}

	literal := strings.NewReplacer("(?:", "", "(", "").Replace(strings.TrimPrefix(before, "^"))

	return before + after, "^" + literal + "(?:" + regex[from+3:end-1] + ")", true
}

// closing gives where the group that begins at from ends, or -1.
func closing(regex string, from int) int {
	depth, end := 0, -1
	scan(regex[from:], func(i, _ int, c byte) {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 && end < 0 {
				end = from + i + 1
			}
		}
	})

	return end
}
