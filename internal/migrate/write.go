package migrate

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"

	"github.com/wasm-rewrite/wasm-rewrite/internal/migrate/plan"
)

// values writes the workloads that have rules, and reads them again: what was
// written is what was meant, or it is an error.
func (p *placer) values() ([]byte, error) {
	all := plan.Fields{}
	for _, w := range p.workloads {
		patterns := p.patterns(w)
		if !slices.ContainsFunc(patterns, func(p pattern) bool { return p.acts }) {
			continue
		}
		if err := p.sampled(patterns); err != nil {
			return nil, err
		}

		for i, part := range p.split(w, patterns) {
			name := w.name
			if i > 0 {
				name = p.name(w.name)
			}

			for _, one := range part {
				if one.acts {
					p.carried(one)
				}
			}

			p.where(name, w)

			fields := append(slices.Clone(w.target), plan.Field{Key: "patterns", Value: named(part)})
			all = append(all, plan.Field{Key: name, Value: fields})
		}
	}
	if len(all) == 0 {
		return nil, nil
	}

	meant := plan.Fields{{Key: "workloads", Value: all}}
	if p.policy {
		meant = append(plan.Fields{{Key: "delivery", Value: "EnvoyExtensionPolicy"}}, meant...)
	}

	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(meant); err != nil {
		return nil, err
	}

	text := seen(b.Bytes())
	if err := same(text, meant); err != nil {
		return nil, err
	}

	return text, nil
}

// where asks for what the input does not say of a gateway's Pods.
func (p *placer) where(name string, w *workload) {
	labels, ok := w.target.Get("selector").(plan.Fields)
	if !w.front || !ok {
		return
	}

	var pairs []string

	of := map[string]string{}
	for _, l := range labels {
		of[l.Key], _ = l.Value.(string)
		pairs = append(pairs, l.Key+"="+of[l.Key])
	}

	at, text := "workloads."+name, strings.Join(pairs, ",")

	namespaces := p.cluster.namespaces(of)
	switch {
	case w.guessed && len(namespaces) > 0:
		p.report.Differ(at, "selector", "the gateway that takes nginx's place is taken to be the one in the input, %s: if it is another, say --selector", text)
		p.report.Taken(at, nil)
	case w.guessed:
		p.report.Ask(at, "selector", "%s is a guess, the labels of Istio's own gateway: say those of the gateway that takes nginx's place with --selector", text)
	}

	switch len(namespaces) {
	case 0:
		p.report.Ask(at, "namespace", "no Service in the input has the Pods of %s, so their namespace is not known: add it (kubectl get service -A -o yaml), "+
			"or write %s.namespace. Without it they are looked for in the namespace of the release", text, at)
	case 1:
	default:
		p.report.Ask(at, "namespace", "Services in namespaces %s have Pods of %s: write one of them as %s.namespace, and the same workload for each other",
			strings.Join(namespaces, ", "), text, at)
	}
}

// seen escapes what somebody who reads the values would not see, or see turned around. All of it is in double quotes.
func seen(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if plan.Unseen(r) {
			fmt.Fprintf(&b, `\U%08X`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

// same reads values again and holds them against what was meant.
func same(text []byte, meant plan.Fields) error {
	var got map[string]any
	if err := kyaml.Unmarshal(text, &got, kyaml.DisallowUnknownFields); err != nil {
		return fmt.Errorf("what was written cannot be read again: %w", err)
	}
	if !reflect.DeepEqual(got, meant.Plain()) {
		return fmt.Errorf("what was written is not what was meant; please report the objects: %s", text)
	}
	return nil
}

// split makes parts of patterns that are too many for one filter, each with
// hosts of its own. Where they cannot be parted, those that are too many are
// left out and said.
func (p *placer) split(w *workload, patterns []pattern) [][]pattern {
	err := whole(patterns)
	if err == nil {
		return [][]pattern{patterns}
	}
	// The middle, moved on to where another host begins.
	at := len(patterns) / 2
	for at < len(patterns) && at > 0 && reflect.DeepEqual(patterns[at].hosts, patterns[at-1].hosts) {
		at++
	}

	// Envoy Gateway runs one policy of a target.
	apart := !p.policy && at > 0 && at < len(patterns) && !slices.ContainsFunc(patterns, func(p pattern) bool { return p.hosts == nil })
	if !apart {
		for _, one := range patterns {
			if one.acts {
				instead := fmt.Sprintf("give the hosts of workload %s workloads of their own", w.name)
				if p.policy {
					instead = "Envoy Gateway runs one policy of a target: make two of the route"
				}
				p.report.Leave(one.object, one.entry.route.Path, "too much for one filter (%v): %s", err, instead)
			}
		}
		return nil
	}

	return append(p.split(w, patterns[:at]), p.split(w, patterns[at:])...)
}

// whole compiles patterns together.
func whole(patterns []pattern) error {
	var list []plan.Fields
	for _, one := range named(patterns) {
		list = append(list, one.(plan.Fields))
	}
	return compiles(list...)
}

// Document is the report as comments, and the values.
func (r *Result) Document() []byte {
	var b bytes.Buffer
	comment(&b, 0, "Made by wasm-rewrite import.")

	groups := []struct {
		title string
		is    func(*plan.Object) bool
	}{
		{"Carried over with something to know, or in part", func(o *plan.Object) bool {
			return o.State == plan.Differs || o.State == plan.Part
		}},
		{"Left out", func(o *plan.Object) bool { return o.State == plan.Left }},
		{"Not ours", func(o *plan.Object) bool { return o.State == plan.NotOurs }},
		{"Carried over", func(o *plan.Object) bool { return o.State == plan.Carried }},
		{"Nothing to carry over", func(o *plan.Object) bool { return o.State == plan.Nothing }},
	}
	for _, g := range groups {
		first := true
		for _, o := range r.Report.Objects {
			if !g.is(o) {
				continue
			}
			if first {
				comment(&b, 0, g.title+":")
			}

			first = false
			comment(&b, 0, "- "+o.Name)

			for _, f := range o.Findings {
				comment(&b, 2, f.Kind+": "+f.Path+": "+f.Reason)
			}
			if len(o.TakeOut) > 0 {
				comment(&b, 2, "take out, once these rules are in force: "+strings.Join(o.TakeOut, ", "))
			}
		}
	}
	if len(r.Steps) > 0 {
		comment(&b, 0, "In this order:")
	}

	for i, s := range r.Steps {
		comment(&b, 0, fmt.Sprintf("%d. %s", i+1, s))
	}
	b.Write(r.Values)

	return b.Bytes()
}

// comment writes text as a comment of one line, whatever is in it.
func comment(b *bytes.Buffer, indent int, text string) {
	b.WriteString("# " + strings.Repeat(" ", indent))

	for _, r := range text {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == 0x85 || r == 0x2028 || r == 0x2029:
			b.WriteByte(' ')
		case r < ' ' || plan.Unseen(r) || r >= 0x7f && r < 0xa0 || r == 0xfffd || r == 0xfeff || r >= 0xfff0 && r <= 0xffff:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\n')
}
