package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	provenancev1 "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	spdxType   = "application/spdx+json"
	intotoType = "application/vnd.in-toto+json"
	emptyType  = "application/vnd.oci.empty.v1+json"
	slsaType   = "https://slsa.dev/provenance/v1"
)

// attach pushes the bill of materials and the provenance as artifacts that refer to an image.
func attach(image name.Digest, pushed artifact, sbom string, p provenance, login []remote.Option) error {
	bill, err := os.ReadFile(sbom)
	if err != nil {
		return err
	}
	if !json.Valid(bill) {
		return fmt.Errorf("%s: not JSON; want an SPDX document", sbom)
	}

	statement, err := p.statement(image)
	if err != nil {
		return fmt.Errorf("provenance: %w", err)
	}

	subject := v1.Descriptor{}
	if subject.Digest, err = pushed.Digest(); err != nil {
		return err
	}
	if subject.Size, err = pushed.Size(); err != nil {
		return err
	}
	if subject.MediaType, err = pushed.MediaType(); err != nil {
		return err
	}

	for _, a := range []struct {
		mediaType   string
		content     []byte
		annotations map[string]string
	}{
		{spdxType, bill, map[string]string{"org.opencontainers.image.title": "sbom.spdx.json"}},
		{intotoType, statement, map[string]string{"in-toto.io/predicate-type": slsaType}},
	} {
		if err := refer(image.Context(), subject, types.MediaType(a.mediaType), a.content, a.annotations, login); err != nil {
			return fmt.Errorf("%s: %w", a.mediaType, err)
		}
	}

	return nil
}

// refer pushes an OCI artifact of one layer whose subject is an image.
func refer(repository name.Repository, subject v1.Descriptor, mediaType types.MediaType, content []byte, annotations map[string]string,
	login []remote.Option) error {
	var blobs [2]v1.Descriptor
	for i, blob := range []v1.Layer{static.NewLayer([]byte("{}"), emptyType), static.NewLayer(content, mediaType)} {
		if err := remote.WriteLayer(repository, blob, login...); err != nil {
			return err
		}

		descriptor, err := partial.Descriptor(blob)
		if err != nil {
			return err
		}

		blobs[i] = *descriptor
	}

	raw, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: string(mediaType),
		Config: blobs[0], Layers: blobs[1:], Subject: &subject, Annotations: annotations,
	})
	if err != nil {
		return err
	}

	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return err
	}

	return remote.Put(repository.Digest(digest.String()), manifest(raw), login...)
}

type manifest []byte

func (m manifest) RawManifest() ([]byte, error)        { return m, nil }
func (m manifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// provenance says where an image comes from, in SLSA's terms.
type provenance struct {
	builder, invocation string // URIs
	version, revision   string
}

// statement is the in-toto statement about an image, the same bytes for the same input.
func (p provenance) statement(image name.Digest) ([]byte, error) {
	parameters := map[string]any{"target": "publish", "repository": image.Context().Name()}
	if p.version != "" {
		parameters["version"] = p.version
	}

	external, err := structpb.NewStruct(parameters)
	if err != nil {
		return nil, err
	}
	// A work tree with changes is not a commit: its revision ends in -dirty and has no digest.
	from := &intoto.ResourceDescriptor{Uri: "git+" + source + "@" + p.revision}
	if commit.MatchString(p.revision) {
		from.Digest = map[string]string{"gitCommit": p.revision}
	}

	definition := &provenancev1.Provenance{
		BuildDefinition: &provenancev1.BuildDefinition{
			BuildType:            source + "/blob/main/Makefile",
			ExternalParameters:   external,
			ResolvedDependencies: []*intoto.ResourceDescriptor{from},
		},
		RunDetails: &provenancev1.RunDetails{Builder: &provenancev1.Builder{Id: p.builder}},
	}
	if p.invocation != "" {
		definition.RunDetails.Metadata = &provenancev1.BuildMetadata{InvocationId: p.invocation}
	}

	predicateJSON, err := protojson.Marshal(definition)
	if err != nil {
		return nil, err
	}

	predicate := &structpb.Struct{}
	if err := protojson.Unmarshal(predicateJSON, predicate); err != nil {
		return nil, err
	}

	statement := &intoto.Statement{
		Type: intoto.StatementTypeUri,
		Subject: []*intoto.ResourceDescriptor{{Name: image.Context().Name(),
			Digest: map[string]string{"sha256": strings.TrimPrefix(image.DigestStr(), "sha256:")}}},
		PredicateType: slsaType,
		Predicate:     predicate,
	}
	if err := statement.Validate(); err != nil {
		return nil, err
	}

	out, err := protojson.Marshal(statement)
	if err != nil {
		return nil, err
	}
	// protojson puts spaces where it likes.
	var compact bytes.Buffer
	err = json.Compact(&compact, out)

	return compact.Bytes(), err
}

var commit = regexp.MustCompile(`^[0-9a-f]{40}$`)
