// Command publish makes the filter's image and pushes it: one manifest, whose one layer holds plugin.wasm, as Istio
// wants it. The same module and the same flags give the same digest, wherever and whenever it runs.
//
//	publish [flags] REGISTRY/REPOSITORY
//
// It prints the image's digest. Credentials are those of `docker login`.
package main

import (
	"archive/tar"
	"bytes"
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
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip" // pinned by go.mod; the standard library's output changes with the Go that compiles it
)

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

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("publish", flag.ContinueOnError)
	module := flags.String("module", "build/plugin.wasm", "the filter, a `file`")
	tag := flags.String("tag", "", "a `tag` beside the digest")
	version := flags.String("version", "", "the label org.opencontainers.image.`version`")
	revision := flags.String("revision", "", "the label org.opencontainers.image.`revision`: the commit")
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
	content, err := os.ReadFile(*module)
	if err != nil {
		return fmt.Errorf("publish: %w; `make build` makes the filter", err)
	}
	image, err := newImage(content, labels(*version, *revision))
	if err != nil {
		return fmt.Errorf("publish: %s: %w", *module, err)
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	references := []name.Reference{repository.Digest(digest.String())}
	if *tag != "" {
		reference, err := name.NewTag(repository.Name()+":"+*tag, options...)
		if err != nil {
			return fmt.Errorf("publish: tag %q: %w", *tag, err)
		}
		references = append(references, reference)
	}
	for _, reference := range references {
		if err := remote.Write(reference, image, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("publish: %s: %w; is the registry up, and does `docker login %s` let you push?", reference, err, repository.RegistryStr())
		}
	}
	_, err = fmt.Fprintln(stdout, digest)
	return err
}

func labels(version, revision string) map[string]string {
	all := map[string]string{
		"org.opencontainers.image.title":       "wasm-rewrite",
		"org.opencontainers.image.description": "Rewrites paths and headers in Istio's proxies",
		"org.opencontainers.image.source":      "https://github.com/wasm-rewrite/wasm-rewrite",
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

// newImage makes the image out of the module. The labels stand in its configuration and, as annotations, in its
// manifest. No time is in it.
func newImage(module []byte, labels map[string]string) (v1.Image, error) {
	if !bytes.HasPrefix(module, []byte("\x00asm\x01\x00\x00\x00")) {
		return nil, errors.New("not a WebAssembly module: it does not start with \\0asm and version 1")
	}
	var archive, layer bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "plugin.wasm", Mode: 0o644, Size: int64(len(module)), Format: tar.FormatUSTAR}); err != nil {
		return nil, err
	}
	if _, err := w.Write(module); err != nil {
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
	config.OS, config.Architecture, config.Config.Labels = "wasip1", "wasm", labels
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Annotations(image, labels).(v1.Image), nil
}

// compressed is a layer whose content is compressed already.
type compressed struct {
	v1.Layer
	diffID v1.Hash
}

func (c compressed) DiffID() (v1.Hash, error) { return c.diffID, nil }
