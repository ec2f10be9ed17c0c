package rewrite

import "strings"

// foreign are references of other languages that would pass as literal text, or
// fail without a hint.
var foreign = []struct{ text, instead string }{
	{"$(headers.", "write ${header.NAME}"},
	{"{http.request.", "write ${path}, ${query}, ${host}, ${method} or ${header.NAME}"},
	{"%{HTTP_HOST}", "write ${host}"},
	{"%{REQUEST_URI}", "write ${path} and ${query}"},
	{"%{QUERY_STRING}", "write ${query}"},
	{"%{HTTP:", "write ${header.NAME}"},
}

// nginxVariables are nginx's, the longer ones first where one begins another.
var nginxVariables = []struct{ name, instead string }{
	{"http_host", "write ${host}"}, {"http_", "write ${header.NAME}"}, {"sent_http_", "write ${response.header.NAME}"},
	{"upstream_http_", "write ${response.header.NAME}"}, {"arg_", "write ${query.NAME}"}, {"cookie_",
		"match the header cookie with a regex and write ${its group's name}"},
	{"request_uri", "write ${path}?${query}"}, {"request_method", "write ${method}"}, {"request_filename", "the rules know no files"},
	{"document_uri", "write ${path}"}, {"uri", "write ${path}"}, {"query_string", "write ${query}"}, {"is_args",
		"a kept query brings its ? along"}, {"args", "write ${query}"},
	{"host", "write ${host}"}, {"scheme", "write ${scheme}"}, {"server_name", "write ${host}"}, {"status", "write ${response.status}"},
	{"remote_addr", addressOf}, {"proxy_add_x_forwarded_for", addressOf}, {"realip_remote_addr", addressOf},
	{"remote_user", "write ${header.authorization}, or the header that the authorization filter sets"},
}

const (
	addressOf = "the proxy writes the client's address into x-forwarded-for: ${header.x-forwarded-for}; to allow or deny by it use an AuthorizationPolicy"
	clockOf   = "the rules know no clock: Envoy's access log and a route's response_headers_to_add have it"
)

// operators are command operators of Envoy's access log, by how they begin.
var operators = []struct{ name, instead string }{
	{"REQ(", "write ${header.NAME}"}, {"REQ_WITHOUT_QUERY(", "write ${path}"}, {"RESP(", "write ${response.header.NAME}"},
	{"TRAILER(", "trailers are not for rules"}, {"QUERY_PARAM", "write ${query.NAME}"}, {"PATH", "write ${path}"}, {"HOSTNAME", "write it into vars: ${var.NAME}"},
	{"ENVIRONMENT(", "write it into vars: ${var.NAME}"}, {"RESPONSE_CODE_DETAILS", ""}, {"RESPONSE_CODE", "write ${response.status}"},
	{"DOWNSTREAM_REMOTE", addressOf}, {"DOWNSTREAM_DIRECT_REMOTE", addressOf}, {"REQUESTED_SERVER_NAME", "write ${host}"},
	{"DOWNSTREAM_PEER", "the proxy writes the peer's certificate into x-forwarded-client-cert: ${header.x-forwarded-client-cert}"},
	{"STREAM_ID", "write ${header.x-request-id}"}, {"TRACE_ID", "write ${header.traceparent}"},
	{"START_TIME", clockOf}, {"EMIT_TIME", clockOf}, {"DURATION", clockOf}, {"COMMON_DURATION", clockOf}, {"REQUEST_DURATION",
		clockOf}, {"RESPONSE_DURATION", clockOf},
}

const operatorElsewhere = "Envoy fills it in only in its access log and in a route's request_headers_to_add and response_headers_to_add"

// dialectReason says that a text speaks another language, and what to write
// instead, or gives "".
func dialectReason(s string) string {
	for _, d := range foreign {
		if strings.Contains(s, d.text) {
			return d.text + " is not of this language: " + d.instead
		}
	}

	for i := 0; i < len(s); i++ {
		reason := ""
		switch s[i] {
		case '%':
			reason = operatorReason(s[i+1:])
		case '$':
			if i > 0 && s[i-1] == '$' {
				continue
			}

			reason = variableReason(s[i+1:])
		}
		if reason != "" {
			return reason
		}
	}

	return ""
}

// operatorReason reads what follows a %.
func operatorReason(s string) string {
	end := 0
	for end < len(s) && (s[end] >= 'A' && s[end] <= 'Z' || s[end] == '_' || end > 0 && isDigit(s[end])) {
		end++
	}
	// Two hexadecimal digits are an escape, unless an underscore tells.
	word := s[:end]
	escape := end >= 2 && hexValue(s[0]) >= 0 && hexValue(s[1]) >= 0 && !strings.Contains(word, "_")
	if end < 2 || end == len(s) || escape || s[end] != '%' && s[end] != '(' && s[end] != ':' {
		return ""
	}

	shown := "%" + s[:end+1]

	instead := operatorElsewhere
	for _, o := range operators {
		if strings.HasPrefix(s[:end+1], o.name) {
			if o.instead != "" {
				instead = o.instead
			}
			break
		}
	}

	return shown + " is not of this language: " + instead
}

// variableReason reads what follows a $.
func variableReason(s string) string {
	s = strings.TrimPrefix(s, "{")

	end := 0
	for end < len(s) && (s[end] >= 'a' && s[end] <= 'z' || s[end] == '_' || end > 0 && isDigit(s[end])) {
		end++
	}

	word := s[:end]

	braced := end < len(s) && (s[end] == '}' || s[end] == ':' || s[end] == '.' || s[end] == '|' || s[end] == '-')
	for _, v := range nginxVariables {
		family := strings.HasSuffix(v.name, "_")
		if word == v.name && !braced || family && strings.HasPrefix(word, v.name) && len(word) > len(v.name) && !braced || word == v.name && family {
			return "$" + v.name + " is not of this language: " + v.instead
		}
	}

	return ""
}

// flagReason says that a path ends with one of nginx's flags, or gives "".
func flagReason(path string) string {
	for flag, instead := range map[string]string{
		"last": "write then: next", "break": "then: stop is the default",
		"redirect": "use redirect instead of rewrite, with status 302", "permanent": "use redirect instead of rewrite, with status 301",
	} {
		if strings.HasSuffix(strings.TrimRight(path, "; "), " "+flag) {
			return "the flag " + flag + " is nginx's: leave it out; " + instead
		}
	}
	return ""
}
