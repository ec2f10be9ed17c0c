package release_test

import (
	"archive/tar"
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
)

func archive(t *testing.T, name, content string) v1.Layer {
	t.Helper()
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	return static.NewLayer(text.Bytes(), types.DockerUncompressedLayer)
}

// The module is where Istio finds it: in the last layer's archive, or in the
// layer of an artifact.
func TestModulesInImages(t *testing.T) {
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)

	for _, c := range []struct {
		name   string
		layers []v1.Layer
		index  bool
		want   string // the module, or of the error
	}{
		{"an archive", []v1.Layer{archive(t, "plugin.wasm", "one"), archive(t, "./plugin.wasm", "two")}, false, "two"},
		{"an artifact", []v1.Layer{static.NewLayer([]byte("{}"), "application/vnd.module.wasm.config.v1+json"), static.NewLayer([]byte("three"), "application/vnd.module.wasm.content.layer.v1+wasm")}, false, "three"},
		{"another program", []v1.Layer{archive(t, "plugin.wasm", "one"), archive(t, "etc/passwd", "")}, false, "has no plugin.wasm in its last layer, where Istio looks for it; is it the filter's image?"},
		{"no layer", nil, false, "has no layer, so no plugin.wasm"},
		{"an index", nil, true, "is an index of several images; Istio wants the digest of one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reference, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/x:" + strings.ReplaceAll(c.name, " ", "-"))
			if err != nil {
				t.Fatal(err)
			}
			if c.index {
				err = remote.WriteIndex(reference, empty.Index)
			} else {
				image, appendErr := mutate.AppendLayers(empty.Image, c.layers...)
				if appendErr != nil {
					t.Fatal(appendErr)
				}

				err = remote.Write(reference, image)
			}
			if err != nil {
				t.Fatal(err)
			}

			module, err := release.Module{Image: reference.Name()}.Fetch(t.Context())
			switch {
			case err == nil && string(module) != c.want:
				t.Errorf("the module is %q, want %q", module, c.want)
			case err != nil && !strings.HasSuffix(err.Error(), c.want):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A module that is a device has no end.
func TestFileThatIsNone(t *testing.T) {
	for _, file := range []string{"/dev/zero", t.TempDir()} {
		if _, err := (release.Module{File: file}).Fetch(t.Context()); err == nil || err.Error() != file+": not a regular file" {
			t.Errorf("%s: %v", file, err)
		}
	}
}
