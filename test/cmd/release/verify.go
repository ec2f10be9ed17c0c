package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	intoto "github.com/in-toto/attestation/go/v1"
	spdxjson "github.com/spdx/tools-golang/json"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// stranger looks at a release as somebody does who knows the registry, the version and who signs, and nothing else: no
// login, no configuration, an empty home.
type stranger struct {
	ctx          context.Context
	out          io.Writer
	home         string
	cosign, helm string
	trust        []string // cosign's flags that say who signs
}

// verify fetches a release as a stranger and checks it: signatures, what the chart installs, the bill of materials and
// the provenance of each image, and that filter and command line do what they are for.
func verify(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	registry := flags.String("registry", "", "where the release is")
	version := flags.String("version", "", "the release")
	cosign := flags.String("cosign", "build/bin/cosign", "the program")
	helm := flags.String("helm", "build/bin/helm", "the program")
	key := flags.String("key", "", "the public `key` of who signs")
	identity := flags.String("identity", "", "without a key, the `URL` of the workflow that signs, with its ref")
	if err := flags.Parse(args); err != nil {
		return err
	}

	s := stranger{ctx: ctx, out: out}
	switch {
	case *key != "":
		if *key, err = filepath.Abs(*key); err != nil {
			return err
		}

		s.trust = []string{"--key", *key, "--insecure-ignore-tlog"}
	case *identity != "":
		s.trust = []string{"--certificate-identity", *identity, "--certificate-oidc-issuer", "https://token.actions.githubusercontent.com"}
	default:
		return errors.New("who signs? Want -key or -identity")
	}
	if s.cosign, err = filepath.Abs(*cosign); err != nil {
		return err
	}
	if s.helm, err = filepath.Abs(*helm); err != nil {
		return err
	}
	if s.home, err = os.MkdirTemp("", "wasm-rewrite-stranger-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.home)
	if *key != "" {
		// Nothing but the key is trusted; cosign would ask Sigstore whom else to trust.
		root := filepath.Join(s.home, "trusted-root.json")
		if err := os.WriteFile(root, []byte(`{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`), 0o600); err != nil {
			return err
		}

		s.trust = append(s.trust, "--trusted-root", root)
	}

	return s.release(*registry, *version)
}

func (s stranger) release(registry, version string) error {
	chart, values, err := s.chart(registry, version)
	if err != nil {
		return err
	}

	filter, err := name.NewDigest(values.Image.Registry + "/" + values.Image.Repository + "@" + values.Image.Digest)
	if err != nil {
		return fmt.Errorf("the chart's image: %w", err)
	}
	if want := registry + "/wasm-rewrite"; filter.Context().Name() != want {
		return fmt.Errorf("the chart installs %s, want an image of %s", filter, want)
	}

	module, err := s.filter(filter, version)
	if err != nil {
		return err
	}
	if err := s.renders(chart, filter); err != nil {
		return err
	}
	// Where the chart's gates look for it when nobody says otherwise.
	cli, err := name.NewDigest(filter.Context().Name() + "-cli@" + values.Verify.Image.Digest)
	if err != nil {
		return fmt.Errorf("the chart's verify.image: %w", err)
	}

	program, err := s.program(cli, version)
	if err != nil {
		return err
	}

	return s.works(program, module)
}

type chartValues struct {
	Image  struct{ Registry, Repository, Digest string }
	Verify struct{ Image struct{ Digest string } }
}

// chart fetches the chart by its version.
func (s stranger) chart(registry, version string) (file string, values chartValues, err error) {
	repository, err := name.NewRepository(registry + "/charts/wasm-rewrite")
	if err != nil {
		return "", values, err
	}

	pull := s.command(s.helm, "pull", "oci://"+repository.Name(), "--version", version)
	if repository.Scheme() == "http" {
		pull.Args = append(pull.Args, "--plain-http")
	}

	said, err := pull.CombinedOutput()
	if err != nil {
		return "", values, fmt.Errorf("helm pull: %w\n%s\nis the registry up, and the release published there?", err, said)
	}

	digest := regexp.MustCompile(`(?m)^Digest: (sha256:[0-9a-f]{64})$`).FindSubmatch(said)
	if digest == nil {
		return "", values, fmt.Errorf("helm pull: no digest in what it says:\n%s", said)
	}
	if err := s.signed(repository.Digest(string(digest[1]))); err != nil {
		return "", values, err
	}

	file = filepath.Join(s.home, "wasm-rewrite-"+version+".tgz")
	text, err := tell(s.command(s.helm, "show", "values", file))
	if err != nil {
		return "", values, err
	}

	return file, values, yaml.Unmarshal([]byte(text), &values)
}

// renders renders the chart with one rule and nothing else and wants the image in what goes to Istio.
func (s stranger) renders(chart string, filter name.Digest) error {
	text, err := tell(s.command(s.helm, "template", "mine", chart, "--set-json",
		`workloads={"httpbin":{"selector":{"app":"httpbin"},"patterns":[{"match":{"path":{"prefix":"/a"}},"rewrite":{"path":"/b"}}]}}`))
	if err != nil {
		return err
	}
	var plugin struct {
		Kind string
		Spec struct{ URL, SHA256 string }
	}
	if err := yaml.Unmarshal([]byte(text), &plugin); err != nil {
		return err
	}

	wantURL := "oci://" + filter.Name()
	if plugin.Kind != "WasmPlugin" || plugin.Spec.URL != wantURL {
		return fmt.Errorf("the chart renders a %s with url %q, want a WasmPlugin with %q:\n%s", plugin.Kind, plugin.Spec.URL, wantURL, text)
	}

	return s.say("the chart installs %s", filter)
}

// filter fetches the filter's image and leaves the module in a file.
func (s stranger) filter(reference name.Digest, version string) (module string, err error) {
	descriptor, err := remote.Get(reference, s.anonymous()...)
	if err != nil {
		return "", err
	}
	// Istio's agent compares the digest with that of the manifest that it reads, so it refuses an index.
	if !descriptor.MediaType.IsImage() {
		return "", fmt.Errorf("%s: it is %s; want a single manifest", reference, descriptor.MediaType)
	}

	image, err := descriptor.Image()
	if err != nil {
		return "", err
	}
	if err := s.described(reference, version, "github.com/tetratelabs/proxy-wasm-go-sdk"); err != nil {
		return "", err
	}

	return s.take(image, "plugin.wasm")
}

// program fetches the command line's image and leaves the program in a file.
func (s stranger) program(reference name.Digest, version string) (string, error) {
	if err := s.described(reference, version, "github.com/spf13/cobra"); err != nil {
		return "", err
	}
	// On a machine of another system the image for its architecture is looked at all the same.
	image, err := remote.Image(reference, append(s.anonymous(), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))...)
	if err != nil {
		return "", err
	}

	config, err := image.ConfigFile()
	if err != nil {
		return "", err
	}
	if user := config.Config.User; user == "" || strings.HasPrefix(user, "0") || strings.HasPrefix(user, "root") {
		return "", fmt.Errorf("%s: it runs as user %q; want one that is not root", reference, user)
	}
	if entrypoint := config.Config.Entrypoint; len(entrypoint) != 1 || entrypoint[0] != "/wasm-rewrite" {
		return "", fmt.Errorf("%s: its entrypoint is %q; want /wasm-rewrite", reference, entrypoint)
	}

	return s.take(image, "wasm-rewrite")
}

