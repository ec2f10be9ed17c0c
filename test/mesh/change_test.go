package mesh_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gruntwork-io/terratest/modules/helm"
)

// upgrade changes the release's values, as `helm upgrade --reuse-values` does.
func (r *release) upgrade(values map[string]string) {
	r.Helper()
	options := *r.options
	options.SetValues = values
	options.ExtraArgs = map[string][]string{"upgrade": {"--reuse-values"}}
	options.ValuesFiles = nil
	helm.UpgradeContext(r, r.Context(), &options, chart(), r.name)
}

// The requests that arrive while the plugin comes and goes get the old answer or the new one, and no error.
func TestInstallAndUninstallLoseNoRequest(t *testing.T) {
	s := newSpace(t, nil, nil)
	image := s.image()
	traffic := s.startLoad()
	r := s.release(s.name, onlyV1, image)
	s.wantSeed("v1")
	r.uninstall()
	s.wantNoSeed("v1")
	traffic.finish(s, notFound, teapot)
}

func TestNewRulesLoseNoRequest(t *testing.T) {
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	traffic := s.startLoad()
	for i := range 3 {
		site := fmt.Sprintf("site-%d", i)
		r.upgrade(map[string]string{"workloads.httpbin.headers.response.set.site": site})
		accept := func(a answer) error {
			if got := a.Header.Get("Site"); got != site {
				return fmt.Errorf("header Site: %q, want %q", got, site)
			}
			return a.wantStatus(http.StatusTeapot)
		}
		s.eventually("v1", "/banana/418", accept)
		s.consistently("v1", "/banana/418", accept)
	}
	traffic.finish(s, teapot)
}

// A rollback is one more change: `helm rollback` brings back the rules of before.
func TestARollbackBringsBackTheOldRulesAndLosesNoRequest(t *testing.T) {
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	traffic := s.startLoad()
	r.upgrade(map[string]string{"workloads.httpbin.headers.response.set.site": "elsewhere"})
	s.eventually("v1", "/banana/418", func(a answer) error {
		if got := a.Header.Get("Site"); got != "elsewhere" {
			return fmt.Errorf("header Site: %q, want elsewhere", got)
		}
		return nil
	})
	helm.RollbackContext(r, r.Context(), r.options, r.name, "1")
	s.wantSeed("v1")
	traffic.finish(s, teapot)
}
