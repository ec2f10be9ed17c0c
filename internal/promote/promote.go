// Package promote copies what may be promoted from one environment to the next: only what runs there, and only once the
// tests of the target pass with it.
package promote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/wasm-rewrite/wasm-rewrite/internal/change"
	"github.com/wasm-rewrite/wasm-rewrite/internal/environment"
	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// Promotion says what is promoted.
type Promotion struct {
	Root        string // the folder of the environments
	Workload    string // only the rules of this workload
	ReleaseOnly bool
	Argo        *Argo // nil: it is not asked whether FROM runs what is copied
	Trial       change.Trial
}

// Run promotes, and reports whether there was nothing in its way that the author has to fix.
func (p *Promotion) Run(ctx context.Context, fromName, toName string) (fine bool, err error) {
	from, err := environment.Read(p.Root, fromName)
	if err != nil {
		return false, err
	}

	to, err := environment.Read(p.Root, toName)
	if err != nil {
		return false, err
	}
	if err := step(from, to); err != nil {
		return false, err
	}

	// What the target would be.
	next, err := p.copied(from, to)
	if err != nil {
		return false, err
	}
	if next.SamePromoted(to) {
		fmt.Fprintf(p.Trial.Out, "%s has it all already: there is nothing to promote\n", toName)
		return true, nil
	}
	if faults := next.Faults(); faults != nil {
		return false, errors.Join(faults...)
	}

	// Only what runs in one environment, and works in the next.
	if p.Argo != nil {
		if err := p.Argo.Served(ctx, from.Name, p.sources(from)); err != nil {
			return false, err
		}
	}

	p.Trial.Only = p.Workload
	passed, err := p.Trial.Run(ctx, to, next)
	if err != nil {
		return false, err
	}
	if !passed {
		fmt.Fprintf(p.Trial.Out, "nothing was copied to %s\n", to.Dir)
		return false, nil
	}

	if err := next.Write(p.Root); err != nil {
		return false, err
	}
	fmt.Fprintf(p.Trial.Out, "copied to %s; look at git diff, commit and push\n", to.Dir)

	return true, nil
}

// step refuses to leave out an environment.
func step(from, to *environment.Environment) error {
	switch before := to.Place.Global.PromotedFrom; {
	case before == "":
		return fmt.Errorf("%s: nothing is promoted to %s, changes begin there; write global.promotedFrom in %s where that is wrong", to.Name, to.Name,
			to.File("place.yaml"))
	case before != from.Name:
		return fmt.Errorf("%s: takes from %s, not from %s: promote to %[2]s first, or correct global.promotedFrom in %[4]s", to.Name, terminal.Line(before),
			from.Name, to.File("place.yaml"))
	}
	return nil
}

// copied is the target with what is promoted.
func (p *Promotion) copied(from, to *environment.Environment) (*environment.Environment, error) {
	rules, release := maps.Clone(to.Rules), to.Release
	switch {
	case p.ReleaseOnly:
		release = from.Release
	case p.Workload != "":
		file, ok := from.Rules[p.Workload]
		if _, there := to.Rules[p.Workload]; !ok && !there {
			known := slices.Sorted(maps.Keys(from.Rules))
			return nil, fmt.Errorf("--workload %s: neither %s nor %s has rules of it; %s has %s", p.Workload, from.Name, to.Name, from.Name, terminal.List(known))
		}
		delete(rules, p.Workload)
		if ok {
			rules[p.Workload] = file
		}
	default:
		rules, release = from.Rules, from.Release
	}

	return to.With(rules, release)
}

// sources are the files and folders that are copied.
func (p *Promotion) sources(from *environment.Environment) []string {
	switch {
	case p.ReleaseOnly:
		return []string{from.File("release.yaml")}
	case p.Workload != "":
		return []string{from.File("rules", p.Workload+".yaml")}
	}
	return []string{from.File("release.yaml"), from.File("rules")}
}
