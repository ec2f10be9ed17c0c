package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Artifact types that say what an image is and where it comes from, as publish attaches them.
const (
	sbomType       = "application/spdx+json"
	provenanceType = "application/vnd.in-toto+json"
)

// sign signs what is named by digest, and the bills of materials and provenances that refer to it.
func sign(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("sign", flag.ContinueOnError)
	cosign := flags.String("cosign", "build/bin/cosign", "the program")
	key := flags.String("key", "", "a private `key`; without one, the identity that the workflow has")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("want one or more references, each REGISTRY/REPOSITORY@sha256:…")
	}

	for _, arg := range flags.Args() {
		reference, err := name.NewDigest(arg)
		if err != nil {
			return fmt.Errorf("%w; a tag can move, so only digests are signed", err)
		}

		about, err := documents(reference, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
		if err != nil {
			return err
		}

		for _, reference := range append([]name.Digest{reference}, about...) {
			command := exec.CommandContext(ctx, *cosign, "sign", "--yes", "--new-bundle-format")
			if *key != "" {
				command.Args = append(command.Args, "--key", *key, "--use-signing-config=false", "--tlog-upload=false")
			}

			command.Args = append(command.Args, plainHTTP(reference)...)
			command.Args = append(command.Args, reference.Name())
			if _, err := tell(command); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(out, "signed", reference); err != nil {
				return err
			}
		}
	}

	return nil
}

// documents are the bills of materials and provenances that refer to an image.
func documents(image name.Digest, options ...remote.Option) ([]name.Digest, error) {
	index, err := remote.Referrers(image, options...)
	if err != nil {
		return nil, fmt.Errorf("%s: its referrers: %w; is the registry up, and does `make login` let you in?", image, err)
	}

	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}

	var found []name.Digest
	for _, referrer := range manifest.Manifests {
		reference := image.Context().Digest(referrer.Digest.String())
		// Not every registry copies the type into its list.
		document, err := remote.Image(reference, options...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", reference, err)
		}

		about, err := document.Manifest()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", reference, err)
		}
		if about.ArtifactType == sbomType || about.ArtifactType == provenanceType {
			found = append(found, reference)
		}
	}

	return found, nil
}

func plainHTTP(reference name.Digest) []string {
	if reference.Context().Scheme() == "http" {
		return []string{"--allow-http-registry"}
	}
	return nil
}
