package release

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/wasm-rewrite/wasm-rewrite/internal/input"
	"github.com/wasm-rewrite/wasm-rewrite/internal/status"
)

// Module says where the filter's module is. One of the three is set.
type Module struct {
	Image string `json:"image,omitempty"` // REGISTRY/REPOSITORY@sha256:… or :TAG
	URL   string `json:"url,omitempty"`   // http(s)://…, with SHA256
	File  string `json:"file,omitempty"`  // where it is in a proxy, and here where it is mounted
	// SHA256 is that of the module behind URL.
	SHA256 string `json:"sha256,omitempty"`
}

// ModuleOf is the module that the first of the chart's objects names.
func ModuleOf(objects []map[string]any) (Module, bool) {
	for _, fields := range objects {
		u := &unstructured.Unstructured{Object: fields}
		if !input.Delivers(u.GetKind()) {
			continue
		}
		if u.GetKind() == input.Policies.Kind {
			return moduleOfPolicy(u)
		}

		o := status.ParseObject(u)

		scheme, rest, _ := strings.Cut(o.URL, "://")
		switch {
		case scheme == "oci":
			return Module{Image: rest}, true
		case scheme == "file":
			return Module{File: rest}, true
		case o.URL != "":
			return Module{URL: o.URL, SHA256: o.Module}, true
		case o.Module != "":
			return Module{File: o.Module}, true
		}
	}

	return Module{}, false
}

// moduleOfPolicy is the module that the first filter of a policy of Envoy
// Gateway names.
func moduleOfPolicy(u *unstructured.Unstructured) (Module, bool) {
	filters, _, _ := unstructured.NestedSlice(u.Object, "spec", "wasm")
	if len(filters) == 0 {
		return Module{}, false
	}

	filter, _ := filters[0].(map[string]any)
	text := func(path ...string) string {
		s, _, _ := unstructured.NestedString(filter, append([]string{"code"}, path...)...)
		return s
	}
	m := Module{Image: text("image", "url"), URL: text("http", "url"), SHA256: text("http", "sha256")}

	return m, m != Module{}
}

// maxModule bounds what is read as a module.
const maxModule = 64 << 20

// ErrInProxiesOnly says that a module is a file that is not mounted here.
var ErrInProxiesOnly = errors.New("is in the proxies only")

// patience is how long a server may take to give a module.
const patience = time.Minute

// Fetch gets the module as a proxy would. Credentials for a registry are those
// of `docker login`: $DOCKER_CONFIG/config.json.
func (m Module) Fetch(ctx context.Context) (module []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	switch {
	case m.Image != "":
		module, err = fetchImage(ctx, m.Image)
	case m.URL != "":
		module, err = fetchURL(ctx, m.URL, m.SHA256)
	default:
		return readFile(m.File)
	}
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("the module did not come within %s: %w", patience, err)
	}

	return module, err
}

func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", name, ErrInProxiesOnly)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		// A device or a pipe may have no end.
		return nil, fmt.Errorf("%s: not a regular file", name)
	}

	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()

	module, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	return module, nil
}

func fetchImage(ctx context.Context, image string) ([]byte, error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return nil, fmt.Errorf("image: %s: %w", image, err)
	}

	if reference.Identifier() == input.NeverPublished {
		return nil, fmt.Errorf("image: %s: %s", image, input.UnpublishedReason)
	}

	module, err := pull(ctx, reference)
	if err != nil {
		return nil, fmt.Errorf("image: %s: %w", image, err)
	}

	return module, nil
}

func pull(ctx context.Context, reference name.Reference) ([]byte, error) {
	found, err := remote.Get(reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))

	var said *transport.Error
	switch {
	case errors.As(err, &said) && said.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("the registry has no such image; correct image.digest and image.repository, or publish the image: %w", err)
	case errors.As(err, &said) && (said.StatusCode == http.StatusUnauthorized || said.StatusCode == http.StatusForbidden):
		return nil, fmt.Errorf("the registry refuses these credentials; name a Secret that may pull as image.pullSecret: %w", err)
	case err != nil:
		return nil, fmt.Errorf("the registry cannot be asked; see that image.registry is right and up: %w", err)
	case found.MediaType.IsIndex():
		return nil, errors.New("is an index of several images; Istio wants the digest of one")
	}

	fetched, err := found.Image()
	if err != nil {
		return nil, err
	}

	layers, err := fetched.Layers()
	if err != nil {
		return nil, err
	}

	return moduleIn(layers)
}

// artifactLayer is the type of a layer that is a module and no archive.
const artifactLayer types.MediaType = "application/vnd.module.wasm.content.layer.v1+wasm"

// moduleIn finds the module where Istio does: in the archive that is the last
// layer, or in the artifact's layer.
func moduleIn(layers []v1.Layer) ([]byte, error) {
	for _, layer := range layers {
		if kind, err := layer.MediaType(); err != nil {
			return nil, err
		} else if kind == artifactLayer {
			content, err := layer.Compressed()
			if err != nil {
				return nil, err
			}
			defer content.Close()
			return read(content)
		}
	}
	if len(layers) == 0 {
		return nil, errors.New("has no layer, so no plugin.wasm")
	}

	content, err := layers[len(layers)-1].Uncompressed()
	if err != nil {
		return nil, err
	}
	defer content.Close()

	// What comes before the module in its archive counts, too: a few bytes of a registry may unpack to terabytes.
	archive := tar.NewReader(io.LimitReader(content, 2*maxModule))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("has no plugin.wasm in its last layer, where Istio looks for it; is it the filter's image?")
		}
		if err != nil {
			return nil, err
		}
		if path.Base(header.Name) == "plugin.wasm" {
			return read(archive)
		}
	}
}

func read(from io.Reader) ([]byte, error) {
	module, err := io.ReadAll(io.LimitReader(from, maxModule+1))
	if err == nil && len(module) > maxModule {
		err = fmt.Errorf("has more than %d bytes; is it the filter's module?", maxModule)
	}
	return module, err
}

func fetchURL(ctx context.Context, url, want string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}

	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("url: %w; see that it is right and up", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("url: %s: answers %s; correct it, or put the module there", url, response.Status)
	}

	module, err := read(response.Body)
	if err != nil {
		return nil, fmt.Errorf("url: %s: %w", url, err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(module)); got != want {
		return nil, fmt.Errorf("sha256: %s: the file at url has %s; correct sha256 or url", want, got)
	}

	return module, nil
}
