package status

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// policy says whether an object is one of Envoy Gateway's, whose proxies differ
// from Istio's.
func (o *Object) policy() bool { return o.Kind == input.Policies.Kind }

// Verdict is what the controller says of a policy. It says nothing of what its
// proxies did.
type Verdict struct {
	// Fault is the reason of Accepted=False, such as Invalid or Conflicted; Message says more.
	Fault, Message string
	// Overridden says which routes have policies of their own instead.
	Overridden string
	// Seen says that the controller looked at the policy as it is now.
	Seen bool
}

// parsePolicy reads the one filter of the chart's policy.
func (o *Object) parsePolicy(u *unstructured.Unstructured) {
	filters, _, _ := unstructured.NestedSlice(u.Object, "spec", "wasm")
	for _, f := range filters {
		filter, ok := f.(map[string]any)
		if !ok {
			continue
		}

		text := func(fields ...string) string {
			s, _, _ := unstructured.NestedString(filter, fields...)
			return s
		}
		o.Plugin, o.Revision, o.Patterns = text("name"), text("config", "revision"), patternNames(filter["config"])
		if text("code", "type") == "HTTP" {
			o.URL, o.Module = text("code", "http", "url"), text("code", "http", "sha256")
			continue
		}

		o.URL = text("code", "image", "url")
		if _, digest, ok := strings.Cut(o.URL, "@sha256:"); ok {
			o.Module = digest
		}
	}

	o.readVerdict(u)
}

// readVerdict reads what the cluster alone knows of a policy, or the chart does
// not tell the gates.
func (o *Object) readVerdict(u *unstructured.Unstructured) {
	o.Verdict = verdictOf(u)

	filters, _, _ := unstructured.NestedSlice(u.Object, "spec", "wasm")
	for _, f := range filters {
		if filter, ok := f.(map[string]any); ok {
			o.FailOpen, _, _ = unstructured.NestedBool(filter, "failOpen")
		}
	}
}

// verdictOf reads the conditions of a policy. It has some for each Gateway that it
// is of, and one bad one is enough.
func verdictOf(u *unstructured.Unstructured) *Verdict {
	v := &Verdict{}

	ancestors, _, _ := unstructured.NestedSlice(u.Object, "status", "ancestors")
	for _, a := range ancestors {
		ancestor, _ := a.(map[string]any)

		conditions, _, _ := unstructured.NestedSlice(ancestor, "conditions")
		for _, c := range conditions {
			condition, _ := c.(map[string]any)
			text := func(field string) string { s, _ := condition[field].(string); return s }
			generation, _, _ := unstructured.NestedInt64(condition, "observedGeneration")
			if generation < u.GetGeneration() {
				continue
			}

			v.Seen = true
			switch {
			case text("type") == "Accepted" && text("status") == "False":
				v.Fault, v.Message = text("reason"), text("message")
			case text("type") == "Overridden" && text("status") == "True":
				v.Overridden = text("message")
			}
		}
	}

	return v
}

// judgeVerdict says what follows from what the controller says, where that decides.
func (o *Object) judgeVerdict(row Row) (decided Row, ok bool) {
	v := o.Verdict
	if v == nil || v.Fault == "" {
		return row, false
	}

	row.State, row.Refusal = Rejected, v.Fault+": "+v.Message
	switch v.Fault {
	case "Conflicted":
		row.Reason = "another policy has its target, and Envoy Gateway runs one of them: nothing of this one is in force"
		row.Advice = "put the patterns of both into one workload"
	case "Invalid":
		row.Reason = "the controller could not make a filter of it: its routes answer 500 to every request"
		if o.FailOpen {
			row.Reason = "the controller could not make a filter of it: its routes pass every request unrewritten"
		}

		row.Advice = "publish the module, or name one that is there; the controller asks again when an object that it watches " +
			"changes, such as the HTTPRoute, not by itself"

		if url := gaveUp.FindStringSubmatch(v.Message); url != nil {
			row.Reason += "; fetching the module failed so often that the controller does not ask for this URL again for an hour"
			row.Advice = anotherURL(url[1])
		}
	default:
		row.Reason = "the controller does not take the policy: nothing of it is in force"
		row.Advice = "the reason says what to fix; targetRefs are of the workload's namespace"
	}

	return row, true
}

// gaveUp is what Envoy Gateway says of a URL whose fetches failed more often than
// it allows (internal/wasm/httpserver.go, v1.9.1). No correction under the same
// URL is looked at then.
var gaveUp = regexp.MustCompile(`failed to get Wasm module (\S+) after \d+ attempts`)

// anotherURL says what makes the controller fetch a module that it does not ask
// for any more.
func anotherURL(url string) string {
	const restart = "restart the controller (`kubectl rollout restart deployment/envoy-gateway -n envoy-gateway-system`), which asks at once"
	if strings.HasPrefix(url, "oci://") {
		return "see that the image is there, then " + restart + "; or publish it in another repository, and name that one"
	}

	// The fragment is the chart's.
	url, _, _ = strings.Cut(url, "#")
	query := "?again"
	if strings.Contains(url, "?") {
		query = "&again"
	}

	return "see that the module is there, then give another URL, such as one with a query (" + url + query + "), or " + restart
}

// judgePolicy says what a proxy of Envoy Gateway does with a policy that the
// controller takes.
func judgePolicy(o *Object, p *Proxy) Row {
	row := o.row()
	t, err := p.told(o)
	if err != nil {
		return row.unknown(err)
	}

	revision, loaded := p.gauge(o)
	row.Revision.InForce = revision

	refusal := p.refusal(o)
	switch {
	case t.failure != "":
		row.State, row.Refusal = Refused, cmp.Or(refusal.text, t.failure)
		row.Reason = "the proxy refused the listener with these rules and goes on with what it had; no other change of the listener comes in either, " +
			"and a proxy that starts now " + o.without()
		row.Advice = refusal.advice(o)
	case t.filter == nil && o.Verdict != nil && o.Verdict.Overridden != "":
		row.State, row.Reason = Absent, "policies of routes are in force instead: "+o.Verdict.Overridden
		row.Advice = "a policy of a route replaces that of its Gateway whole; put the patterns into both"
	case t.filter == nil:
		row.State, row.Reason = Absent, "the proxy has not received this policy, so it rewrites nothing"
		row.Advice = "see that the controller is up, and that a listener of the Gateway takes the route"
	case !loaded:
		row.State, row.Refusal = Refused, refusal.text
		row.Reason = "the filter could not be loaded, and the proxy has no earlier one: it " + o.without()
		row.Advice = refusal.advice(o)
	case revision == o.Revision && t.revision() == o.Revision:
		row.State = InForce
	default:
		row.State = Outdated
		row.Reason = "the proxy keeps what it received before"
		row.Advice = "wait a moment and ask again; if it stays so, see that the controller is up, and that its log names no update that a proxy refused"
	}

	return row
}

// split says of each policy whose proxies differ that its answers do: a client
// meets one proxy or the other.
func split(rows []Row) {
	states := map[string][]string{}
	for _, row := range rows {
		if strings.HasPrefix(row.Object, input.Policies.Kind+" ") && (row.State == InForce || row.State == Refused || row.State == Outdated || row.State == Absent) {
			if is := string(row.State) + row.Revision.InForce; !slices.Contains(states[row.Object], is) {
				states[row.Object] = append(states[row.Object], is)
			}
		}
	}

	for i := range rows {
		if row := &rows[i]; len(states[row.Object]) > 1 && row.State != InForce {
			row.Reason += "; the proxies are split: a request is answered by the rules of the one that it meets"
		}
	}
}
