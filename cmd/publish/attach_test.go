package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const revision = "0123456789abcdef0123456789abcdef01234567"

func TestAnImageHasABillOfMaterialsAndAProvenanceThatReferToIt(t *testing.T) {
	repository, module := registryAndModule(t, emptyModule)
	bill := filepath.Join(t.TempDir(), "sbom.json")
	if err := os.WriteFile(bill, []byte(`{"spdxVersion":"SPDX-2.3"}`), 0o600); err != nil {
		t.Fatal(err)
	}

	digest := publish(t, "-module", module, "-sbom", bill, "-version", "1.2.3", "-revision", revision,
		"-builder", "https://example.com/builder", "-invocation", "https://example.com/run/1", repository)

	documents := referrers(t, repository, digest)
	if got := string(documents[spdxType]); got != `{"spdxVersion":"SPDX-2.3"}` {
		t.Errorf("bill of materials: %q", got)
	}
	var statement struct {
		Type    string `json:"_type"`
		Subject []struct {
			Name   string
			Digest map[string]string
		}
		PredicateType string
		Predicate     struct {
			BuildDefinition struct {
				ExternalParameters   map[string]string
				ResolvedDependencies []struct {
					URI    string
					Digest map[string]string
				}
			}
			RunDetails struct {
				Builder  struct{ ID string }
				Metadata struct{ InvocationID string }
			}
		}
	}
	if err := json.Unmarshal(documents[intotoType], &statement); err != nil {
		t.Fatal(err)
	}

	for what, c := range map[string]struct{ got, want string }{
		"type":      {statement.Type, "https://in-toto.io/Statement/v1"},
		"predicate": {statement.PredicateType, "https://slsa.dev/provenance/v1"},
		"name":      {statement.Subject[0].Name, repository},
		"subject":   {"sha256:" + statement.Subject[0].Digest["sha256"], digest},
		"commit":    {statement.Predicate.BuildDefinition.ResolvedDependencies[0].Digest["gitCommit"], revision},
		"version":   {statement.Predicate.BuildDefinition.ExternalParameters["version"], "1.2.3"},
		"builder":   {statement.Predicate.RunDetails.Builder.ID, "https://example.com/builder"},
		"run":       {statement.Predicate.RunDetails.Metadata.InvocationID, "https://example.com/run/1"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", what, c.got, c.want)
		}
	}
}

// What no commit describes must not claim one.
func TestAProvenanceOfAChangedWorkTreeNamesNoCommit(t *testing.T) {
	repository, module := registryAndModule(t, emptyModule)
	bill := filepath.Join(t.TempDir(), "sbom.json")
	if err := os.WriteFile(bill, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}

	digest := publish(t, "-module", module, "-sbom", bill, "-revision", revision+"-dirty", repository)
	if statement := referrers(t, repository, digest)[intotoType]; bytes.Contains(statement, []byte("gitCommit")) || !bytes.Contains(statement, []byte("-dirty")) {
		t.Errorf("provenance: %s", statement)
	}
}

func TestTheCommandLineIsOneImageForEachArchitecture(t *testing.T) {
	repository, _ := registryAndModule(t, emptyModule)
	amd64, arm64 := program(t, elf.EM_X86_64), program(t, elf.EM_AARCH64)

	index, err := remote.Index(reference(t, repository, publish(t, "-program", amd64, "-program", arm64, repository)))
	if err != nil {
		t.Fatal(err)
	}

	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := remote.Image(reference(t, repository, publish(t, "-program", amd64, "-program", arm64, repository)),
			remote.WithPlatform(v1.Platform{OS: "linux", Architecture: architecture}))
		if err != nil {
			t.Fatal(err)
		}

		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != architecture || !slices.Equal(config.Config.Entrypoint, []string{"/wasm-rewrite"}) || config.Config.User != "65532:65532" {
			t.Errorf("%s: %+v", architecture, config)
		}
	}

	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 2 || manifest.Annotations["org.opencontainers.image.title"] != "wasm-rewrite-cli" {
		t.Errorf("index: %+v", manifest)
	}

	if _, err := remote.Index(reference(t, repository, publish(t, "-program", amd64, repository))); err == nil {
		t.Error("one program became an index")
	}
}

func TestAProgramThatCannotRunInAnEmptyImageIsRefused(t *testing.T) {
	repository, module := registryAndModule(t, emptyModule)
	for name, c := range map[string]struct {
		programs []string
		want     string
	}{
		"linked to a C library":        {[]string{program(t, elf.EM_X86_64, elf.PT_INTERP)}, "CGO_ENABLED=0"},
		"for another machine":          {[]string{program(t, elf.EM_RISCV)}, "want x86-64 or aarch64"},
		"no program":                   {[]string{module}, "not a program for Linux"},
		"not there":                    {[]string{module + ".not"}, "`make cli`"},
		"two of the same architecture": {[]string{program(t, elf.EM_X86_64), program(t, elf.EM_X86_64)}, "are both for amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			var args []string
			for _, file := range c.programs {
				args = append(args, "-program", file)
			}
			if err := run(t.Context(), append(args, repository), io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// referrers gives the documents that refer to an image, by their type.
func referrers(t *testing.T, repository, digest string) map[string][]byte {
	t.Helper()
	image := reference(t, repository, digest)
	index, err := remote.Referrers(image)
	if err != nil {
		t.Fatal(err)
	}

	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}

	documents := map[string][]byte{}
	for _, descriptor := range manifest.Manifests {
		document, err := remote.Image(reference(t, repository, descriptor.Digest.String()))
		if err != nil {
			t.Fatal(err)
		}

		about, err := document.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if about.Subject == nil || about.Subject.Digest.String() != digest || about.ArtifactType != descriptor.ArtifactType {
			t.Errorf("%s: subject %v, artifactType %q", descriptor.ArtifactType, about.Subject, about.ArtifactType)
		}

		layers, err := document.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%d layers, %v", len(layers), err)
		}

		content, err := layers[0].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if documents[about.ArtifactType], err = io.ReadAll(content); err != nil {
			t.Fatal(err)
		}
	}

	return documents
}

func reference(t *testing.T, repository, digest string) name.Digest {
	t.Helper()

	reference, err := name.NewDigest(repository + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	return reference
}

// program writes the header of a program for Linux, with segments.
func program(t *testing.T, machine elf.Machine, segments ...elf.ProgType) string {
	t.Helper()

	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(segments)), Shentsize: 64,
	}
	copy(header.Ident[:], "\x7fELF")
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA], header.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	var content bytes.Buffer
	if err := binary.Write(&content, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}

	for _, segment := range segments {
		if err := binary.Write(&content, binary.LittleEndian, elf.Prog64{Type: uint32(segment)}); err != nil {
			t.Fatal(err)
		}
	}

	file := filepath.Join(t.TempDir(), "wasm-rewrite")
	if err := os.WriteFile(file, content.Bytes(), 0o700); err != nil {
		t.Fatal(err)
	}

	return file
}
