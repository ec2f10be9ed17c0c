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

// order is what the command line asks for.
type order struct {
	repository              name.Repository
	tag                     name.Reference // nil without one
	module                  string
	programs                []string
	version, revision, sbom string
	provenance              provenance
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}

	pushed, err := o.read()
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}

	digest, err := pushed.Digest()
	if err != nil {
		return err
	}

	reference := o.repository.Digest(digest.String())

	login := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if err := o.push(pushed, reference, login); err != nil {
		return err
	}
	if o.sbom != "" {
		if err := attach(reference, pushed, o.sbom, o.provenance, login); err != nil {
			return fmt.Errorf("publish: %s: %w", reference, err)
		}
	}

	_, err = fmt.Fprintln(stdout, digest)

	return err
}

func parse(args []string) (*order, error) {
	var o order
	flags := flag.NewFlagSet("publish", flag.ContinueOnError)
	flags.StringVar(&o.module, "module", "build/plugin.wasm", "the filter, a `file`")
	flags.Func("program", "instead of the filter, the command line, a static `file` for Linux; repeated for more architectures", func(file string) error {
		o.programs = append(o.programs, file)
		return nil
	})
	tag := flags.String("tag", "", "a `tag` in addition to the digest")
	flags.StringVar(&o.version, "version", "", "the label org.opencontainers.image.`version`")
	flags.StringVar(&o.revision, "revision", "", "the label org.opencontainers.image.revision: the `commit`")
	flags.StringVar(&o.sbom, "sbom", "", "the bill of materials, an SPDX `file` in JSON; attached with provenance")
	flags.StringVar(&o.provenance.builder, "builder", source+"/blob/main/Makefile", "for the provenance, the `URI` of who builds")
	flags.StringVar(&o.provenance.invocation, "invocation", "", "for the provenance, the `URI` of the run")
	insecure := flags.Bool("insecure", false, "plain HTTP; the default for loopback and private addresses")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: publish [flags] REGISTRY/REPOSITORY")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return nil, fmt.Errorf("publish: %d arguments, want one: the repository, as ghcr.io/wasm-rewrite/wasm-rewrite", flags.NArg())
	}

	var options []name.Option
	if *insecure {
		options = append(options, name.Insecure)
	}

	var err error
	if o.repository, err = name.NewRepository(flags.Arg(0), append(options, name.StrictValidation)...); err != nil {
		return nil, fmt.Errorf("publish: %q: %w; want a registry and a repository, as ghcr.io/wasm-rewrite/wasm-rewrite", flags.Arg(0), err)
	}
	if *tag != "" {
		if o.tag, err = name.NewTag(o.repository.Name()+":"+*tag, options...); err != nil {
			return nil, fmt.Errorf("publish: tag %q: %w", *tag, err)
		}
	}

	o.provenance.revision, o.provenance.version = o.revision, o.version

	return &o, nil
}

// read makes the image, or the index, of the files.
func (o *order) read() (artifact, error) {
	if len(o.programs) == 0 {
		return readFilter(o.module, labels("wasm-rewrite", "Rewrites paths and headers in Istio's proxies", o.version, o.revision))
	}
	return readPrograms(o.programs, labels("wasm-rewrite-cli", "Checks, tries and explains the rules of wasm-rewrite", o.version, o.revision))
}

// push pushes it under its digest, and under the tag if there is one.
func (o *order) push(pushed artifact, digest name.Reference, login []remote.Option) error {
	references := []name.Reference{digest}
	if o.tag != nil {
		references = append(references, o.tag)
	}

	for _, reference := range references {
		var err error
		if index, ok := pushed.(v1.ImageIndex); ok {
			err = remote.WriteIndex(reference, index, login...)
		} else {
			err = remote.Write(reference, pushed.(v1.Image), login...)
		}
		if err != nil {
			return fmt.Errorf("publish: %s: %w; is the registry up, and does `docker login %s` let you push?", reference, err, o.repository.RegistryStr())
		}
	}

	return nil
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
