package status

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/terminal"
)

// settling is how long after a change a proxy may well not have it yet: istiod
// has to push it, and the agent to fetch a module.
const settling = 15 * time.Second

// changed is when somebody wrote an object last, as the API server noted it.
func changed(u *unstructured.Unstructured) time.Time {
	last := u.GetCreationTimestamp().Time
	for _, entry := range u.GetManagedFields() {
		if entry.Time != nil && entry.Subresource == "" && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// early says of rows that are not in force how young what they ask for is.
func early(rows []Row, objects []*Object, now time.Time) {
	for i := range rows {
		row := &rows[i]
		at := slices.IndexFunc(objects, func(o *Object) bool { return o.String() == row.Object })
		if at < 0 || objects[at].Changed.IsZero() || !slices.Contains([]State{Absent, Outdated, Refused, DenyAll, AllowAll}, row.State) {
			continue
		}

		age := max(0, now.Sub(objects[at].Changed))
		if age >= settling {
			continue
		}

		seconds := "less than a second"
		if n := int(age / time.Second); n > 0 {
			seconds = terminal.Count(n, "second")
		}

		row.Reason = fmt.Sprintf("the object was written %s ago, and proxies follow within seconds; now: %s", seconds, row.Reason)
		row.Advice = "ask again, or wait for it with --wait 60s; if it stays so: " + row.Advice
	}
}

// Wait asks until everything is in force, at most for so long, and gives the
// last answer. A cluster that answered once is asked again where it does not.
func (c *Cluster) Wait(ctx context.Context, most time.Duration) (*Report, error) {
	end := time.Now().Add(most)
	r, err := c.Ask(ctx)
	if err != nil {
		return nil, err
	}

	for {
		if err == nil {
			if fine, asked := r.Fine(); fine && asked == nil {
				return r, nil
			}
		}
		if time.Until(end) < between {
			return r, err
		}

		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(between):
		}

		r, err = c.Ask(ctx)
	}
}

// between is the time between two questions to a cluster.
const between = time.Second
