package istio

import (
	"maps"
	"strings"

	"google.golang.org/protobuf/proto"
	api "istio.io/api/networking/v1alpha3"
)

// merge gives a delegate's route under the conditions of its root, or nil where
// both cannot hold: what the delegate says itself counts first.
func merge(root, leaf *api.HTTPRoute) *api.HTTPRoute {
	out := proto.Clone(leaf).(*api.HTTPRoute)
	switch {
	case len(leaf.Match) == 0:
		out.Match = root.Match
	case len(root.Match) > 0:
		out.Match = nil
		for _, l := range leaf.Match {
			found := false
			for _, r := range root.Match {
				if !apart(r, l) {
					out.Match = append(out.Match, together(r, l))
					found = true
				}
			}
			if !found {
				return nil
			}
		}
	}
	if out.Rewrite == nil {
		out.Rewrite = root.Rewrite
	}
	if out.DirectResponse == nil {
		out.DirectResponse = root.DirectResponse
	}
	if out.Headers == nil {
		out.Headers = root.Headers
	}

	return out
}

func together(root, leaf *api.HTTPMatchRequest) *api.HTTPMatchRequest {
	out := proto.Clone(leaf).(*api.HTTPMatchRequest)
	for _, one := range []struct{ to, from **api.StringMatch }{
		{&out.Uri, &root.Uri}, {&out.Scheme, &root.Scheme}, {&out.Method, &root.Method}, {&out.Authority, &root.Authority},
	} {
		if *one.to == nil {
			*one.to = *one.from
		}
	}

	for _, one := range []struct {
		to   *map[string]*api.StringMatch
		from map[string]*api.StringMatch
	}{{&out.Headers, root.Headers}, {&out.WithoutHeaders, root.WithoutHeaders}, {&out.QueryParams, root.QueryParams}} {
		all := maps.Clone(one.from)
		if all == nil {
			all = map[string]*api.StringMatch{}
		}
		maps.Copy(all, *one.to)
		*one.to = all
	}
	if out.Port == 0 {
		out.Port = root.Port
	}
	if len(out.SourceLabels) == 0 {
		out.SourceLabels = root.SourceLabels
	}
	if out.SourceNamespace == "" {
		out.SourceNamespace = root.SourceNamespace
	}
	if len(out.Gateways) == 0 {
		out.Gateways = root.Gateways
	}

	return out
}

// apart reports whether no request fits both, as istiod decides it.
func apart(root, leaf *api.HTTPMatchRequest) bool {
	differ := clash(root.Uri, leaf.Uri) || clash(root.Scheme, leaf.Scheme) || clash(root.Method, leaf.Method) || clash(root.Authority, leaf.Authority)
	for _, pair := range [][2]map[string]*api.StringMatch{{root.Headers, leaf.Headers}, {root.WithoutHeaders, leaf.WithoutHeaders},
		{root.QueryParams, leaf.QueryParams}} {
		for name, value := range pair[1] {
			differ = differ || clash(pair[0][name], value)
		}
	}
	return differ || root.IgnoreUriCase != leaf.IgnoreUriCase || root.Port > 0 && leaf.Port > 0 && root.Port != leaf.Port
}

// clash reports whether a delegate's matcher is not within its root's.
func clash(root, leaf *api.StringMatch) bool {
	switch {
	case root == nil || leaf == nil:
		return false
	case root.GetRegex() != "" || leaf.GetRegex() != "":
		return true
	case root.GetExact() != "":
		return leaf.GetExact() != root.GetExact()
	case root.GetPrefix() != "" && leaf.GetPrefix() != "":
		return !strings.HasPrefix(leaf.GetPrefix(), root.GetPrefix())
	case root.GetPrefix() != "" && leaf.GetExact() != "":
		return !strings.HasPrefix(leaf.GetExact(), root.GetPrefix())
	}

	return true
}
