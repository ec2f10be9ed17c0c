package nginx

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

var variable = regexp.MustCompile(`\$(?:([0-9])|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z0-9_]+)\})`)

// token reads text of an Ingress as nginx reads a word of its configuration, in
// quotes or not.
func token(text string) string {
	return escaped.Replace(text)
}

var escaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, `'`, `\t`, "\t", `\r`, "\r", `\n`, "\n")

// encoded writes the literal text of a path as nginx sends it: % is a character
// of the path, and what a path does not hold is encoded. Variables stay.
func encoded(target string) string {
	path, query, has := strings.Cut(target, "?")

	var b strings.Builder
	for path != "" {
		if name := variable.FindString(path); name != "" && strings.HasPrefix(path, name) {
			b.WriteString(name)

			path = path[len(name):]
			continue
		}
		if c := path[0]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"#%<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}

		path = path[1:]
	}
	if has {
		b.WriteString("?" + query)
	}

	return b.String()
}

var wordNext = regexp.MustCompile(`^[A-Za-z0-9_]`)

// plainVariables are nginx variables with a counterpart.
var plainVariables = map[string]string{
	"uri": "${path}", "document_uri": "${path}", "host": "${host}", "http_host": "${host}", "best_http_host": "${host}", "server_name": "${host}",
	"scheme": "${scheme}", "pass_access_scheme": "${scheme}", "request_method": "${method}", "args": "${query}", "query_string": "${query}",
}

// variables writes text with nginx variables as text with references. A group
// that the regex does not have is empty, as in nginx.
func variables(text string, groups int, names []string) (string, error) {
	var b strings.Builder
	for text != "" {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			b.WriteString(plan.Literal(text))
			break
		}
		b.WriteString(plan.Literal(text[:i]))
		m := variable.FindStringSubmatch(text[i:])
		if m == nil || !strings.HasPrefix(text[i:], m[0]) {
			// A $ that begins no variable.
			b.WriteString("$$")

			text = text[i+1:]
			continue
		}

		ref, err := counterpart(m[1], m[2]+m[3], groups, names)
		if err != nil {
			return "", err
		}

		text = text[i+len(m[0]):]
		if len(ref) == len("${1}") && !wordNext.MatchString(text) {
			ref = "$" + ref[2:3]
		}
		b.WriteString(ref)
	}

	return b.String(), nil
}

func counterpart(number, name string, groups int, names []string) (string, error) {
	if number == "" && len(name) == 1 && name[0] >= '0' && name[0] <= '9' {
		number, name = name, ""
	}

	switch {
	case number != "":
		if number == "0" || int(number[0]-'0') > groups {
			return "", nil
		}
		return "${" + number + "}", nil
	case slices.Contains(names, name):
		return "${" + name + "}", nil
	case plainVariables[name] != "":
		return plainVariables[name], nil
	case strings.HasPrefix(name, "http_"):
		return "${header." + strings.ReplaceAll(strings.ToLower(name[len("http_"):]), "_", "-") + "}", nil
	case strings.HasPrefix(name, "arg_"):
		return "${query." + name[len("arg_"):] + "}", nil
	}

	return "", fmt.Errorf("$%s of nginx has no counterpart", name)
}

var address = regexp.MustCompile(`^(?:(https?)|\$scheme|\$\{scheme\})://([^/?]*?)(:[0-9]+)?((?:/|\?|\$request_uri|\$uri|\$\{request_uri\}|\$\{uri\}).*)?$`)

// isAddress reports whether nginx answers with a redirect instead of rewriting.
func isAddress(target string) bool {
	return strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") || strings.HasPrefix(target, "$scheme")
}

// location makes a redirect of an address with nginx variables. keep tells
// whether the query is added, as by a rewrite, or not, as by a return.
func locationOf(target string, groups int, names []string, keep bool) (plan.Fields, error) {
	m := address.FindStringSubmatch(target)
	if m == nil {
		return nil, fmt.Errorf("%q cannot be read as an address", target)
	}

	host, err := variables(m[2], groups, names)
	if err != nil {
		return nil, err
	}

	to := plan.Fields{}.With("scheme", m[1])
	if m[3] != "" {
		port := 0
		if _, err := fmt.Sscanf(m[3], ":%d", &port); err != nil || port < 1 || port > 65535 {
			return nil, fmt.Errorf("%q has no port that can be", target)
		}

		to = append(to.With("host", host), plan.Field{Key: "port", Value: port})
	} else {
		to = to.With("host", host)
	}
	if host == "${host}" {
		to = to.Without("host") // it is the one that came
	}

	rest, keep := withoutQuery(m[4], keep)
	if cut, ok := strings.CutSuffix(rest, "$request_uri"); ok {
		if cut == "" || cut == "/" {
			return to, nil // the path and the query that came
		}

		rest, keep = cut+"$uri", true
	}
	if strings.Contains(rest, "$request_uri") {
		return nil, fmt.Errorf("$request_uri in the middle of an address has no counterpart")
	}

	path, err := variables(rest, groups, names)
	if err != nil {
		return nil, err
	}
	// nginx would send two slashes where a group is empty.
	for strings.HasPrefix(path, "//") {
		path = path[1:]
	}
	if path == "" {
		path = "/"
	} else if strings.HasPrefix(path, "?") {
		path = "/" + path
	}

	to = append(to, plan.Field{Key: "path", Value: path}, plan.Field{Key: "replace", Value: "whole"})
	if !keep {
		to = append(to, plan.Field{Key: "query", Value: "drop"})
	}

	return to, nil
}

// withoutQuery cuts off the end that says what becomes of the query, and says
// whether it is added.
func withoutQuery(target string, keep bool) (rest string, added bool) {
	rest = strings.NewReplacer("${request_uri}", "$request_uri", "${uri}", "$uri", "${is_args}", "$is_args", "${args}", "$args").Replace(target)
	if keep {
		// A final ? of a rewrite drops the query.
		if cut, ok := strings.CutSuffix(rest, "?"); ok {
			rest, keep = cut, false
		}
	}

	for _, end := range []string{"$is_args$args", "$is_args$query_string", "?$args", "?$query_string"} {
		if cut, ok := strings.CutSuffix(rest, end); ok {
			rest, keep = cut, true
		}
	}

	return rest, keep
}

var (
	errRequestURI = errors.New("nginx escapes the query that $request_uri holds, so it is not a path")
	errNoSlash    = errors.New("a path begins with /")
)
