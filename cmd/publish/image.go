package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip" // pinned by go.mod; the standard library's output changes with the Go that compiles it
)

func readFilter(file string, labels map[string]string) (v1.Image, error) {
	module, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; `make build` makes the filter", err)
	}
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, fmt.Errorf("%s: not a WebAssembly module: it does not start with \\0asm and version 1", file)
	}
	return newImage(&tar.Header{Name: "plugin.wasm", Mode: 0o644}, module, v1.Platform{OS: "wasip1", Architecture: "wasm"}, v1.Config{Labels: labels})
}

// readPrograms makes one image of one program, and an index of several.
func readPrograms(files []string, labels map[string]string) (artifact, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)

	seen := map[string]string{}
	for _, file := range files {
		program, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w; `make cli` makes the command line", err)
		}

		architecture, err := staticProgram(program)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if other, ok := seen[architecture]; ok {
			return nil, fmt.Errorf("%s and %s are both for %s; want one program for each architecture", other, file, architecture)
		}

		seen[architecture] = file
		platform := v1.Platform{OS: "linux", Architecture: architecture}
		image, err := newImage(&tar.Header{Name: "wasm-rewrite", Mode: 0o755}, program, platform, v1.Config{
			Labels: labels, Entrypoint: []string{"/wasm-rewrite"},
			User: "65532:65532", // nobody's; a number, so that runAsNonRoot can tell
		})
		if err != nil || len(files) == 1 {
			return image, err
		}

		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	}

	return mutate.Annotations(index, labels).(v1.ImageIndex), nil
}

// staticProgram tells the architecture of a program that needs nothing else in its image.
func staticProgram(program []byte) (string, error) {
	file, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return "", fmt.Errorf("not a program for Linux: %w", err)
	}

	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return "", errors.New("linked to shared libraries, which the image does not have; want it built with CGO_ENABLED=0")
		}
	}

	architecture, ok := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[file.Machine]
	if !ok {
		return "", fmt.Errorf("for %s; want x86-64 or aarch64", file.Machine)
	}

	return architecture, nil
}

// newImage makes an image of one layer that holds one file. The labels are in its configuration and, as annotations,
// in its manifest. No time is in it.
func newImage(header *tar.Header, content []byte, platform v1.Platform, container v1.Config) (v1.Image, error) {
	var archive, layer bytes.Buffer
	w := tar.NewWriter(&archive)
	header.Size, header.Format = int64(len(content)), tar.FormatUSTAR
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}

	z, err := gzip.NewWriterLevel(&layer, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(archive.Bytes()); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}

	diffID, _, err := v1.SHA256(&archive)
	if err != nil {
		return nil, err
	}

	image := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	image, err = mutate.Append(image, mutate.Addendum{Layer: compressed{static.NewLayer(layer.Bytes(), types.OCILayer), diffID}})
	if err != nil {
		return nil, err
	}

	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}

	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config = platform.OS, platform.Architecture, container
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}

	return mutate.Annotations(image, container.Labels).(v1.Image), nil
}

// compressed is a layer whose content is compressed already.
type compressed struct {
	v1.Layer
	diffID v1.Hash
}

func (c compressed) DiffID() (v1.Hash, error) { return c.diffID, nil }
