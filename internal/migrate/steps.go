package migrate

// steps says in which order to go on, so that no request is rewritten twice or
// not at all.
func (m *migration) steps(any bool) (steps []string) {
	if !any {
		return nil
	}
	if len(m.fronts) > 0 {
		return m.frontSteps()
	}
	if len(m.ingresses) > 0 {
		steps = append(steps, "Write the routes of the Ingresses, without rewrites and redirects, as HTTPRoute or VirtualService: the same hosts and "+
			"paths to the same Services. Do not send traffic there yet.")
	}

	switch {
	case m.options.At == Gateway && len(m.virtual)+len(m.routes) > 0:
		steps = append(steps, "Install these values. The rules come before the routes: what they send to a route that still rewrites or adds headers gets "+
			"both until these are taken out, so go on at once.")
	case m.options.At == Gateway:
		steps = append(steps, "Install these values. What comes by ingress-nginx does not come by them.")
	case m.unsafe:
		steps = append(steps, "Install these values. They leave alone what the old rewrites have changed, so both may be in force, but for the routes of "+
			"which a question says that they must not.")
	case m.options.Moving:
		steps = append(steps, "Install these values. They leave alone what the old rewrites have changed, so both may be in force.")
	default:
		steps = append(steps, "Import with --moving and install that first: it leaves alone what the old rewrites have changed, so both may be in "+
			"force. These values come last.")
	}

	steps = append(steps, "Wait until `wasm-rewrite status -A RELEASE --wait 60s` says that every proxy has the rules.")
	if len(m.virtual)+len(m.routes) > 0 {
		steps = append(steps, "Take out of each object what is named with it. A redirect or direct response may stay: the rules answer before it.")
	}
	if len(m.ingresses) > 0 {
		steps = append(steps, "Send the traffic from ingress-nginx to the new gateway, then delete the Ingresses.")
	}

	switch {
	case m.options.At == Gateway:
		return steps
	case m.options.Moving:
		return append(steps, "Install the values of an import without --moving, which was made before anything was taken out.")
	default:
		return append(steps, "Install these values.")
	}
}
