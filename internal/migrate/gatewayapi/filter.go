package gatewayapi

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/shape"
)

// Filter is an HTTPRouteFilter of Envoy Gateway 1.9. Its own module brings a
// whole controller with it.
type Filter struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec FilterSpec `json:"spec"`
}

// FilterSpec is what the filter does.
type FilterSpec struct {
	URLRewrite          *FilterRewrite    `json:"urlRewrite,omitempty"`
	DirectResponse      *FilterAnswer     `json:"directResponse,omitempty"`
	CredentialInjection *FilterCredential `json:"credentialInjection,omitempty"`
	// Matches narrow the rule down to requests with some cookies.
	Matches []FilterMatch `json:"matches,omitempty"`
}

// FilterRewrite is a rewrite by regex, or of the host.
type FilterRewrite struct {
	Path                 *FilterPath `json:"path,omitempty"`
	Hostname             *FilterHost `json:"hostname,omitempty"`
	AppendXForwardedHost *bool       `json:"appendXForwardedHost,omitempty"`
}

// FilterPath is a new path.
type FilterPath struct {
	Type              string       `json:"type"`
	ReplaceRegexMatch *FilterRegex `json:"replaceRegexMatch,omitempty"`
}

// FilterRegex is a regex and what takes the place of what it takes.
type FilterRegex struct {
	Pattern      string `json:"pattern"`
	Substitution string `json:"substitution"`
}

// FilterHost is a new host.
type FilterHost struct {
	Type      string       `json:"type"`
	Header    *string      `json:"header,omitempty"`
	PathRegex *FilterRegex `json:"pathRegex,omitempty"`
}

// FilterAnswer is a direct response.
type FilterAnswer struct {
	StatusCode  *int                      `json:"statusCode,omitempty"`
	ContentType *string                   `json:"contentType,omitempty"`
	Body        *FilterBody               `json:"body,omitempty"`
	Header      *gateway.HTTPHeaderFilter `json:"header,omitempty"`
}

// FilterBody is the body of an answer, or where it is.
type FilterBody struct {
	Type     *string                       `json:"type"`
	Inline   *string                       `json:"inline,omitempty"`
	ValueRef *gateway.LocalObjectReference `json:"valueRef,omitempty"`
}

// FilterCredential is a header with a secret.
type FilterCredential struct {
	Header     *string `json:"header,omitempty"`
	Overwrite  *bool   `json:"overwrite,omitempty"`
	Credential struct {
		ValueRef gateway.SecretObjectReference `json:"valueRef"`
	} `json:"credential"`
}

// FilterMatch is a condition on cookies.
type FilterMatch struct {
	Cookies []struct {
		Type  *string `json:"type,omitempty"`
		Name  string  `json:"name"`
		Value string  `json:"value"`
	} `json:"cookies,omitempty"`
}

// CheckFilter finds what the schema of an HTTPRouteFilter refuses and its type
// does not.
func CheckFilter(o *Filter) (faults []shape.Fault) {
	want := func(at string, is bool, reason string, args ...any) {
		if !is {
			faults = append(faults, shape.Fault{Path: "spec." + at, Reason: fmt.Sprintf(reason, args...)})
		}
	}
	const missing = "is missing: its type wants it"

	if u := o.Spec.URLRewrite; u != nil {
		if p := u.Path; p != nil {
			want("urlRewrite.path.type", p.Type == "ReplaceRegexMatch", "%q is not ReplaceRegexMatch", p.Type)
			want("urlRewrite.path.replaceRegexMatch.pattern", p.ReplaceRegexMatch != nil && p.ReplaceRegexMatch.Pattern != "", missing)
		}
		if h := u.Hostname; h != nil {
			want("urlRewrite.hostname.type", h.Type == "Header" || h.Type == "Backend" || h.Type == "PathRegex",
				"%q is none of Header, Backend and PathRegex", h.Type)
			want("urlRewrite.hostname.header", h.Type != "Header" || h.Header != nil && *h.Header != "", missing)
			want("urlRewrite.hostname.pathRegex", h.Type != "PathRegex" || h.PathRegex != nil, missing)
		}
	}
	if d := o.Spec.DirectResponse; d != nil {
		want("directResponse.statusCode", d.StatusCode == nil || *d.StatusCode >= 100 && *d.StatusCode <= 599,
			"wants a status from 100 to 599, and has %d", deref(d.StatusCode))
		if b := d.Body; b != nil {
			kind := deref(b.Type)
			want("directResponse.body.type", kind == "" || kind == "Inline" || kind == "ValueRef", "%q is neither Inline nor ValueRef", kind)
			want("directResponse.body.inline", kind == "ValueRef" || b.Inline != nil, missing)
			want("directResponse.body.valueRef", kind != "ValueRef" || b.ValueRef != nil, missing)
		}
	}

	return faults
}

// deref is what a pointer leads to, or nothing.
func deref[T any](p *T) (of T) {
	if p != nil {
		of = *p
	}
	return of
}
