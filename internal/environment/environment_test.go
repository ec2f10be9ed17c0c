package environment

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// folder writes the files of a txtar archive into a new folder.
func folder(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	files, err := txtar.FS(txtar.Parse([]byte(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, files); err != nil {
		t.Fatal(err)
	}
	return dir
}

const two = `
-- common.yaml --
global: {chart: {repository: "oci://example.com/charts/wasm-rewrite"}}
image: {registry: example.com, repository: wasm-rewrite}
-- dev/release.yaml --
global: {chart: {version: 0.2.0}}
url: https://example.com/plugin.wasm
sha256: "2222222222222222222222222222222222222222222222222222222222222222"
-- dev/place.yaml --
global: {destination: {namespace: shop-dev}}
workloads: {checkout: {selector: {app: checkout}}}
-- dev/rules/checkout.yaml --
workloads: {checkout: {patterns: [{name: basket, match: {path: {prefix: /cart}}, rewrite: {path: /trolley}}]}}
-- staging/release.yaml --
global: {chart: {version: 0.1.0}}
image: {digest: "sha256:1111111111111111111111111111111111111111111111111111111111111111"}
-- staging/place.yaml --
global: {destination: {namespace: shop-staging}, promotedFrom: dev}
image: {registry: mirror.example.com}
workloads: {checkout: {selector: {app: checkout}}}
-- staging/rules/checkout.yaml --
workloads: {checkout: {patterns: [{name: basket, match: {path: {prefix: /cart}}, rewrite: {path: /basket}}]}}
`

func environmentOf(t *testing.T, root, name string) *Environment {
	t.Helper()

	e, err := Read(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhatIsPromotedTakesThePlaceOfWhatWasThereWhole(t *testing.T) {
	root := folder(t, two)
	from, to := environmentOf(t, root, "dev"), environmentOf(t, root, "staging")
	if got, want := to.Pins.Module(), "mirror.example.com/wasm-rewrite@sha256:1111111111111111111111111111111111111111111111111111111111111111"; got != want {
		t.Errorf("staging pins %s, want %s: place.yaml names the registry", got, want)
	}

	next, err := to.With(from.Rules, from.Release)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := next.Pins.Module(), "https://example.com/plugin.wasm, sha256 2222222222222222222222222222222222222222222222222222222222222222"; got != want {
		t.Errorf("with dev's release staging pins %s, want %s", got, want)
	}
	if next.Pins.Image.Digest != "" {
		t.Errorf("the digest %s of the old release is still there", next.Pins.Image.Digest)
	}
	if got := to.Pins.Image.Digest; !strings.HasPrefix(got, "sha256:1") {
		t.Errorf("the environment itself has become another: its digest is %q", got)
	}
}

func TestNothingIsReadOrWrittenThroughALink(t *testing.T) {
	for _, c := range []struct{ name, link, of string }{
		{"a folder of rules", "staging/rules", "elsewhere"},
		{"a file of rules", "staging/rules/checkout.yaml", "elsewhere/checkout.yaml"},
		{"a release", "staging/release.yaml", "elsewhere/release.yaml"},
		{"a place", "staging/place.yaml", "elsewhere/place.yaml"},
		{"an environment", "staging", "elsewhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := folder(t, two)
			outside := folder(t, "-- elsewhere/checkout.yaml --\nkept\n-- elsewhere/release.yaml --\n{}\n-- elsewhere/place.yaml --\n{}\n")
			link := filepath.Join(root, c.link)
			if err := errors.Join(os.RemoveAll(link), os.Symlink(filepath.Join(outside, c.of), link)); err != nil {
				t.Fatal(err)
			}

			_, err := Read(root, "staging")
			if err == nil || err.Error() != link+": is a link, and links are not followed here: put the file or folder itself there" {
				t.Errorf("reading says %v", err)
			}

			// What was read before somebody put a link there.
			dev := environmentOf(t, root, "dev")
			dev.Name = "staging"
			if c.of == "elsewhere" || strings.HasSuffix(c.link, "checkout.yaml") || strings.HasSuffix(c.link, "release.yaml") {
				if err := dev.Write(root); err == nil {
					t.Error("it was written")
				}
			}
			if text, err := os.ReadFile(filepath.Join(outside, "elsewhere/checkout.yaml")); err != nil || string(text) != "kept\n" {
				t.Errorf("the file elsewhere is %q now, %v", text, err)
			}
		})
	}
}

func TestNamesAreThoseOfKubernetes(t *testing.T) {
	root := folder(t, two)
	for _, name := range []string{"", "..", "../staging", "Staging", "dev/rules", "de\nv", "dev "} {
		if _, err := Read(root, name); err == nil || !strings.Contains(err.Error(), "is not an environment; want dev or staging") {
			t.Errorf("reading %q says %v", name, err)
		}
	}

	const key = "checkout.yaml\n  - $values/other"
	e := environmentOf(t, root, "dev")
	e.Place.Workloads[key] = map[string]any{}
	e.Rules["Cart"] = RuleFile{Path: e.File("rules", "Cart.yaml"), Text: []byte("workloads: {Cart: {}}")}
	e.Place.Workloads["Cart"] = map[string]any{}

	said := errors.Join(e.Faults()...).Error()
	for _, want := range []string{
		e.File("place.yaml") + `: workloads: "checkout.yaml\n  - $values/other": cannot be the name of a workload: at most 63 of a-z, 0-9 and -, letters or digits at both ends`,
		e.File("rules", "Cart.yaml") + `: "Cart": cannot be the name of a workload: at most 63 of a-z, 0-9 and -, letters or digits at both ends`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the faults are\n%s\nwant\n%s", said, want)
		}
	}
}

func TestOnlyWhatIsPromotedIsWritten(t *testing.T) {
	root := folder(t, two)
	dev := environmentOf(t, root, "dev")
	dev.Name, dev.Rules["search"] = "staging", RuleFile{Text: []byte("new")}
	delete(dev.Rules, "checkout")
	if err := dev.Write(root); err != nil {
		t.Fatal(err)
	}

	for name, want := range map[string]string{
		"rules/search.yaml": "new",
		"release.yaml":      string(dev.Release),
		"place.yaml":        "global: {destination: {namespace: shop-staging}, promotedFrom: dev}\nimage: {registry: mirror.example.com}\nworkloads: {checkout: {selector: {app: checkout}}}\n",
	} {
		if text, err := os.ReadFile(filepath.Join(root, "staging", name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v, want %q", name, text, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "staging/rules/checkout.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("rules that are gone are still there: %v", err)
	}
}
