package mesh_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/wasm-rewrite/wasm-rewrite/test/internal/made"
)

// refused is whether v1 answers 403 to everything, which is the agent's doing where there is no module.
func (s *space) refused() error {
	for _, path := range []string{"/banana/418", "/status/200"} {
		if err := s.asked("v1", path, http.StatusForbidden); err != nil {
			return err
		}
	}
	return nil
}

// since is the time since then, for a log.
func since(then time.Time) time.Duration { return time.Since(then).Round(10 * time.Millisecond) }

// Whatever is wrong with an image, the agent finds no module in it and lets no request through, even where the proxy had
// a good one before. The right digest heals it, without a restart.
func TestAnImageWithoutAModuleIsAnswered403UntilItIsRight(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	digest := publish(t, s.repository(), made.Module(t))
	good := s.imageAt(digest)
	image, err := remote.Image(s.reference("@" + digest))
	if err != nil {
		t.Fatal(err)
	}

	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image})
	if err := remote.WriteIndex(s.reference(":index"), index); err != nil {
		t.Fatal(err)
	}

	indexDigest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}

	r := s.release(s.name, onlyV1, good)
	s.wantSeed("v1")

	for _, fault := range []struct{ name, digest string }{
		{"a digest that the registry does not have", "sha256:" + strings.Repeat("1", 64)},
		{"the digest of an image index", indexDigest.String()},
		{"an image without plugin.wasm", s.push("other.txt", []byte("\x00asm\x01\x00\x00\x00"))},
		{"a plugin.wasm that is no WebAssembly", s.push("plugin.wasm", []byte("#!/bin/sh\n"))},
	} {
		t.Run(fault.name, func(t *testing.T) {
			s := s.in(t)
			r := &release{space: s, name: r.name, options: r.options}
			began := time.Now()
			r.upgrade(s.imageAt(fault.digest))
			s.until(s.refused)

			took := since(began)
			s.settles(s.refused)

			began = time.Now()
			r.upgrade(good)
			s.until(func() error { return s.site("youdianzhishi.com") })
			t.Logf("403 from %s after the upgrade began, healed %s after the next one began", took, since(began))
			s.settles(func() error { return s.site("youdianzhishi.com") })
		})
	}
}

// The agent takes it for a module, and Envoy cannot compile it. A proxy that runs keeps what it has; one that starts has
// nothing.
func TestAModuleThatIsCutOffLeavesRunningProxiesAsTheyAre(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	module := made.ModuleBytes(t)
	half := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(half, module[:len(module)/2], 0o600); err != nil {
		t.Fatal(err)
	}

	r := s.release(s.name, onlyV1, s.image())
	s.wantSeed("v1")
	s.keepsUntilItRestarts(r, "the last refusal: Failed to load Wasm code", s.imageAt(publish(t, s.repository(), half)), seedSite("never"))
}

// A tag is whatever was pushed last; what a digest names is one module for ever. The module that the tag moves to is one
// whose crash tells it from the filter.
func TestADigestStaysWithItsModuleWhenTheTagMovesToAnother(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	image := s.image()
	s.release(s.name, onlyV1, image)
	s.rules(image, `{image: {digest: "", tag: test, allowMutableTag: true, pullPolicy: Always}, workloads: {tagged: {selector: {version: v2}, headers: {response: {set: {who-am-i: wasm-rewrite}}}}}}`)

	tagged := func(want string) func() error {
		return func() error {
			a, err := s.get("v2", "/status/200")
			if err == nil && (a.Header.Get("Who-Am-I") != want || a.StatusCode != http.StatusOK) {
				err = fmt.Errorf("v2 answers %s by the filter %q, want 200 by %q", a.Status, a.Header.Get("Who-Am-I"), want)
			}
			return err
		}
	}
	s.wantSeed("v1")
	s.settles(tagged("wasm-rewrite"))
	s.trappingImage() // under the same tag
	s.restart("v1")
	s.restart("v2")
	s.wantSeed("v1")
	s.settles(tagged(""))
}

// The Dockerfile's last stage, built and pushed by a builder that is not the project's own, is an image that Istio loads;
// its one layer holds what that of `make publish` holds.
func TestTheDockerfileMakesTheLayerThatPublishMakes(t *testing.T) {
	t.Parallel()
	s := newSpace(t, nil, nil)
	s.wantNotRewritten()
	ours, err := remote.Image(s.reference("@" + publish(t, s.repository(), made.Module(t))))
	if err != nil {
		t.Fatal(err)
	}

	folder := t.TempDir()
	buildah := func(args ...string) {
		command := exec.CommandContext(t.Context(), "buildah", append([]string{"--root", filepath.Join(folder, "root"), "--runroot",
			filepath.Join(folder, "run"), "--storage-driver", "vfs"}, args...)...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("buildah %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	digest := filepath.Join(folder, "digest")
	buildah("build", "--isolation", "chroot", "--file", filepath.Join(made.Root, "plugin/Dockerfile"), "--tag", "wasm-rewrite", filepath.Dir(made.Module(t)))
	buildah("push", "--tls-verify=false", "--digestfile", digest, "wasm-rewrite", "docker://"+s.repository()+":buildah")
	pushed, err := os.ReadFile(digest)
	if err != nil {
		t.Fatal(err)
	}

	theirs, err := remote.Image(s.reference("@" + strings.TrimSpace(string(pushed))))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := layer(t, theirs), layer(t, ours); !bytes.Equal(got, want) {
		t.Errorf("the image of the Dockerfile holds %d bytes, that of `make publish` %d, or others", len(got), len(want))
	}
	s.release(s.name, onlyV1, s.imageAt(strings.TrimSpace(string(pushed))))
	s.wantSeed("v1")
}

// layer is what the one layer of an image holds: names and contents of its files.
func layer(t *testing.T, image v1.Image) []byte {
	t.Helper()

	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers (%v), want 1", len(layers), err)
	}

	files, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()

	var all bytes.Buffer
	for r := tar.NewReader(files); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, header.Name)
		if _, err := io.Copy(&all, r); err != nil {
			t.Fatal(err)
		}
	}
}

// reference is an image in the test's repository; which is a tag with its colon or a digest with its @.
func (s *space) reference(which string) name.Reference {
	s.Helper()
	reference, err := name.ParseReference(s.repository()+which, name.Insecure)
	if err != nil {
		s.Fatal(err)
	}
	return reference
}

// push pushes an image as `make publish` does, but with any file in it, and returns its digest.
func (s *space) push(file string, content []byte) string {
	s.Helper()
	var archive, compressed bytes.Buffer
	w := tar.NewWriter(&archive)
	err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write(content)
	}

	err = errors.Join(err, w.Close())
	z := gzip.NewWriter(&compressed)
	if err == nil {
		_, err = z.Write(archive.Bytes())
	}

	err = errors.Join(err, z.Close())
	if err != nil {
		s.Fatal(err)
	}

	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer(compressed.Bytes(), types.OCILayer))
	if err != nil {
		s.Fatal(err)
	}
	if err := remote.Write(s.reference(":other"), image); err != nil {
		s.Fatal(err)
	}

	digest, err := image.Digest()
	if err != nil {
		s.Fatal(err)
	}

	return digest.String()
}
