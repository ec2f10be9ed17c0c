package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/wasm-rewrite/wasm-rewrite"

// What may import what: main the filter, the filter the rules, the rules the
// standard library. Only main and filter know the SDK, and nothing outside the
// module of the filter imports the filter. Commands are made of internal
// packages, and those of each other and of the rules; tests may import all but
// the filter.
func TestImportArrows(t *testing.T) {
	for _, p := range packages(t, "wasip1", "wasm", "./plugin/...") {
		for _, imported := range p.Imports {
			sdk := strings.HasPrefix(imported, "github.com/tetratelabs/proxy-wasm-go-sdk")
			standard := !strings.Contains(imported, ".")

			var ok bool
			switch part := strings.TrimPrefix(p.ImportPath, module+"/"); {
			case part == "plugin":
				ok = standard || sdk || imported == module+"/plugin/filter"
			case part == "plugin/filter":
				ok = standard || sdk || imported == module+"/plugin/rewrite"
			case strings.HasPrefix(part, "plugin/rewrite"):
				ok = standard || strings.HasPrefix(imported, module+"/plugin/rewrite/")
			case part == "plugin/toolchain/exports":
				ok = standard || !strings.HasPrefix(imported, module)
			}
			if !ok {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}

	for _, p := range packages(t, "", "", "./...") {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			part, own := strings.CutPrefix(imported, module+"/")
			if !own {
				continue
			}
			if part == "plugin/filter" && from != "plugin" {
				t.Errorf("%s imports the filter, which runs in a proxy alone", from)
			}

			inside := strings.HasPrefix(from, "cmd/") || strings.HasPrefix(from, "internal/")
			if inside && slices.Contains(p.Imports, imported) && !strings.HasPrefix(part, "plugin/rewrite") && !strings.HasPrefix(part, "internal/") {
				t.Errorf("%s imports %s: programs and what they share are made of the rules and of internal packages", from, part)
			}
		}
	}
}

// TestLightPackages holds that what a page in a browser is made of needs no
// WebAssembly runtime, no Helm and no client of a cluster: rules are read,
// looked through, explained, tried and migrated without them.
func TestLightPackages(t *testing.T) {
	light := []string{"./plugin/rewrite/...", "./internal/input", "./internal/lint", "./internal/exchange", "./internal/explain", "./internal/example",
		"./internal/migrate", "./internal/suite", "./internal/change", "./internal/replay"}

	heavy := []string{"github.com/tetratelabs/", "helm.sh/", "k8s.io/client-go/"}
	for _, start := range light {
		for _, p := range packages(t, "js", "wasm", "-deps", start) {
			for _, prefix := range heavy {
				if strings.HasPrefix(p.ImportPath, prefix) {
					t.Errorf("%s needs %s", start, p.ImportPath)
				}
			}
		}
	}
}

type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// packages lists packages as they are built for one system.
func packages(t *testing.T, goos, goarch string, patterns ...string) (list []goPackage) {
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports"}, patterns...)...)
	cmd.Dir = ".."
	cmd.Env = os.Environ()
	if goos != "" {
		cmd.Env = append(cmd.Env, "GOOS="+goos, "GOARCH="+goarch)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", patterns, err, &stderr)
	}

	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		switch err := d.Decode(&p); err {
		case nil:
			list = append(list, p)
		case io.EOF:
			if len(list) == 0 {
				t.Fatalf("go list %s names no package", patterns)
			}
			return list
		default:
			t.Fatal(err)
		}
	}
}
