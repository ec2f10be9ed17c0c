package read

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
)

// LocalChart is the folder of the chart in this project's own repository.
const LocalChart = "charts/wasm-rewrite"

// chartOf names the chart that renders values, which may be an environment's.
func (o Options) chartOf(values map[string]any) string {
	if o.Chart != "" {
		return o.Chart
	}
	// In a repository of rules alone there is none, and an environment names its own.
	repository, _, _ := unstructured.NestedString(values, "global", "chart", "repository")
	version, _, _ := unstructured.NestedString(values, "global", "chart", "version")
	if _, err := os.Stat(LocalChart); err != nil && strings.HasPrefix(repository, oci) && version != "" {
		return repository + ":" + version
	}

	return LocalChart
}

// chartless reports whether values can do without a chart: they have no
// workloads, and none is at hand, as with the file that the environments of a
// repository of rules share.
func (o Options) chartless(values map[string]any) bool {
	_, err := os.Stat(o.chartOf(values))
	return values["workloads"] == nil && o.Chart == "" && err != nil
}

const oci = "oci://"

// pulled are the charts that came from a registry, by their references: the
// environments of one command share them.
var pulled sync.Map

// pullLoad loads the chart of a reference, oci://REGISTRY/REPOSITORY:VERSION.
func pullLoad(reference string) (*chart.Chart, error) {
	text, ok := pulled.Load(reference)
	if !ok {
		colon := strings.LastIndexByte(reference, ':')
		if colon < len(oci) || strings.Contains(reference[colon:], "/") {
			return nil, &input.Error{Name: reference, Reason: "want a version, as oci://ghcr.io/me/charts/wasm-rewrite:1.2.3"}
		}

		archive, err := PullChart(context.Background(), reference[:colon], reference[colon+1:])
		if err != nil {
			return nil, &input.Error{Name: reference, Reason: err.Error()}
		}

		text = archive
		pulled.Store(reference, archive)
	}

	c, err := loader.LoadArchive(bytes.NewReader(text.([]byte)))
	if err != nil {
		return nil, &input.Error{Name: reference, Reason: err.Error()}
	}

	return c, nil
}

// ChartLayer is the type of the layer that holds a chart.
const ChartLayer types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"

// maxChart is the most that a packed chart may have, in bytes.
const maxChart = 16 << 20

// patience is how long a registry may take to give a chart.
const patience = time.Minute

// PullChart gets a chart's archive from a registry: repository is oci://….
func PullChart(ctx context.Context, repository, version string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	chart, err := pullChart(ctx, repository, version)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("the registry did not give the chart within %s; see that it is right and up: %w", patience, err)
	}

	return chart, err
}

func pullChart(ctx context.Context, repository, version string) ([]byte, error) {
	// A tag has no +, so Helm writes _ for it.
	reference, err := name.NewTag(strings.TrimPrefix(repository, "oci://") + ":" + strings.ReplaceAll(version, "+", "_"))
	if err != nil {
		return nil, err
	}

	image, err := remote.Image(reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))

	var said *transport.Error
	switch {
	case errors.As(err, &said) && (said.StatusCode == http.StatusUnauthorized || said.StatusCode == http.StatusForbidden):
		return nil, fmt.Errorf("%w; log in with credentials that may read it: `docker login %s`", err, reference.RegistryStr())
	case errors.As(err, &said):
		return nil, fmt.Errorf("%w; is it published?", err)
	case err != nil:
		return nil, fmt.Errorf("%w; see that the registry is right in global.chart.repository, and up", err)
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

		// What the manifest says of the size is the registry's word.
		text, err := io.ReadAll(io.LimitReader(content, maxChart+1))
		if err == nil && len(text) > maxChart {
			err = fmt.Errorf("the chart has more than %d bytes", maxChart)
		}

		return text, err
	}

	return nil, errors.New("the artifact has no layer with a chart; see that the repository is that of the chart")
}
