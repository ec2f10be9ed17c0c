package istio

import (
	"fmt"
	"strings"

	api "istio.io/api/networking/v1alpha3"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// left names everything that a route changes which is left out, where that is
// more than what its reason names.
func (m *model) left(at string, r *api.HTTPRoute, one *plan.Route) {
	if !one.Left {
		return
	}

	var fields []string
	for _, f := range []struct {
		name string
		is   bool
	}{
		{"redirect", r.Redirect != nil},
		{"directResponse", r.DirectResponse != nil},
		{"rewrite.uri", r.Rewrite.GetUri() != ""},
		{"rewrite.uriRegexRewrite", r.Rewrite.GetUriRegexRewrite() != nil},
		{"rewrite.authority", r.Rewrite.GetAuthority() != ""},
		{"headers", r.Headers != nil},
	} {
		if f.is {
			fields = append(fields, f.name)
		}
	}

	for i, d := range r.Route {
		if d.Headers != nil {
			fields = append(fields, fmt.Sprintf("route[%d].headers", i))
		}
	}

	if len(fields) > 1 {
		m.report.Leave(one.Object, one.Path, "so none of this is in the values for it: %s of %s", strings.Join(fields, ", "), at)
	}
}
