package route

import (
	"slices"
	"strings"
)

// security is a SecurityPolicy of Envoy Gateway on a route, or on one of its rules.
type security struct {
	name  string // SecurityPolicy shop/keys
	route string // HTTPRoute shop/main
	rule  string // its name; empty for all
}

func (t *Table) securityPolicy(metadata, spec map[string]any) {
	namespace := text(metadata["namespace"])
	targets := list(spec["targetRefs"])
	if one := spec["targetRef"]; one != nil {
		targets = append(targets, one)
	}

	for _, ref := range targets {
		ref := object(ref)
		if ref["kind"] != "HTTPRoute" {
			continue
		}

		t.secured = append(t.secured, security{
			name:  "SecurityPolicy " + strings.TrimPrefix(namespace+"/"+text(metadata["name"]), "/"),
			route: "HTTPRoute " + strings.TrimPrefix(namespace+"/"+text(ref["name"]), "/"),
			rule:  text(ref["sectionName"]),
		})
	}
}

// Security names the SecurityPolicy of Envoy Gateway that a route has of its own, or "". That of a rule is before that of
// the whole route. named is what For gave.
func (t *Table) Security(named string) (found string) {
	i := slices.IndexFunc(t.routes, func(r route) bool { return r.name == named })
	if i < 0 {
		return ""
	}

	r := t.routes[i]
	for _, s := range t.secured {
		switch {
		case !strings.HasPrefix(named, s.route+", "):
		case s.rule != "" && s.rule == r.rule:
			return s.name
		case s.rule == "" && found == "":
			found = s.name
		}
	}

	return found
}
