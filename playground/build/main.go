// Command build makes the playground's page, a folder of files that any static server can give out: the scripts bundled
// with their packages, the Go programs for the browser, the shipped filter, the chart's schema and the recipes.
//
//	build -packages build/npm/node_modules -module build/plugin.wasm -version 1.2.3 build/playground
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	packages := flag.String("packages", "build/npm/node_modules", "where npm has put the packages")
	module := flag.String("module", "build/plugin.wasm", "the filter")
	version := flag.String("version", "of a work tree", "what is built, for the page to say")
	flag.Parse()
	if err := build(flag.Arg(0), *packages, *module, *version); err != nil {
		fmt.Fprintln(os.Stderr, "playground:", err)
		os.Exit(1)
	}
}

// page is a folder in the making.
type page struct {
	dir   string
	files []string
}

func build(dir, packages, module, version string) error {
	if dir == "" {
		return errors.New("name the folder to build")
	}

	// A folder next to it becomes it once all is there, so that a page that is served is never half of one.
	p := &page{dir: dir + ".new"}
	if err := os.RemoveAll(p.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}

	// The two Go programs, packed: not every static server does that.
	for _, name := range []string{"engine", "import"} {
		wasm, err := program(name, version)
		if err != nil {
			return err
		}
		if err := p.add(name+".wasm.gz", packed(wasm)); err != nil {
			return err
		}
	}

	// What the page takes as it is.
	for name, from := range map[string]string{
		"index.html": "playground/index.html", "style.css": "playground/style.css", "icon.svg": "playground/icon.svg",
		"plugin.wasm": module, "schema.json": "charts/wasm-rewrite/values.schema.json",
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := p.add(name, data); err != nil {
			return err
		}
	}

	// The recipes, the scripts, and the texts of the licenses of what is in them.
	recipes, err := recipes("docs/recipes")
	if err != nil {
		return err
	}
	if err := p.add("recipes.json", recipes); err != nil {
		return err
	}
	if err := p.scripts(packages); err != nil {
		return err
	}
	if err := p.offline(packages); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}

	return os.Rename(p.dir, dir)
}

func (p *page) add(name string, data []byte) error {
	p.files = append(p.files, name)
	return os.WriteFile(filepath.Join(p.dir, name), data, 0o644)
}

// program compiles one of the Go programs for the browser.
func program(name, version string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "playground")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)

	file := filepath.Join(dir, name)
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X 'main.version="+version+"'", "-o", file, "./playground/programs/"+name)
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, out)
	}

	return os.ReadFile(file)
}

func packed(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything, and the level is one that there is
	}

	return b.Bytes()
}

// scripts bundles the page's scripts with the packages that they import.
func (p *page) scripts(packages string) error {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}

	here, err := filepath.Abs("playground/src")
	if err != nil {
		return err
	}

	modules, err := filepath.Abs(packages)
	if err != nil {
		return err
	}

	result := api.Build(api.BuildOptions{
		EntryPoints: []string{filepath.Join(here, "page.js"), filepath.Join(here, "worker.js")},
		Outdir:      p.dir, Bundle: true, Write: false, Format: api.FormatESModule, Target: api.ES2022,
		MinifyWhitespace: true, MinifySyntax: true, MinifyIdentifiers: true,
		NodePaths: []string{modules},
		Alias:     map[string]string{"wasm_exec": filepath.Join(strings.TrimSpace(string(root)), "lib/wasm/wasm_exec.js")},
		Plugins:   []api.Plugin{plainText(filepath.Join(here, "markdown.js"))},
		LogLevel:  api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return errors.New(strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), ""))
	}

	for _, f := range result.OutputFiles {
		if err := p.add(filepath.Base(f.Path), f.Contents); err != nil {
			return err
		}
	}

	return nil
}

// plainText puts the page's own writer of descriptions in the place of the one of codemirror-json-schema, which needs a
// highlighter ten times its size, and which would write what a user pastes as HTML.
func plainText(file string) api.Plugin {
	return api.Plugin{Name: "plain-text", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `/utils/markdown(\.js)?$`}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			if !strings.Contains(filepath.ToSlash(args.Importer), "/codemirror-json-schema/") {
				return api.OnResolveResult{}, nil
			}
			return api.OnResolveResult{Path: file}, nil
		})
	}}
}

// offline writes the service worker, which keeps all files of this build, and the licenses.
func (p *page) offline(packages string) error {
	licenses, err := licenses(packages)
	if err != nil {
		return err
	}
	if err := p.add("licenses.txt", licenses); err != nil {
		return err
	}
	slices.Sort(p.files)

	sum := sha256.New()
	for _, name := range p.files {
		data, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data)
	}

	// The import is many times the rest, and few use it: it is kept once it was.
	kept := slices.DeleteFunc(slices.Clone(p.files), func(name string) bool { return name == "import.wasm.gz" })
	list, err := json.Marshal(append(kept, "./"))
	if err != nil {
		return err
	}

	source, err := os.ReadFile("playground/src/offline.js")
	if err != nil {
		return err
	}

	text := fmt.Sprintf("const FILES = %s, RELEASE = %q;\n%s", list, hex.EncodeToString(sum.Sum(nil))[:16], source)

	return p.add("offline.js", []byte(text))
}
