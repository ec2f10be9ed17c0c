package lint

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/source"
	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
)

const exceptions = "for all but these write unless: [{path: {prefix: /metrics}}] next to match"

// meant are keys that people know from elsewhere, or misspell, and what to write.
var meant = map[string]string{
	"not": exceptions, "except": exceptions, "exclude": exceptions, "notPath": exceptions, "notPaths": exceptions, "ignore": exceptions,
	"selecter": "did you mean selector?", "labels": "write selector: {app: NAME}", "rules": "did you mean patterns?", "routes": "did you mean patterns?",
	"return": "write respond: {status: 403}", "deny": "write respond: {status: 403}", "code": "did you mean status?", "statusCode": "did you mean status?",
	"url": "write scheme, host and path, each that changes", "uri": "did you mean path?", "regexRewrite": "match by path: {regex: …} and write $1 in path",
	"type":  "write the kind of match as the key: {prefix: /api}, {exact: /api} or {regex: '^/api'}",
	"value": "write the kind of match as the key: {prefix: /api}, {exact: /api} or {regex: '^/api'}",
}

var (
	text    = regexp.MustCompile(`^(?:got (?:string|number|boolean), )?want (?:null or |an )?object`)
	unquote = strings.NewReplacer(`"`, "")
)

// advice says what to write instead of a first mistake, where the engine and the
// chart only say what they want.
func advice(path, value, reason string) string {
	key := path[strings.LastIndexByte(path, '.')+1:]
	value = unquote.Replace(value)

	switch {
	case strings.HasPrefix(reason, "is an unknown key") && !strings.Contains(reason, "did you mean"):
		return meant[key]
	case strings.Contains(reason, "lookahead") || strings.Contains(reason, "lookbehind"), strings.HasPrefix(value, "!/"):
		return exceptions
	case strings.HasPrefix(key, "unless") && strings.HasSuffix(reason, "want a list"):
		return "it is a list: write unless: [{path: {prefix: /metrics}}]"
	case !text.MatchString(reason):
		return ""
	}

	switch key {
	case "path":
		if value == "" {
			value = "/api"
		}
		return fmt.Sprintf("write path: {prefix: %s}, or exact, suffix or regex instead of prefix", value)
	case "host":
		return "write host: {exact: shop.example.com}, or prefix, suffix or regex instead of exact"
	case "rewrite":
		if !strings.HasPrefix(value, "/") {
			value = "/new"
		}
		return fmt.Sprintf("write rewrite: {path: %s}", value)
	case "redirect":
		return "write redirect: {status: 301, host: www.example.com, path: /new}, with what changes"
	case "respond":
		return "write respond: {status: 403}"
	case "selector":
		return "write selector: {app: NAME}"
	}

	return ""
}

// escaped is a variable of nginx after a dollar that is only text.
var escaped = regexp.MustCompile(`(?:^|[^$])(?:\$\$)+\{?((?:http|arg|cookie|sent_http|upstream_http)_[a-z0-9_]+|` +
	`(?:request_uri|request_method|document_uri|uri|query_string|args|is_args|host|` +
	`scheme|server_name|status|remote_addr|remote_user|proxy_add_x_forwarded_for)\b)`)

// dollars finds variables that are sent as text: $$ is what the chart says to
// write for a dollar, and a variable was meant.
func (l *linter) dollars() {
	l.config.VisitTexts(func(site rewrite.Site) {
		if m := escaped.FindStringSubmatch(site.Text); m != nil {
			l.find(Dollar, SeverityWarning, site.Path, site.Text, "$$"+m[1]+" sends the text $"+m[1]+": $$ is a dollar",
				"write it with one dollar: the error names the reference that is meant")
		}
	})
}

// misread gives the keys that YAML reads as something else than is written.
func misread(in *input.Input) (findings []Finding) {
	look := func(places *source.Map, workload string) {
		places.Misread("", func(path, written string, place source.Place) {
			read := path[strings.LastIndexByte(path, '.')+1:]
			findings = append(findings, Finding{Input: in.Name, Workload: workload, Path: path,
				Reason: "YAML reads the key " + written + " as " + read + ", and that is its name",
				Advice: fmt.Sprintf("put it in quotes: %q", written), File: place.File, Line: place.Line, Column: place.Column,
				Severity: SeverityWarning, Check: YAMLValue})
		})
	}
	if in.Places != nil {
		look(in.Places, "")
		return findings
	}

	for _, w := range in.Workloads {
		look(w.Places, w.Name)
	}

	return findings
}
