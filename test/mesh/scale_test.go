package mesh_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gruntwork-io/terratest/modules/helm"
	"github.com/gruntwork-io/terratest/modules/k8s"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// manifest renders the chart with nothing but values.
func (s *space) manifest(values ...string) string {
	s.Helper()

	options := &helm.Options{KubectlOptions: s.kubectl}
	for _, text := range values {
		options.ValuesFiles = append(options.ValuesFiles, s.file(text))
	}
	return s.helm(options, "template", "scale", chart(), "--values", strings.Join(options.ValuesFiles, ","))
}

// memory is what the Envoys of v1's Pods hold of this machine's memory, in MiB, by Pod.
func (s *space) memory() map[string]int {
	s.Helper()

	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		s.Fatal(err)
	}

	read := func(process, file string) string {
		// A process may end at any time.
		text, _ := os.ReadFile(filepath.Join(process, file))
		return string(text)
	}

	held := map[string]int{}
	for _, pod := range k8s.ListPodsContext(s, s.Context(), s.kubectl, metav1.ListOptions{LabelSelector: "version=v1"}) {
		for _, status := range pod.Status.InitContainerStatuses {
			_, container, _ := strings.Cut(status.ContainerID, "://")
			for _, process := range processes {
				if status.Name != "istio-proxy" || !strings.Contains(read(process, "cgroup"), container) || read(process, "comm") != "envoy\n" {
					continue
				}
				var kib int
				_, rest, _ := strings.Cut(read(process, "status"), "VmRSS:")
				if _, err := fmt.Sscan(rest, &kib); err != nil {
					s.Fatalf("%s/status: %v", process, err)
				}

				held[pod.Name] = kib / 1024
			}
		}
		if held[pod.Name] == 0 {
			s.Fatalf("no Envoy of Pod %s runs on this machine", pod.Name)
		}
	}

	return held
}

// One proxy goes by 500 WasmPlugins of one module, each of which rewrites a path of its own.
func TestFiveHundredWasmPluginsOnOneProxyAllRewrite(t *testing.T) {
	ownMesh(t)
	s := newSpace(t, nil, nil)
	const plugins = 500
	var values strings.Builder
	values.WriteString("workloads:\n")

	for i := range plugins {
		fmt.Fprintf(&values, "  w%d: {selector: {version: v1}, patterns: [{match: {path: {exact: /%[1]d}}, rewrite: {path: /status/418}}]}\n", i)
	}

	manifest := s.manifest(s.image(), values.String())
	s.Logf("before: %v MiB", s.memory())

	began := time.Now()
	s.apply(manifest)

	applied := since(began)
	s.within(2*time.Minute, func() error {
		for _, i := range []int{0, 1, plugins / 2, plugins - 1} {
			if err := s.asked("v1", "/"+strconv.Itoa(i), teapot); err != nil {
				return err
			}
		}
		return nil
	})
	s.Logf("%d plugins: kubectl apply took %s, the last rewrote after %s; %v MiB", plugins, applied, since(began), s.memory())
	began = time.Now()

	for range 100 {
		if err := s.asked("v1", "/"+strconv.Itoa(plugins-1), teapot); err != nil {
			t.Fatal(err)
		}
	}
	s.Logf("a request took %s, one after the other", (time.Since(began) / 100).Round(10*time.Microsecond))
}

func TestAThousandPatternsInOneWasmPluginAreInForceWithinSeconds(t *testing.T) {
	ownMesh(t)
	s := newSpace(t, nil, nil)
	const patterns = 1000
	var values strings.Builder
	values.WriteString("workloads: {httpbin: {selector: {version: v1}, patterns: [\n")

	for i := range patterns {
		fmt.Fprintf(&values, "  {match: {path: {regex: \"^/team-%d/([a-z]+)/([0-9]+)$\"}}, rewrite: {path: /status/$2}},\n", i)
	}
	values.WriteString("]}}\n")
	manifest := s.manifest(s.image(), values.String())
	s.Logf("before: %v MiB", s.memory())

	began := time.Now()
	s.apply(manifest)
	s.until(func() error { return s.asked("v1", fmt.Sprintf("/team-%d/tea/418", patterns-1), teapot) })
	s.Logf("%d patterns, %d KiB: the last rewrote %s after the start of kubectl apply; %v MiB", patterns, len(manifest)>>10, since(began), s.memory())
}

func TestTenProxiesAllRewrite(t *testing.T) {
	ownMesh(t)
	s := newSpace(t, nil, nil)
	s.run("scale", "deployment/httpbin-v1", "--replicas=10")
	s.run("rollout", "status", "deployment/httpbin-v1", "--timeout=180s")
	manifest := s.manifest(s.image(), "workloads: {httpbin: {selector: {version: v1}, patterns: [{match: {path: {exact: /tea}}, rewrite: {path: /status/418}}]}}")
	s.Logf("before: %v MiB", s.memory())

	began := time.Now()
	s.apply(manifest)
	s.until(func() error { return s.asked("v1", "/tea", teapot) })

	first := since(began)
	// The gateway spreads requests over the ten.
	s.until(func() error {
		for range 100 {
			if err := s.asked("v1", "/tea", teapot); err != nil {
				return err
			}
		}
		return nil
	})

	all := since(began)
	s.inForce()
	s.Logf("the first of ten proxies rewrote after %s, all within %s; %v MiB", first, all, s.memory())
}
