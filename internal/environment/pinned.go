package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/input/read"
	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
)

// Pins are the chart and the module of an environment.
type Pins struct {
	Global struct {
		Chart struct {
			Repository string `json:"repository"`
			Version    string `json:"version"`
		} `json:"chart"`
	} `json:"global"`
	Image struct {
		Registry   string `json:"registry"`
		Repository string `json:"repository"`
		Digest     string `json:"digest"`
		Tag        string `json:"tag"`
	} `json:"image"`
	URL    string `json:"url"`
	SHA256 string `json:"sha256"`
	Verify struct {
		Image struct {
			Digest string `json:"digest"`
		} `json:"image"`
	} `json:"verify"`
}

// Unpublished says which images of an environment were never published.
func (e *Environment) Unpublished() error {
	var faults []error
	for _, pin := range []struct{ path, digest string }{{"image.digest", e.Pins.Image.Digest}, {"verify.image.digest", e.Pins.Verify.Image.Digest}} {
		if pin.digest == input.NeverPublished {
			faults = append(faults, fmt.Errorf("%s: %s: %s", e.File("release.yaml"), pin.path, input.UnpublishedReason))
		}
	}
	return errors.Join(faults...)
}

// pins reads what the environment's files say of chart and module, merged as Helm merges them.
func (e *Environment) pins() (pins Pins, err error) {
	merged := map[string]any{}
	for _, file := range []struct {
		name string
		text []byte
	}{{e.Common(), e.common}, {e.File("release.yaml"), e.Release}, {e.File("place.yaml"), e.place}} {
		var values map[string]any
		if err := unmarshal(file.name, file.text, &values); err != nil {
			return pins, err
		}
		// Each on its own, so that a fault has its file's name.
		if err := unmarshal(file.name, file.text, &Pins{}); err != nil {
			return pins, err
		}

		merged = chartutil.MergeTables(values, merged)
	}

	text, err := json.Marshal(merged)
	if err != nil {
		return pins, err
	}

	return pins, json.Unmarshal(text, &pins)
}

// Module names the module for people.
func (p Pins) Module() string {
	image := strings.Trim(p.Image.Registry+"/"+p.Image.Repository, "/")
	switch {
	case p.URL != "" && p.SHA256 != "":
		return p.URL + ", sha256 " + p.SHA256
	case p.URL != "":
		return p.URL
	case p.Image.Digest != "":
		return image + "@" + p.Image.Digest
	case p.Image.Tag != "":
		return image + ":" + p.Image.Tag
	}

	return ""
}

// Instead names a chart and a module that take the place of those that release.yaml pins; "" takes what is pinned.
type Instead struct{ Chart, Module string }

// FetchChart gets the environment's chart, as a file in dir where it comes from a registry.
func (i Instead) FetchChart(ctx context.Context, e *Environment, dir string) (string, error) {
	if i.Chart != "" {
		return i.Chart, nil
	}

	chart := e.Pins.Global.Chart
	ok := strings.HasPrefix(chart.Repository, "oci://")
	if !ok || chart.Version == "" {
		return "", fmt.Errorf("%s: global.chart: repository %q, version %q: want oci://… in %s and a version here",
			e.File("release.yaml"), chart.Repository, chart.Version, e.Common())
	}

	text, err := read.PullChart(ctx, chart.Repository, chart.Version)
	if err != nil {
		return "", fmt.Errorf("%s: global.chart.version: %s of %s: %w", e.File("release.yaml"), chart.Version, chart.Repository, err)
	}

	file := filepath.Join(dir, "chart-"+chart.Version+".tgz")

	return file, os.WriteFile(file, text, 0o600)
}

// FetchModule gets the module of an environment's objects. It is nil where only the proxies have it, which is told, and
// where there is no object.
func (i Instead) FetchModule(ctx context.Context, e *Environment, objects []map[string]any, out io.Writer) (*compiled.Module, error) {
	if i.Module != "" {
		module, err := compiled.ReadFile(ctx, i.Module)
		if err != nil {
			return nil, fmt.Errorf("--wasm %w", err)
		}
		return module, nil
	}

	from, ok := release.ModuleOf(objects)
	if !ok {
		return nil, nil
	}

	at := e.Dir
	if from.Image != "" {
		at = e.File("release.yaml")
	}

	text, err := from.Fetch(ctx)
	if errors.Is(err, release.ErrInProxiesOnly) {
		fmt.Fprintf(out, "%s: %v, so this tool's own engine is used instead\n", at, err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}

	module, err := compiled.Compile(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("%s: the module: %w", at, err)
	}

	return module, nil
}