// works runs a rule and its example in the module, with the program of the release.
func (s stranger) works(program, module string) error {
	rules := filepath.Join(s.home, "rules.yaml")
	if err := os.WriteFile(rules, []byte(`patterns:
- name: teapot
  match: {path: {regex: "banana/([0-9]*)"}}
  rewrite: {path: status/$1}
tests:
- name: teapot
  request: {path: "/banana/418?v=2"}
  expect: {pattern: teapot, path: "/status/418?v=2"}
`), 0o600); err != nil {
		return err
	}
	if _, err := tell(s.command(program, "test", "--wasm", module, rules)); err != nil {
		return err
	}

	return s.say("the command line runs a rule in the filter")
}

// described checks an image's signature, and that a bill of materials and a provenance about this very image are there
// and signed. contains is a module that the bill must list.
func (s stranger) described(image name.Digest, version, contains string) error {
	if err := s.signed(image); err != nil {
		return err
	}

	found, err := documents(image, s.anonymous()...)
	if err != nil {
		return err
	}

	kinds := map[string]bool{}
	for _, reference := range found {
		if err := s.signed(reference); err != nil {
			return err
		}

		document, err := remote.Image(reference, s.anonymous()...)
		if err != nil {
			return err
		}

		manifest, err := document.Manifest()
		if err != nil {
			return err
		}

		layers, err := document.Layers()
		if err != nil {
			return err
		}
		if len(layers) != 1 || manifest.Subject == nil || manifest.Subject.Digest.String() != image.DigestStr() {
			return fmt.Errorf("%s: want one document whose subject is %s", reference, image)
		}

		content, err := layers[0].Compressed()
		if err != nil {
			return err
		}

		text, err := io.ReadAll(content)
		if err != nil {
			return err
		}

		switch manifest.ArtifactType {
		case sbomType:
			err = billOf(text, version, contains)
		case provenanceType:
			err = provenanceOf(text, image)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", reference, err)
		}

		kinds[manifest.ArtifactType] = true
	}
	if len(kinds) != 2 {
		return fmt.Errorf("%s: %d of its documents are there; want a bill of materials and a provenance", image, len(kinds))
	}

	return s.say("%s has a bill of materials and a provenance, signed", image)
}

