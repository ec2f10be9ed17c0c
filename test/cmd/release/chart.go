package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"go.yaml.in/yaml/v3"
)

// chart packs the chart with the images it was released with written into its values, pushes it, and prints its digest.
func chart(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("chart", flag.ContinueOnError)
	registry := flags.String("registry", "", "where the images are and the chart goes")
	version := flags.String("version", "", "of the chart and of what it installs")
	filter := flags.String("filter", "", "`digest` of the filter's image")
	cli := flags.String("cli", "", "`digest` of the command line's image")
	helm := flags.String("helm", "build/bin/helm", "the program")
	if err := flags.Parse(args); err != nil {
		return err
	}

	for _, digest := range []string{*filter, *cli} {
		if _, err := v1.NewHash(digest); err != nil {
			return fmt.Errorf("digest %q: %w; want sha256:… and 64 hexadecimal digits", digest, err)
		}
	}

	image, err := name.NewRepository(*registry + "/wasm-rewrite")
	if err != nil {
		return fmt.Errorf("-registry: %w", err)
	}

	temporary, err := os.MkdirTemp("", "wasm-rewrite-chart-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)

	pins := []setting{
		{"image.registry", image.RegistryStr()}, {"image.repository", image.RepositoryStr()}, {"image.digest", *filter},
		{"verify.image.digest", *cli},
	}

	archive, err := pack(ctx, *helm, temporary, *version, pins)
	if err != nil {
		return err
	}

	push := exec.CommandContext(ctx, *helm, "push", archive, "oci://"+*registry+"/charts")
	if image.Scheme() == "http" {
		push.Args = append(push.Args, "--plain-http")
	}
	// helm tells the digest on stderr.
	said, err := push.CombinedOutput()
	if err != nil {
		return fmt.Errorf("helm push: %w\n%s\nis the registry up, and does `make login` let you push?", err, said)
	}

	digest := regexp.MustCompile(`(?m)^Digest: (sha256:[0-9a-f]{64})$`).FindSubmatch(said)
	if digest == nil {
		return fmt.Errorf("helm push: no digest in what it says:\n%s", said)
	}

	_, err = fmt.Fprintf(out, "%s\n", digest[1])

	return err
}

// pack makes the chart's archive, in a folder, with some values of its own.
func pack(ctx context.Context, helm, temporary, version string, pins []setting) (archive string, err error) {
	folder := filepath.Join(temporary, "wasm-rewrite")
	if err := os.CopyFS(folder, os.DirFS(chartFolder)); err != nil {
		return "", err
	}

	if err := set(filepath.Join(folder, "values.yaml"), pins); err != nil {
		return "", err
	}

	command := exec.CommandContext(ctx, helm, "package", folder, "--version", version, "--app-version", version, "--destination", temporary)
	if _, err := tell(command); err != nil {
		return "", err
	}

	return filepath.Join(temporary, "wasm-rewrite-"+version+".tgz"), nil
}

// setting is a value for a scalar of a YAML file, named as image.digest.
type setting struct{ path, value string }

// stamp sets scalars of a YAML file.
func stamp(_ context.Context, args []string, _ io.Writer) error {
	if len(args) < 2 {
		return errors.New("want a file and settings, as values.yaml image.digest=sha256:…")
	}

	var settings []setting
	for _, arg := range args[1:] {
		path, value, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q: want key=value, as image.digest=sha256:…", arg)
		}

		settings = append(settings, setting{path, value})
	}

	return set(args[0], settings)
}

// set puts values in the place of scalars that a YAML file has; every other byte stays.
func set(file string, settings []setting) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(document.Content) == 0 {
		return fmt.Errorf("%s: it is empty", file)
	}

	lines := bytes.SplitAfter(text, []byte("\n"))
	for _, s := range settings {
		node := find(document.Content[0], strings.Split(s.path, "."))
		if node == nil || node.Kind != yaml.ScalarNode || node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			return fmt.Errorf("%s: %s: no such value to put %q in the place of", file, s.path, s.value)
		}

		old := node.Value
		switch {
		case node.Style&yaml.DoubleQuotedStyle != 0:
			old = `"` + old + `"`
		case node.Style&yaml.SingleQuotedStyle != 0:
			old = "'" + old + "'"
		}

		quoted, err := yaml.Marshal(s.value)
		if err != nil {
			return err
		}

		line := lines[node.Line-1]
		before, after := line[:node.Column-1], line[node.Column-1:]
		rest, ok := bytes.CutPrefix(after, []byte(old))
		if !ok {
			return fmt.Errorf("%s: %s: %q is written in a way that is not understood here; write it plainly, on one line", file, s.path, node.Value)
		}

		lines[node.Line-1] = bytes.Join([][]byte{before, bytes.TrimRight(quoted, "\n"), rest}, nil)
		// The places of later ones on the same line have moved.
		if err := yaml.Unmarshal(bytes.Join(lines, nil), &document); err != nil {
			return fmt.Errorf("%s: %s: %w", file, s.path, err)
		}
	}

	return os.WriteFile(file, bytes.Join(lines, nil), 0o644)
}

func find(node *yaml.Node, path []string) *yaml.Node {
	for _, key := range path {
		var next *yaml.Node
		for i := 0; node.Kind == yaml.MappingNode && i < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				next = node.Content[i+1]
			}
		}
		if next == nil {
			return nil
		}

		node = next
	}

	return node
}
