package test

import (
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
