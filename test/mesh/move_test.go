package mesh_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Rules that show each time they are carried out: /banana arrives as /anything/banana, and of two filters with them as
// /anything/anything/banana.
const (
	prefixing  = `patterns: [{name: all, match: {path: {prefix: /}}, rewrite: {path: /anything}}]`
	steppingBy = `patterns: [{name: moved, match: {headers: [{name: x-moved, present: true}]}, headers: {request: {remove: [x-moved]}}}, {name: all, match: {path: {prefix: /}}, rewrite: {path: /anything}}]`
)

// rewrites says how often the prefixing rules were carried out on a request. httpbin says the URL that it got, and the
// headers.
func rewrites(a answer) string {
	switch n := strings.Count(a.body, "/anything"); {
	case strings.Contains(a.body, "X-Moved"):
		return "the mark reaches the workload"
	case a.StatusCode == http.StatusNotFound:
		return "not rewritten"
	case a.StatusCode != http.StatusOK || n == 0:
		return fmt.Sprint(a.StatusCode)
	default:
		return fmt.Sprintf("rewritten %d×", n)
	}
}

func (s *space) rewritesOnce() error {
	a, err := s.get("v1", "/banana")
	if err == nil && rewrites(a) != "rewritten 1×" {
		err = fmt.Errorf("/banana: %s", rewrites(a))
	}
	return err
}

// move moves from a release to a new one in the documented steps, under load. old are the values of the one that is
// left, next those of the other, which comes before it in the proxy.
func (s *space) move(old *release, next ...string) {
	s.Helper()
	s.settles(s.rewritesOnce)
	traffic := s.startLoadOf("/banana", rewrites)
	// 1. The old rules let a request pass that bears the mark, and take the mark off.
	old.upgrade("workloads: {httpbin: {" + steppingBy + "}}")
	s.inForce()
	// 2. The new ones come before them, and mark what they rewrite.
	r := s.rules(append(next, "workloads: {httpbin: {patternHeader: x-moved, "+prefixing+"}}")...)
	s.inForce()
	s.settles(s.rewritesOnce)
	// 3. The old ones go, which status does not wait for: now the mark reaches the workload.
	old.uninstall()
	s.settles(func() error {
		a, err := s.get("v1", "/banana")
		if err == nil && rewrites(a) != "the mark reaches the workload" {
			err = fmt.Errorf("/banana: %s, want the mark", rewrites(a))
		}
		return err
	})
	// 4. The new ones mark no more.
	r.upgrade(`workloads: {httpbin: {patternHeader: ""}}`)
	s.inForce()
	s.settles(s.rewritesOnce)
	traffic.finish(s, "rewritten 1×", "the mark reaches the workload")
}

func TestAMoveInFourStepsRewritesEveryRequestOnce(t *testing.T) {
	t.Parallel()
	t.Run("from EnvoyFilter to WasmPlugin", moveToWasmPlugin)
	t.Run("from a WasmPlugin to one of another name", moveToAnotherName)
}

func moveToWasmPlugin(t *testing.T) {
	t.Parallel()
	s := mountedSpace(t)
	old := s.rules("{delivery: EnvoyFilter, module: {configMap: module}}", "workloads: {httpbin: {selector: {version: v1}, "+prefixing+"}}")
	s.move(old, s.image(), "workloads: {httpbin: {selector: {version: v1}}}")
}

func moveToAnotherName(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	image := s.image()
	old := s.rules(image, "workloads: {httpbin: {selector: {version: v1}, "+prefixing+"}}")
	s.move(old, image, "workloads: {httpbin: {selector: {version: v1}, priority: 1}}")
}

func TestAMoveToATrafficExtensionRewritesEveryRequestOnce(t *testing.T) {
	t.Parallel()
	wantsTrafficExtensions(t)
	s := newSpace(t, nil, nil)
	image := s.image()
	old := s.rules(image, "workloads: {httpbin: {selector: {version: v1}, "+prefixing+"}}")
	s.move(old, image, byExtension, "workloads: {httpbin: {selector: {version: v1}, priority: 1}}")
}

// The short way: helm makes the new object and then removes the old one. Both may be in force for a moment, so it is for
// rules that a second pass does not change, as the seed's.
func TestMovingInOneUpgradeLosesNoRequest(t *testing.T) {
	t.Parallel()
	t.Run("from EnvoyFilter to WasmPlugin", func(t *testing.T) {
		s := mountedSpace(t)
		r := s.release(s.name, onlyV1, `{url: "", delivery: EnvoyFilter, module: {configMap: module}}`)
		s.wantSeed("v1")
		traffic := s.startLoad()
		r.upgrade("delivery: WasmPlugin", s.image(), seedSite("elsewhere"))
		s.settles(func() error { return s.site("elsewhere") })
		traffic.finish(s, teapot)
	})
	t.Run("from WasmPlugin to TrafficExtension and back", func(t *testing.T) {
		wantsTrafficExtensions(t)
		s := newSpace(t, nil, nil)
		r := s.release(s.name, onlyV1, s.image())
		s.wantSeed("v1")

		traffic := s.startLoad()
		for _, delivery := range []string{"TrafficExtension", "WasmPlugin"} {
			r.upgrade("delivery: "+delivery, seedSite(strings.ToLower(delivery)))
			s.settles(func() error { return s.site(strings.ToLower(delivery)) })
			s.inForce()
		}
		traffic.finish(s, teapot)
	})
	t.Run("from one name to another", func(t *testing.T) {
		s := newSpace(t, nil, nil)
		r := s.rules(s.image(), "workloads: {httpbin: {selector: {version: v1}, "+prefixing+"}}")
		s.settles(s.rewritesOnce)
		traffic := s.startLoadOf("/banana", rewrites)

		before := ""
		for i := range 3 {
			r.upgrade(fmt.Sprintf("workloads: {httpbin%s: {enabled: false}, httpbin-%d: {selector: {version: v1}, %s}}", before, i, prefixing))
			before = fmt.Sprintf("-%d", i)
			s.inForce()
			s.settles(s.rewritesOnce)
		}
		traffic.finish(s, "rewritten 1×", "rewritten 2×")
	})
}

func TestMovingFromATagToADigestLosesNoRequest(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	image := s.image()
	r := s.release(s.name, onlyV1, image, `image: {digest: "", tag: test, allowMutableTag: true}`)
	s.wantSeed("v1")
	traffic := s.startLoad()
	r.upgrade(image, `image: {tag: "", allowMutableTag: false}`, seedSite("elsewhere"))
	s.settles(func() error { return s.site("elsewhere") })
	s.inForce()
	traffic.finish(s, teapot)
}
