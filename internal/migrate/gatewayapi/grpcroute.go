package gatewayapi

import (
	"fmt"

	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// LeaveGRPC says of the filters of a GRPCRoute that they are not carried over:
// one without any changes no request.
func LeaveGRPC(o *gateway.GRPCRoute, report *plan.Report) {
	name := "GRPCRoute " + plan.Service{Namespace: o.Namespace, Name: o.Name}.String()
	report.Object(name)

	leave := func(at string, filters []gateway.GRPCRouteFilter) {
		for i, f := range filters {
			if f.Type != gateway.GRPCRouteFilterRequestMirror {
				report.Leave(name, fmt.Sprintf("%s.filters[%d]", at, i), "%s of a GRPCRoute is not carried over: keep it here, or write a pattern "+
					"for it, whose match.path is /SERVICE/METHOD", f.Type)
			}
		}
	}

	for i, rule := range o.Spec.Rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		leave(at, rule.Filters)

		for j, b := range rule.BackendRefs {
			leave(fmt.Sprintf("%s.backendRefs[%d]", at, j), b.Filters)
		}
	}
}
