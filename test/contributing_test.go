package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What CONTRIBUTING says of the way of a rule is there: the file, and in it the function or template.
func TestTheLifeOfARuleIsWhereItIsSaidToBe(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}

	_, life, _ := strings.Cut(string(text), "## The life of a rule")
	life, _, _ = strings.Cut(life, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| [0-9]+ \\| `([^`]+)` \\|(?: `([^`]+)`)? \\|").FindAllStringSubmatch(life, -1)
	if len(rows) < 14 {
		t.Fatalf("%d rows, want 14 or more", len(rows))
	}

	for _, row := range rows {
		file, name := row[1], row[2]
		source, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}

		known := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + regexp.QuoteMeta(name) + `\(|"` + regexp.QuoteMeta(name) + `"`)
		if name != "" && !known.Match(source) {
			t.Errorf("%s has no %s", file, name)
		}
	}
}

// The table of what is in internal/ has every package of it, and none that is gone.
func TestEveryInternalPackageIsInTheTable(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}

	_, table, _ := strings.Cut(string(text), "## Which package imports which")
	table, _, _ = strings.Cut(table, "\n`cmd/wasm-rewrite`")

	named := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(table, -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			named[name[1]] = true
		}
	}

	err = filepath.WalkDir("../internal", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}

		name := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../internal/")
		if _, known := named[name]; !known {
			t.Errorf("internal/%s is in no row of the table in CONTRIBUTING", name)
		}

		named[name] = false

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	for name, gone := range named {
		if gone {
			t.Errorf("CONTRIBUTING names internal/%s, which is not there", name)
		}
	}
}

// The files of the steps that add a feature are there.
func TestTheStepsOfAFeatureNameFilesThatAreThere(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}

	_, steps, _ := strings.Cut(string(text), "## Add a rule feature, file by file")
	steps, _, _ = strings.Cut(steps, "\n## ")
	rows := regexp.MustCompile(`(?m)^\| [0-9]+ \|([^|]*)\|([^|]*)\|`).FindAllStringSubmatch(steps, -1)
	if len(rows) < 10 {
		t.Fatalf("%d rows, want 10 or more", len(rows))
	}

	for _, row := range rows {
		folder := ""
		for _, name := range regexp.MustCompile("`([^`<> ]+)`").FindAllStringSubmatch(row[1]+row[2], -1) {
			file := name[1]
			switch {
			case strings.Contains(file, "/"):
				folder = filepath.Dir(file)
			case strings.Contains(row[1], "`"+file+"`") && filepath.Ext(file) == ".go":
				file = filepath.Join(folder, file)
			default:
				continue
			}
			if _, err := os.Stat(filepath.Join("..", file)); err != nil {
				t.Error(err)
			}
		}
	}
}
