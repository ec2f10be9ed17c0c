package mesh_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/testbed"
)

// load is constant traffic: a few hundred requests a second over kept connections, each answer counted.
type load struct{ *testbed.Load }

// startLoad asks v1 for the path of the seed until finish, and counts statuses.
func (s *space) startLoad() load {
	s.Helper()
	return s.startLoadOf("/banana/418", func(a answer) string { return fmt.Sprint(a.StatusCode) })
}

// startLoadOf asks v1 for a path until finish, and counts what tell says of each answer.
func (s *space) startLoadOf(path string, tell func(answer) string) load {
	s.Helper()

	ask := func() string {
		a, err := s.get("v1", path)
		if err != nil {
			return err.Error()
		}
		return tell(a)
	}

	return load{testbed.StartLoad(s, func() func() string { return ask })}
}

// finish ends the traffic and fails the test if an answer was not one of allowed: statuses, or what tell says.
func (l load) finish(s *space, allowed ...any) {
	s.Helper()

	answers, total, lost := l.End(), 0, 0

	var all []string
	for _, what := range slices.Sorted(maps.Keys(answers)) {
		n := answers[what]
		total += n
		if !slices.ContainsFunc(allowed, func(a any) bool { return what == fmt.Sprint(a) }) {
			lost += n
		}

		all = append(all, fmt.Sprintf("%d × %s", n, what))
	}
	s.Logf("%d requests: %s", total, strings.Join(all, ", "))
	if total < 50 {
		s.Errorf("%d requests are no load", total)
	}
	if lost > 0 {
		s.Errorf("%d of %d requests were lost", lost, total)
	}
}

const teapot, notFound = http.StatusTeapot, http.StatusNotFound
