package gatewayapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/shape"
)

// Check finds what the schema of an HTTPRoute refuses and its type does not: a
// filter without what its type names.
func Check(o *gateway.HTTPRoute) (faults []shape.Fault) {
	word := func(at, has string, words ...string) {
		if !slices.Contains(words, has) {
			faults = append(faults, shape.Fault{Path: at, Reason: fmt.Sprintf("%q is none of %s", has, strings.Join(words, ", "))})
		}
	}
	missing := func(at, field string, is bool) {
		if is {
			faults = append(faults, shape.Fault{Path: at + "." + field, Reason: "is missing: the filter's type wants it"})
		}
	}
	modifier := func(at string, p *gateway.HTTPPathModifier) {
		if p == nil {
			return
		}

		switch p.Type {
		case gateway.FullPathHTTPPathModifier:
			missing(at, "replaceFullPath", p.ReplaceFullPath == nil)
		case gateway.PrefixMatchHTTPPathModifier:
			missing(at, "replacePrefixMatch", p.ReplacePrefixMatch == nil)
		default:
			faults = append(faults, shape.Fault{Path: at + ".type", Reason: fmt.Sprintf("%q is neither ReplaceFullPath nor ReplacePrefixMatch", p.Type)})
		}
	}

	all := func(at string, filters []gateway.HTTPRouteFilter) {
		for i, f := range filters {
			at := fmt.Sprintf("%s.filters[%d]", at, i)
			switch f.Type {
			case gateway.HTTPRouteFilterURLRewrite:
				missing(at, "urlRewrite", f.URLRewrite == nil)
				if f.URLRewrite != nil {
					modifier(at+".urlRewrite.path", f.URLRewrite.Path)
				}
			case gateway.HTTPRouteFilterRequestRedirect:
				missing(at, "requestRedirect", f.RequestRedirect == nil)
				if r := f.RequestRedirect; r != nil {
					redirectWords(at+".requestRedirect", r, word)
					modifier(at+".requestRedirect.path", r.Path)
				}
			case gateway.HTTPRouteFilterRequestHeaderModifier:
				missing(at, "requestHeaderModifier", f.RequestHeaderModifier == nil)
			case gateway.HTTPRouteFilterResponseHeaderModifier:
				missing(at, "responseHeaderModifier", f.ResponseHeaderModifier == nil)
			case gateway.HTTPRouteFilterExtensionRef:
				missing(at, "extensionRef", f.ExtensionRef == nil)
			}
		}
	}
	for i, rule := range o.Spec.Rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		all(at, rule.Filters)
		matchTypes(at, rule.Matches, word)

		for j, b := range rule.BackendRefs {
			all(fmt.Sprintf("%s.backendRefs[%d]", at, j), b.Filters)
		}
	}

	return faults
}

// redirectWords looks at the words of a redirect.
func redirectWords(at string, r *gateway.HTTPRequestRedirectFilter, word func(at, has string, words ...string)) {
	if r.StatusCode != nil {
		word(at+".statusCode", strconv.Itoa(*r.StatusCode), "301", "302", "303", "307", "308")
	}
	if r.Scheme != nil {
		word(at+".scheme", *r.Scheme, "http", "https")
	}
}

// matchTypes looks at the words of matches, of which a wrong one would be taken
// for the default.
func matchTypes(at string, matches []gateway.HTTPRouteMatch, word func(at, has string, words ...string)) {
	const exact, regex = "Exact", "RegularExpression"
	for i, m := range matches {
		at := fmt.Sprintf("%s.matches[%d]", at, i)
		if m.Path != nil && m.Path.Type != nil {
			word(at+".path.type", string(*m.Path.Type), exact, "PathPrefix", regex)
		}

		for j, h := range m.Headers {
			if h.Type != nil {
				word(fmt.Sprintf("%s.headers[%d].type", at, j), string(*h.Type), exact, regex)
			}
		}

		for j, q := range m.QueryParams {
			if q.Type != nil {
				word(fmt.Sprintf("%s.queryParams[%d].type", at, j), string(*q.Type), exact, regex)
			}
		}
	}
}
