package source

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	problem "sigs.k8s.io/yaml"
)

// explain says in people's words why a text is not YAML, and where. The two
// libraries keep two places of an error: one says where the parser was
// surprised, the other where the thing begins that it was reading.
func explain(err error, text []byte) *Error {
	_, surprised := problem.YAMLToJSON(text)
	if surprised == nil {
		surprised = err
	}

	lines := strings.Split(string(text), "\n")
	reason, begun := lineOf(err)
	_, at := lineOf(surprised)
	at = min(at, len(lines))
	e := &Error{Place: Place{Line: at, Column: 1}}
	written := func() string { return line(lines, e.Line) }

	switch {
	case strings.Contains(reason, "tab character"), strings.HasPrefix(reason, "found character that cannot start") &&
		strings.Contains(indent(written())+" ", "\t"):
		e.Column = 1 + max(0, strings.IndexByte(written(), '\t'))
		e.Reason = "a tab: YAML is indented with spaces alone"
	case strings.HasPrefix(reason, "found character that cannot start"):
		var c string
		e.Column, c = begins.column(written())
		e.Reason = fmt.Sprintf("a text that begins with %s has to be in quotes", c)
	case strings.HasPrefix(reason, "mapping values are not allowed"):
		e.Column = second(written(), ": ")
		e.Reason = "a text with `: ` in it has to be in quotes; if this is a key, it is indented wrongly"
	case strings.HasPrefix(reason, "found unknown escape"):
		e.Column = escape(written())
		e.Reason = `in "double quotes" a backslash begins an escape: write 'single quotes'`
	case strings.HasPrefix(reason, "found unexpected end of stream"):
		e.Line = begun
		if begun >= at {
			e.Line = lastQuote(lines)
		}

		e.Column = 1 + max(0, strings.IndexAny(written(), `"'`))
		e.Reason = "a quote that is never closed"
	case strings.HasPrefix(reason, "did not find expected ',' or"), strings.HasPrefix(reason, "did not find expected node content"):
		flow(e, lines, begun)
	case strings.HasPrefix(reason, "did not find expected"):
		e.Column = 1 + len(indent(written()))
		e.Reason = "this line is not indented as those that it belongs to"
	case strings.HasPrefix(reason, "could not find expected ':'"):
		e.Line = max(1, at-1)
		e.Column = 1 + len(indent(written()))
		e.Reason = "a key without its colon, or a text over several lines that is not indented"
	case strings.HasPrefix(reason, "unknown anchor"):
		name := strings.Trim(strings.TrimSuffix(strings.TrimPrefix(reason, "unknown anchor "), " referenced"), "'")
		for i, text := range lines {
			if at := strings.Index(text, "*"+name); at >= 0 {
				e.Line, e.Column = i+1, at+1
				break
			}
		}

		e.Reason = "a text that begins with * has to be in quotes"
	default:
		e.Reason = "no YAML: " + reason
	}

	return e
}

var lineNumber = regexp.MustCompile(`^line (\d+): `)

// lineOf takes a library's message apart. Its lines of the parser count from
// 0, those of the scanner from 1, and the first line is left out.
func lineOf(err error) (reason string, line int) {
	reason = err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: "} {
		reason = strings.TrimPrefix(reason, prefix)
	}
	if m := lineNumber.FindStringSubmatch(reason); m != nil {
		reason = reason[len(m[0]):]
		line, _ = strconv.Atoi(m[1]) // digits
	}
	if strings.HasPrefix(reason, "did not find") {
		line++
	}

	return reason, max(1, line)
}

func indent(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }

// starts finds a value by its first byte.
type starts struct{ *regexp.Regexp }

var begins = starts{regexp.MustCompile("(?:^\\s*|: +|- +|[{\\[,] *)([@`%])")}

func (s starts) column(line string) (int, string) {
	m := s.FindStringSubmatchIndex(line)
	if m == nil {
		return 1 + len(indent(line)), "such a character"
	}
	return m[2] + 1, line[m[2]:m[3]]
}

