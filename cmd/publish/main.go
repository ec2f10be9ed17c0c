// Command publish makes an image and pushes it: the filter's, one manifest whose one layer holds plugin.wasm, as Istio
// wants it; or, with -program, that of the command line. The same files and the same flags give the same digest,
// wherever and whenever it runs.
//
//	publish [flags] REGISTRY/REPOSITORY
//
// It prints the image's digest. With -sbom the image gets two referrers: the bill of materials and SLSA provenance.
// Credentials are those of `docker login`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const source = "https://github.com/wasm-rewrite/wasm-rewrite"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
}

// artifact is what remote pushes: an image, or an index of them.
type artifact interface {
	remote.Taggable
	partial.Describable
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("publish", flag.ContinueOnError)
	module := flags.String("module", "build/plugin.wasm", "the filter, a `file`")
	var programs []string
	flags.Func("program", "instead of the filter, the command line, a static `file` for Linux; repeated for more architectures", func(file string) error {
		programs = append(programs, file)
		return nil
	})
	tag := flags.String("tag", "", "a `tag` beside the digest")
	version := flags.String("version", "", "the label org.opencontainers.image.`version`")
	revision := flags.String("revision", "", "the label org.opencontainers.image.revision: the `commit`")
	sbom := flags.String("sbom", "", "the bill of materials, an SPDX `file` in JSON; attached with provenance")
	var p provenance
	flags.StringVar(&p.builder, "builder", source+"/blob/main/Makefile", "for the provenance, the `URI` of who builds")
	flags.StringVar(&p.invocation, "invocation", "", "for the provenance, the `URI` of the run")
	insecure := flags.Bool("insecure", false, "plain HTTP; the default for loopback and private addresses")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: publish [flags] REGISTRY/REPOSITORY")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return fmt.Errorf("publish: %d arguments, want one: the repository, as ghcr.io/wasm-rewrite/wasm-rewrite", flags.NArg())
	}
	var options []name.Option
	if *insecure {
		options = append(options, name.Insecure)
	}

	repository, err := name.NewRepository(flags.Arg(0), append(options, name.StrictValidation)...)
	if err != nil {
		return fmt.Errorf("publish: %q: %w; want a registry and a repository, as ghcr.io/wasm-rewrite/wasm-rewrite", flags.Arg(0), err)
	}
	var pushed artifact
	if len(programs) == 0 {
		pushed, err = readFilter(*module, labels("wasm-rewrite", "Rewrites paths and headers in Istio's proxies", *version, *revision))
	} else {
		pushed, err = readPrograms(programs, labels("wasm-rewrite-cli", "Checks, tries and explains the rules of wasm-rewrite", *version, *revision))
	}
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}

	digest, err := pushed.Digest()
	if err != nil {
		return err
	}

	reference := repository.Digest(digest.String())
	references := []name.Reference{reference}
	if *tag != "" {
		reference, err := name.NewTag(repository.Name()+":"+*tag, options...)
		if err != nil {
			return fmt.Errorf("publish: tag %q: %w", *tag, err)
		}

		references = append(references, reference)
	}

	login := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	for _, reference := range references {
		if index, ok := pushed.(v1.ImageIndex); ok {
			err = remote.WriteIndex(reference, index, login...)
		} else {
			err = remote.Write(reference, pushed.(v1.Image), login...)
		}
		if err != nil {
			return fmt.Errorf("publish: %s: %w; is the registry up, and does `docker login %s` let you push?", reference, err, repository.RegistryStr())
		}
	}
	if *sbom != "" {
		p.revision, p.version = *revision, *version
		if err := attach(reference, pushed, *sbom, p, login); err != nil {
			return fmt.Errorf("publish: %s: %w", reference, err)
		}
	}

	_, err = fmt.Fprintln(stdout, digest)

	return err
}

func labels(title, description, version, revision string) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       title,
		"org.opencontainers.image.description": description,
		"org.opencontainers.image.source":      source,
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
	if version != "" {
		all["org.opencontainers.image.version"] = version
	}
	if revision != "" {
		all["org.opencontainers.image.revision"] = revision
	}

	return all
}
