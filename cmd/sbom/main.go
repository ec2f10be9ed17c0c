// Command sbom says what a program of this repository is made of: its Go modules, as an SPDX document, each with the
// licence that its own files name.
//
//	sbom [flags] PACKAGE...
//
// GOOS, GOARCH and CGO_ENABLED count as for `go build`. The same commit gives the same document. With -licences it prints
// a table instead and fails where a licence is unknown or not among those that may be linked into an Apache-2.0 program.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/licensecheck"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdxlib"
)

const source = "https://github.com/wasm-rewrite/wasm-rewrite"

// Licences that ask for no more than their own text next to an Apache-2.0 program. MPL-2.0 asks for the changes to its
// own files, and there are none.
var allowed = []string{"0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT",
	"MPL-2.0", "Unlicense", "Zlib"}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "sbom:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	name := flags.String("name", "wasm-rewrite", "the document's `name`")
	version := flags.String("version", "", "the document's `version`")
	created := flags.Int64("created", 0, "its date, in `seconds` since 1970: that of the commit")
	table := flags.Bool("licences", false, "print licences as a table instead")
	var also []component
	flags.Func("also", "what is linked in with Go's modules: `name,version,licence`; repeated", func(text string) error {
		fields := strings.Split(text, ",")
		if len(fields) != 3 {
			return errors.New("want name,version,licence")
		}

		also = append(also, component{name: fields[0], version: fields[1], licence: fields[2]})
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("no package; want one or more, as ./plugin")
	}

	components, err := components(flags.Args())
	if err != nil {
		return err
	}

	components = append(components, also...)
	if *table {
		return licences(stdout, components)
	}

	document := newDocument(*name, *version, time.Unix(*created, 0), components)
	if err := spdxlib.ValidateDocument(document); err != nil {
		return err
	}

	return spdxjson.Write(document, stdout, spdxjson.Indent("  "))
}

// component is something that is linked into a program.
type component struct {
	name, version string
	url           string // a package URL; empty for what is not a Go module
	licence       string // an SPDX expression; empty where it is unknown
}

// module is a module as `go list` describes it.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// components are the modules that packages are built from, the main module left out, and Go's standard library.
func components(packages []string) ([]component, error) {
	command := exec.Command("go", append([]string{"list", "-deps", "-json=Module"}, packages...)...)
	var problems bytes.Buffer
	command.Stderr = &problems
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w\n%s", strings.Join(packages, " "), err, &problems)
	}

	modules := map[string]module{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var found struct{ Module *module }
		if err := decoder.Decode(&found); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if m := found.Module; m != nil && !m.Main {
			if m.Replace != nil {
				m = m.Replace
			}

			modules[m.Path] = *m
		}
	}

	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}

	goVersion := strings.TrimPrefix(runtime.Version(), "go")
	licence, err := licenceIn(strings.TrimSpace(string(root)))
	if err != nil {
		return nil, err
	}

	all := []component{{"std", goVersion, "pkg:golang/std@" + goVersion, licence}}
	for _, m := range modules {
		licence, err := licenceIn(m.Dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}

		all = append(all, component{m.Path, m.Version, "pkg:golang/" + m.Path + "@" + m.Version, licence})
	}
	slices.SortFunc(all, func(a, b component) int { return strings.Compare(a.name, b.name) })

	return all, nil
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([-.].*)?$`)

// licenceIn is the licence that the files in a module's root name. Empty where there is none, or it is not known.
func licenceIn(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: the module's files are not there; `go mod download` fetches them", folder)
	} else if err != nil {
		return "", err
	}

	var found []string
	for _, entry := range entries {
		// LICENSE.docs is about documentation, which is not linked in.
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".docs") {
			continue
		}

		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return "", err
		}

		for _, match := range licensecheck.Scan(text).Match {
			if !match.IsURL && !slices.Contains(found, match.ID) {
				found = append(found, match.ID)
			}
		}
	}
	slices.Sort(found)

	return strings.Join(found, " AND "), nil
}

func licences(out io.Writer, components []component) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)

	var refused []string
	for _, c := range components {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.name, c.version, c.licence)

		for licence := range strings.SplitSeq(c.licence, " AND ") {
			if !slices.Contains(allowed, licence) {
				refused = append(refused, fmt.Sprintf("%s %s: %q; want one of %s", c.name, c.version, licence, strings.Join(allowed, ", ")))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if refused != nil {
		return fmt.Errorf("licences to look at:\n  %s", strings.Join(refused, "\n  "))
	}

	return nil
}

func newDocument(name, version string, created time.Time, components []component) *spdx.Document {
	const root = "Package-root"

	document := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName: name, DocumentNamespace: source + "/spdx/" + path.Join(name, version, created.UTC().Format("20060102T150405Z")),
		CreationInfo: &spdx.CreationInfo{
			Created: created.UTC().Format(time.RFC3339), Creators: []spdx.Creator{{CreatorType: "Tool", Creator: "wasm-rewrite-sbom"}},
		},
		Packages:      []*spdx.Package{newPackage(root, component{name, version, "", "Apache-2.0"})},
		Relationships: []*spdx.Relationship{relate("DOCUMENT", root, "DESCRIBES")},
	}
	for i, c := range components {
		id := fmt.Sprintf("Package-%d", i+1)
		document.Packages = append(document.Packages, newPackage(id, c))
		document.Relationships = append(document.Relationships, relate(root, id, "STATIC_LINK"))
	}

	return document
}

func newPackage(id string, c component) *spdx.Package {
	p := &spdx.Package{
		PackageName: c.name, PackageSPDXIdentifier: spdx.ElementID(id), PackageVersion: c.version,
		PackageDownloadLocation: "NOASSERTION", PackageCopyrightText: "NOASSERTION",
		PackageLicenseDeclared: c.licence, PackageLicenseConcluded: "NOASSERTION",
	}
	if c.licence == "" {
		p.PackageLicenseDeclared = "NOASSERTION"
	}
	if c.url != "" {
		p.PackageExternalReferences = []*spdx.PackageExternalReference{{Category: spdx.CategoryPackageManager, RefType: "purl", Locator: c.url}}
	}

	return p
}

func relate(from, to, how string) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: spdx.DocElementID{ElementRefID: spdx.ElementID(from)}, RefB: spdx.DocElementID{ElementRefID: spdx.ElementID(to)}, Relationship: how,
	}
}