// second is the column of the second of texts in a line, or of the first.
func second(line, text string) int {
	first := strings.Index(line, text)
	if first < 0 {
		return 1 + len(indent(line))
	}
	if next := strings.Index(line[first+1:], text); next >= 0 {
		return first + 1 + next + 1
	}
	return first + 1
}

// escape is the column of the first escape that YAML does not know.
func escape(line string) int {
	for i := 0; i+1 < len(line); i++ {
		if line[i] != '\\' {
			continue
		}
		if !strings.ContainsRune("0abt\tnvfre \"/\\N_LPxuU", rune(line[i+1])) {
			return i + 1
		}
		i++
	}
	return 1 + len(indent(line))
}

// lastQuote is the last line with an odd number of quotes.
func lastQuote(lines []string) int {
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Count(lines[i], `"`)%2 == 1 || strings.Count(lines[i], "'")%2 == 1 {
			return i + 1
		}
	}
	return 1
}

const inBraces = "within { } a text that has one of { } [ ] , ? in it has to be in quotes: "

// flow says what is wrong within { } or [ ]: most often a text that is not in
// quotes.
func flow(e *Error, lines []string, begun int) {
	for number := begun; number <= min(e.Line, len(lines)); number++ {
		column, text := unquoted(lines[number-1])
		if column == 0 {
			continue
		}

		e.Line, e.Column = number, column
		e.Reason = inBraces + quoted(text)
		return
	}

	// Nothing looks like such a text: a bracket is missing.
	for number := e.Line; number >= 1; number-- {
		if at := open(lines[number-1]); at > 0 {
			e.Line, e.Column = number, at
			e.Reason = fmt.Sprintf("this %c is never closed", lines[number-1][at-1])
			return
		}
	}

	e.Column = 1 + len(indent(line(lines, e.Line)))
	e.Reason = "within { } and [ ] entries are parted by commas, and each bracket is closed"
}

// quoted puts a text in quotes that YAML takes as they are.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// unquoted finds the first text within { } that wants quotes, in one line.
func unquoted(line string) (column int, text string) {
	depth := 0
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'' || c == '"':
			i = closing(line, i)
		case c == '#' && i > 0 && line[i-1] == ' ':
			return 0, ""
		case c == '{' || c == '[':
			depth++
			if end := value(line, i); c == '[' && depth > 1 && end > i && !strings.HasSuffix(line[i:end], "]") {
				return i + 1, line[i:end]
			}
		case c == '}' || c == ']':
			depth--
		case c == ' ' || c == ',' || c == ':' || depth <= 0:
		default:
			// A plain text: it ends at its colon, or at the end of the value.
			end := value(line, i)
			if at := strings.IndexByte(line[i:end], ':'); at >= 0 && (i+at+1 == len(line) || line[i+at+1] == ' ') {
				end = i + at
			}
			if strings.ContainsAny(line[i:end], "{}[],?") {
				return i + 1, line[i:end]
			}
			// A stray bracket is a value that ends where it begins.
			i = max(i, end-1)
		}
	}

	return 0, ""
}

// value is where the value ends that begins in a line at i, brackets in it
// counted.
func value(line string, i int) int {
	depth := 0
	for ; i < len(line); i++ {
		switch line[i] {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}

	return i
}

func closing(line string, i int) int {
	quote := line[i]
	for i++; i < len(line); i++ {
		if line[i] == '\\' && quote == '"' {
			i++
		} else if line[i] == quote {
			return i
		}
	}
	return len(line)
}

// open is the column of the last bracket of a line that the line does not
// close, or 0.
func open(line string) int {
	var left []int
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\'', '"':
			i = closing(line, i)
		case '{', '[':
			left = append(left, i+1)
		case '}', ']':
			if len(left) > 0 {
				left = left[:len(left)-1]
			}
		}
	}
	if len(left) == 0 {
		return 0
	}

	return left[len(left)-1]
}
