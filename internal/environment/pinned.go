package environment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
)

// Instead names a chart and a module that take the place of those that release.yaml pins; "" takes what is pinned.
type Instead struct{ Chart, Module string }

// FetchChart gets the environment's chart, as a file in dir where it comes from a registry.
func (i Instead) FetchChart(ctx context.Context, e *Environment, dir string) (string, error) {
	if i.Chart != "" {
		return i.Chart, nil
	}

	chart := e.Pins.Global.Chart
	repository, ok := strings.CutPrefix(chart.Repository, "oci://")
	if !ok || chart.Version == "" {
		return "", fmt.Errorf("%s: global.chart: repository %q, version %q: want oci://… in %s and a version here",
			e.File("release.yaml"), chart.Repository, chart.Version, e.Common())
	}
	text, err := pullChart(ctx, repository, chart.Version)
	if err != nil {
		return "", fmt.Errorf("%s: global.chart.version: %s of %s: %w", e.File("release.yaml"), chart.Version, chart.Repository, err)
	}

	file := filepath.Join(dir, "chart-"+chart.Version+".tgz")
	return file, os.WriteFile(file, text, 0o600)
}

// FetchModule gets the environment's module.
func (i Instead) FetchModule(ctx context.Context, e *Environment) (*compiled.Module, error) {
	if i.Module != "" {
		module, err := compiled.ReadFile(ctx, i.Module)
		if err != nil {
			return nil, fmt.Errorf("--wasm %w", err)
		}
		return module, nil
	}

	image := e.Pins.Image
	text, err := release.Module{Image: image.Registry + "/" + image.Repository + "@" + image.Digest}.Fetch(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.File("release.yaml"), err)
	}
	module, err := compiled.Compile(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("%s: the module: %w", e.File("release.yaml"), err)
	}
	return module, nil
}

// ChartLayer is the type of the layer that holds a chart.
const ChartLayer types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

func pullChart(ctx context.Context, repository, version string) ([]byte, error) {
	// A tag has no +, so Helm writes _ for it.
	reference, err := name.NewTag(repository + ":" + strings.ReplaceAll(version, "+", "_"))
	if err != nil {
		return nil, err
	}
	image, err := remote.Image(reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, fmt.Errorf("%w; is it published?", err)
	}

	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		kind, err := layer.MediaType()
		if err != nil || kind != ChartLayer {
			continue
		}
		content, err := layer.Compressed()
		if err != nil {
			return nil, err
		}
		defer content.Close()
		var text bytes.Buffer
		_, err = text.ReadFrom(content)
		return text.Bytes(), err
	}
	return nil, errors.New("what is there has no layer with a chart; see that the repository is that of the chart")
}
