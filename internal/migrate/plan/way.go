package plan

import "slices"

// Way is one by which requests come to proxies. Rules tell http from https, and
// no way from another one of the same scheme.
type Way struct {
	Of     string // a Gateway, a class of Ingresses, the mesh
	At     string // a listener of it; "" is all of it
	Scheme string // http, https, or "" where it may be both
	Mesh   bool
	// Leaving: its requests will come by another way.
	Leaving bool
}

func (w Way) String() string {
	if w.At == "" {
		return w.Of
	}
	return w.At + " of " + w.Of
}

// Holds reports whether all that comes by another way comes by this one.
func (w Way) Holds(o Way) bool {
	return w.Of == o.Of && (w.At == "" || w.At == o.At) && (w.Scheme == "" || w.Scheme == o.Scheme)
}

// Via gives the ways by which requests come that a route of the host is tried with.
func (v *VHost) Via(r *Route) []Way {
	if ways := v.via[r]; ways != nil {
		return ways
	}
	return v.Ways
}

// Comes says that requests that come by a way are tried with some of the routes.
func (v *VHost) Comes(by Way, routes ...*Route) {
	if v.via == nil {
		v.via = map[*Route][]Way{}
	}

	for _, r := range routes {
		if !slices.Contains(v.via[r], by) {
			v.via[r] = append(v.via[r], by)
		}
	}
	if !slices.Contains(v.Ways, by) {
		v.Ways = append(v.Ways, by)
	}
}

// join gives the routes of two VHosts of one name, each by the ways that it has.
func (v *VHost) join(o *VHost) VHost {
	all := VHost{Names: v.Names, Scheme: v.Scheme, Services: v.Services}
	for _, of := range []*VHost{v, o} {
		for _, r := range of.Routes {
			for _, way := range of.Via(r) {
				all.Comes(way, r)
			}
		}

		for _, way := range of.Ways {
			all.Comes(way)
		}
	}

	self := func(r *Route) *Route { return r }
	all.Routes = Merge(v.Routes, o.Routes, self, self, func(_, _ *Route) {})

	return all
}

// Merge puts two lists together so that what comes first in either one comes
// first: what both have is where the first has it. exact says which are one, so
// that twice is told of them; what is near but not one stays in both.
func Merge[T any, K, N comparable](a, b []T, exact func(T) K, near func(T) N, twice func(first, second T)) []T {
	at, beside := map[K]int{}, map[N]int{}
	for i, one := range slices.Backward(a) {
		at[exact(one)], beside[near(one)] = i, i
	}

	// What comes before a place of the first, last things first.
	before := make([][]T, len(a)+1)
	place := len(a)

	for _, one := range slices.Backward(b) {
		if i, ok := at[exact(one)]; ok {
			twice(a[i], one)

			place = i
			continue
		}
		if i, ok := beside[near(one)]; ok {
			place = i
		}

		before[place] = append(before[place], one)
	}

	var all []T
	for i := range before {
		for _, one := range slices.Backward(before[i]) {
			all = append(all, one)
		}
		if i < len(a) {
			all = append(all, a[i])
		}
	}

	return all
}
