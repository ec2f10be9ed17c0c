package mesh_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// upgrade changes the release's values, as `helm upgrade --reuse-values` does.
func (r *release) upgrade(values ...string) {
	r.Helper()
	options := *r.options
	options.ExtraArgs = map[string][]string{"upgrade": {"--reuse-values"}}

	options.ValuesFiles = nil
	for _, text := range values {
		options.ValuesFiles = append(options.ValuesFiles, r.file(text))
	}
	helm.UpgradeContext(r, r.Context(), &options, chart(), r.name)
}

// seedSite are values that give the seed another response header, to tell one set of rules from the next.
func seedSite(site string) string {
	return fmt.Sprintf("workloads: {httpbin: {headers: {response: {set: {site: %s}}}}}", site)
}

// site is whether v1 rewrites by the seed's rules with that header.
func (s *space) site(want string) error {
	a, err := s.get("v1", "/banana/418")
	if err != nil {
		return err
	}
	if got := a.Header.Get("Site"); got != want {
		return fmt.Errorf("header Site: %q, want %q", got, want)
	}
	return a.wantStatus(teapot)
}

// The requests that arrive while the plugin comes and goes get the old answer or the new one, and no error.
func TestInstallAndUninstallLoseNoRequest(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")

	traffic := s.startLoad()
	for i := range 3 {
		site := fmt.Sprintf("site-%d", i)
		r.upgrade(seedSite(site))
		s.settles(func() error { return s.site(site) })
	}
	traffic.finish(s, teapot)
}

// The proxy fetches and loads the new module while the old one serves. The new rules, in the same upgrade, tell that the
// new module is in force.
func TestANewImageLosesNoRequest(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	traffic := s.startLoad()
	began := time.Now()
	r.upgrade(s.imageAt(publish(t, s.repository(), made.OtherModule(t))), seedSite("new"))
	s.settles(func() error { return s.site("new") })
	t.Logf("in force within %s", time.Since(began).Round(10*time.Millisecond))
	traffic.finish(s, teapot)
}

// A rollback is one more change: `helm rollback` brings back the rules it had before.
func TestARollbackBringsBackTheOldRulesAndLosesNoRequest(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	traffic := s.startLoad()
	r.upgrade(seedSite("elsewhere"))
	s.until(func() error { return s.site("elsewhere") })
	helm.RollbackContext(r, r.Context(), r.options, r.name, "1")
	s.wantSeed("v1")
	traffic.finish(s, teapot)
}
