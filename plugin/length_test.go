package main_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What somebody wrote by hand is at most so long; what is longer has two subjects.
const (
	maxLines = 500 // of a file
	maxName  = 63  // of a test's function: what a sentence says better is the name of a subtest
)

func TestNoFileIsTooLong(t *testing.T) {
	files := sources(t, ".go", ".tpl", ".yaml", ".sh", ".mk", ".js", ".css", ".html", "Makefile")
	if len(files) < 300 {
		t.Fatalf("%d files, want 300 or more: they are looked for in the wrong place", len(files))
	}

	for path, text := range files {
		made := bytes.HasPrefix(text, []byte("// Code generated "))
		// The chart's values have their manual in them.
		if n := bytes.Count(text, []byte("\n")); n > maxLines && !made && filepath.Base(path) != "values.yaml" {
			t.Errorf("%s has %d lines, more than %d: cut it by subject", path, n, maxLines)
		}
	}
}

func TestNoTestHasASentenceForItsName(t *testing.T) {
	name := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	for path, text := range sources(t, "_test.go") {
		for _, found := range name.FindAllSubmatch(text, -1) {
			if n := len(found[1]); n > maxName {
				t.Errorf("%s: %s has %d letters, more than %d: name its subject, and let t.Run say the sentence", path, found[1], n, maxName)
			}
		}
	}
}

// sources are the repository's own files that end in one of these, by their paths; not test data.
func sources(t *testing.T, ends ...string) map[string][]byte {
	t.Helper()

	files := map[string][]byte{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path == "../build" || slices.Contains([]string{".git", "node_modules", "testdata"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(path, end) }) {
			return nil
		}

		files[path], err = os.ReadFile(path)

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	return files
}
