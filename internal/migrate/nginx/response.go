package nginx

import (
	"regexp"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// responses reads what nginx changes in the backend's answers: the beginning of
// Location, and the path and domain of cookies.
func (r *reader) responses(s *settings) {
	var edits []any

	from, to := r.take("proxy-redirect-from"), r.take("proxy-redirect-to")
	switch {
	case from == "" || from == "off":
	case from == "default":
		r.report.Differ(r.object, annotation(prefix+"proxy-redirect-from"), "default changes the backend's own address only, which a mesh never shows")
	case to == "" || to == "off":
	default:
		edits = r.replace(edits, "proxy-redirect-from", "location", "^", from, "", to)
	}
	if path := r.take("proxy-cookie-path"); path != "" && path != "off" {
		if from, to, ok := strings.Cut(path, " "); ok {
			edits = r.replace(edits, "proxy-cookie-path", "set-cookie", `(?i)(;\s*path=)(?-i)`, from, "$1", strings.TrimSpace(to))
		} else {
			r.report.Leave(r.object, annotation(prefix+"proxy-cookie-path"), "%q is not two paths", path)
		}
	}
	if domain := r.take("proxy-cookie-domain"); domain != "" && domain != "off" {
		edits = r.cookieDomain(edits, domain)
	}

	s.headers = plan.Fields{}.With("replace", edits)
}

// cookieDomain adds the edit of a cookie's domain, which has to be the whole of
// it.
func (r *reader) cookieDomain(edits []any, domain string) []any {
	from, to, ok := strings.Cut(domain, " ")
	if !ok {
		r.report.Leave(r.object, annotation(prefix+"proxy-cookie-domain"), "%q is not two domains", domain)
		return edits
	}

	edits = r.replace(edits, "proxy-cookie-domain", "set-cookie", `(?i)(;\s*domain=)\.?`, strings.TrimPrefix(from, "."), "$1", strings.TrimSpace(to))
	if edits == nil {
		return nil
	}

	last, _ := edits[len(edits)-1].(plan.Fields)
	if regex, _ := last.Get("regex").(string); strings.HasPrefix(regex, `(?i)(;\s*domain=)`) {
		edits[len(edits)-1] = last.Put("regex", regex+`(\s*(?:;|$))`).Put("replacement", last.Get("replacement").(string)+"$2")
	}

	return edits
}

// replace adds one edit of a response header: from, literal text behind a
// regex, becomes to.
func (r *reader) replace(edits []any, key, header, before, from, kept, to string) []any {
	if strings.HasPrefix(from, "~") || strings.Contains(from, "$") {
		r.report.Leave(r.object, annotation(prefix+key), "%q is a regex or a variable of nginx: write headers.response.replace by hand", from)
		return edits
	}

	text, err := variables(to, 0, nil)
	if err != nil {
		r.report.Leave(r.object, annotation(prefix+key), "%q: %v: write headers.response.replace by hand", to, err)
		return edits
	}

	return append(edits, plan.Fields{{Key: "name", Value: header}, {Key: "regex", Value: before + regexp.QuoteMeta(from)},
		{Key: "replacement", Value: kept + text}})
}