func billOf(text []byte, version, contains string) error {
	bill, err := spdxjson.Read(bytes.NewReader(text))
	if err != nil {
		return err
	}

	listed := false
	for _, p := range bill.Packages {
		listed = listed || p.PackageName == contains
	}
	if !listed {
		return fmt.Errorf("the bill of materials lists no %s", contains)
	}
	if got := bill.Packages[0].PackageVersion; got != version {
		return fmt.Errorf("the bill of materials is of version %q, want %s", got, version)
	}

	return nil
}

func provenanceOf(text []byte, image name.Digest) error {
	var statement intoto.Statement
	if err := protojson.Unmarshal(text, &statement); err != nil {
		return err
	}
	if err := statement.Validate(); err != nil {
		return err
	}
	if got := "sha256:" + statement.Subject[0].Digest["sha256"]; got != image.DigestStr() {
		return fmt.Errorf("the provenance is about %s, want %s", got, image.DigestStr())
	}

	raw, err := protojson.Marshal(statement.Predicate)
	if err != nil {
		return err
	}
	var predicate struct {
		BuildDefinition struct {
			ResolvedDependencies []struct{ Digest map[string]string }
		}
	}
	if err := json.Unmarshal(raw, &predicate); err != nil {
		return err
	}
	if from := predicate.BuildDefinition.ResolvedDependencies; len(from) == 0 || from[0].Digest["gitCommit"] == "" {
		return errors.New("the provenance names no commit: what was published is no commit's work")
	}

	return nil
}

// signed wants a signature of the one who is trusted.
func (s stranger) signed(reference name.Digest) error {
	command := s.command(s.cosign, append(append([]string{"verify"}, s.trust...), plainHTTP(reference)...)...)
	command.Args = append(command.Args, reference.Name())
	if _, err := tell(command); err != nil {
		return err
	}
	return s.say("%s is signed", reference)
}

// take leaves a file of an image in the stranger's home.
func (s stranger) take(image v1.Image, file string) (string, error) {
	content := mutate.Extract(image)
	defer content.Close()

	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if err != nil {
			return "", fmt.Errorf("the image has no %s: %w", file, err)
		}
		if header.Name != file {
			continue
		}

		data, err := io.ReadAll(archive)
		if err != nil {
			return "", err
		}

		name := filepath.Join(s.home, file)

		return name, os.WriteFile(name, data, 0o700)
	}
}

func (s stranger) anonymous() []remote.Option {
	return []remote.Option{remote.WithContext(s.ctx), remote.WithAuth(authn.Anonymous)}
}

func (s stranger) command(program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(s.ctx, program, args...)
	command.Dir = s.home
	command.Env = []string{"HOME=" + s.home, "DOCKER_CONFIG=" + s.home, "PATH=" + os.Getenv("PATH")}
	return command
}

func (s stranger) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, "ok: "+format+"\n", args...)
	return err
}
