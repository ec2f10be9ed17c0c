package mesh_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/rewrite"
	"github.com/wasm-rewrite/wasm-rewrite/test/internal/wire"
)

// A connection from the gateway to a sidecar that was open before keeps the old filters for one more request, and ends
// with it. The gateway keeps no more of them than there were requests at a time.
func TestAConnectionThatWasOpenServesOneMoreRequestByTheOldRules(t *testing.T) {
	t.Parallel()
	const clients = 4
	s := newSpace(t, nil, nil)
	image := s.image()
	address := strings.TrimPrefix(bed.Gateway, "http://")
	request := wire.Message{Start: "GET", Target: "/banana/418", Headers: []rewrite.Header{{Name: ":authority", Value: "v1." + s.name + ".example"}}}

	// All at once, so that the gateway opens as many connections.
	fill := func() {
		slow := request
		slow.Target = "/delay/1"

		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				if _, err := wire.Exchange(t.Context(), wire.HTTP1, address, slow); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}

	// One after the other, as many times as there are connections and some times more.
	old := func(before int) (n int) {
		t.Helper()

		for i := range 3 * clients {
			m, err := wire.Exchange(t.Context(), wire.HTTP1, address, request)
			if err != nil {
				t.Fatal(err)
			}
			if m.Start != fmt.Sprint(before) {
				continue
			}
			if n++; i > clients {
				t.Errorf("request %d after the change is still answered %d", i+1, before)
			}
		}

		return n
	}

	fill()

	r := s.release(s.name, onlyV1, image)
	s.inForce()

	installed := old(notFound)

	fill()
	r.uninstall()
	s.until(func() error {
		if out := s.kubectlOutput("exec", "deployment/httpbin-v1", "--container=istio-proxy", "--", "pilot-agent", "request", "GET",
			"config_dump?resource=dynamic_listeners"); strings.Contains(out, r.name) {
			return fmt.Errorf("a listener still has the filter of %s", r.name)
		}
		return nil
	})

	uninstalled := old(teapot)
	t.Logf("of %d open connections %d served one more request by the old rules after the install, and %d after the uninstall", clients, installed, uninstalled)
}
