package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const emptyModule = "\x00asm\x01\x00\x00\x00"

func TestTheImageIsOneManifestWhoseLastLayerHoldsTheModule(t *testing.T) {
	repository, module := registryAndModule(t, emptyModule)
	digest := publish(t, "-module", module, "-version", "1.2.3", "-revision", "abc", "-tag", "1.2", repository)

	reference, err := name.ParseReference(repository + ":1.2")
	if err != nil {
		t.Fatal(err)
	}

	descriptor, err := remote.Get(reference)
	if err != nil {
		t.Fatal(err)
	}
	if descriptor.Digest.String() != digest {
		t.Errorf("the tag names %s, and publish printed %s", descriptor.Digest, digest)
	}
	if descriptor.MediaType != types.OCIManifestSchema1 {
		t.Errorf("media type %s", descriptor.MediaType)
	}

	image, err := descriptor.Image()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image); err != nil {
		t.Error(err)
	}

	files := mutate.Extract(image)
	defer files.Close()

	content, err := io.ReadAll(files)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(content, []byte("plugin.wasm\x00")) || !bytes.Contains(content, []byte(emptyModule)) {
		t.Errorf("the image does not hold plugin.wasm: %.80q", content)
	}

	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}

	for key, want := range map[string]string{
		"org.opencontainers.image.version":  "1.2.3",
		"org.opencontainers.image.revision": "abc",
		"org.opencontainers.image.licenses": "Apache-2.0",
	} {
		if manifest.Annotations[key] != want {
			t.Errorf("annotation %s: %q, want %q", key, manifest.Annotations[key], want)
		}
	}
}

// The digest is written down: another Go, another day or another machine must give the same one.
func TestTheSameModuleGivesTheSameDigest(t *testing.T) {
	const want = "sha256:cef7db2b47fc280c9539ab7eb82a6e7c841105aa10a23a96adf58bc175299aa0"
	repository, module := registryAndModule(t, emptyModule)
	if got := publish(t, "-module", module, "-version", "1.2.3", repository); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestWhatCannotBePublishedSaysWhy(t *testing.T) {
	repository, module := registryAndModule(t, emptyModule)

	_, text := registryAndModule(t, "#!/bin/sh")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no repository":    {[]string{"-module", module}, "0 arguments, want one: the repository"},
		"not a repository": {[]string{"-module", module, "wasm-rewrite"}, `"wasm-rewrite": `},
		"no module":        {[]string{"-module", module + ".not", repository}, "`make build` makes the filter"},
		"not a module":     {[]string{"-module", text, repository}, "not a WebAssembly module"},
		"a bad tag":        {[]string{"-module", module, "-tag", "a b", repository}, `tag "a b": `},
		"no registry":      {[]string{"-module", module, "127.0.0.1:1/a/b"}, "is the registry up"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), c.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: error %v, want %q in it", c.args, err, c.want)
			}
		})
	}
}

func registryAndModule(t *testing.T, content string) (repository, module string) {
	t.Helper()

	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	module = filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(module, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(server.URL, "http://") + "/wasm-rewrite/wasm-rewrite", module
}

func publish(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String())
}
