package gatewayapi

import gateway "sigs.k8s.io/gateway-api/apis/v1"

// rankOfEnvoyGateway is the place of a match among those of a host, as its
// controller sorts them: an exact path first, then a regex, then a prefix, each
// by its length, with its slash at the end; then the most headers, a method
// among them, and the most parameters, of as many those that are exact.
func rankOfEnvoyGateway(in gateway.HTTPRouteMatch) []int {
	kind, length := 1, 0
	if p := in.Path; p != nil && p.Value != nil && *p.Value != "/" {
		length = len(*p.Value)
	}
	if p := in.Path; p != nil && p.Type != nil {
		switch *p.Type {
		case gateway.PathMatchExact:
			kind = 3
		case gateway.PathMatchRegularExpression:
			kind = 2
		}
	}

	headers, exactHeaders := len(in.Headers), 0
	if in.Method != nil {
		headers, exactHeaders = headers+1, 1
	}

	for _, h := range in.Headers {
		if h.Type == nil || *h.Type == gateway.HeaderMatchExact {
			exactHeaders++
		}
	}

	exactQuery := 0
	for _, q := range in.QueryParams {
		if q.Type == nil || *q.Type == gateway.QueryParamMatchExact {
			exactQuery++
		}
	}

	return []int{kind, length, headers, exactHeaders, len(in.QueryParams), exactQuery}
}

// Extended reports whether a route has a filter of some API group.
func Extended(o *gateway.HTTPRoute, group string) bool {
	for _, rule := range o.Spec.Rules {
		for _, f := range rule.Filters {
			if f.ExtensionRef != nil && string(f.ExtensionRef.Group) == group {
				return true
			}
		}
	}
	return false
}
