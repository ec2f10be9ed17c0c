package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"
)

const chartFolder = "charts/wasm-rewrite"

// check tells all that stands between the work tree and a release of it.
func check(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("want one argument: the version, as 1.2.3")
	}

	version := args[0]
	var wrong []error
	if _, err := semver.StrictNewVersion(version); err != nil {
		wrong = append(wrong, fmt.Errorf("VERSION %q: %w; want MAJOR.MINOR.PATCH, as 1.2.3 or 1.3.0-rc.1", version, err))
	}
	var about struct {
		Version    string `yaml:"version"`
		AppVersion string `yaml:"appVersion"`
	}
	if text, err := os.ReadFile(chartFolder + "/Chart.yaml"); err != nil {
		wrong = append(wrong, err)
	} else if err := yaml.Unmarshal(text, &about); err != nil {
		wrong = append(wrong, fmt.Errorf("%s/Chart.yaml: %w", chartFolder, err))
	} else {
		for _, key := range []struct{ name, value string }{{"version", about.Version}, {"appVersion", about.AppVersion}} {
			if key.value != version {
				wrong = append(wrong, fmt.Errorf("%s/Chart.yaml: %s: %q; want %s: chart, filter and command line have one version", chartFolder, key.name,
					key.value, version))
			}
		}
	}
	if text, err := os.ReadFile("CHANGELOG.md"); err != nil {
		wrong = append(wrong, err)
	} else if section(string(text), version) == "" {
		wrong = append(wrong, fmt.Errorf("CHANGELOG.md: nothing is under a heading ## [%s]; say there what changes for users", version))
	}
	if changed, err := tell(exec.CommandContext(ctx, "git", "status", "--porcelain")); err != nil {
		wrong = append(wrong, err)
	} else if changed != "" {
		wrong = append(wrong, fmt.Errorf("the work tree is no commit; commit or remove:\n%s", strings.TrimRight(changed, "\n")))
	}
	if tagged, err := exec.CommandContext(ctx, "git", "rev-parse", "--verify", "--quiet", "v"+version+"^{commit}").Output(); err == nil {
		head, err := tell(exec.CommandContext(ctx, "git", "rev-parse", "HEAD"))
		if err != nil {
			wrong = append(wrong, err)
		} else if head != string(tagged) {
			wrong = append(wrong, fmt.Errorf("the tag v%s is another commit, %s; a version is released once", version, strings.TrimSpace(string(tagged))))
		}
	}
	if wrong != nil {
		return fmt.Errorf("%s is not ready:\n%w", version, errors.Join(wrong...))
	}

	_, err := fmt.Fprintf(out, "%s is ready to be released\n", version)

	return err
}

// notes prints what CHANGELOG.md says of a version.
func notes(_ context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("want one argument: the version, as 1.2.3")
	}

	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}

	said := section(string(text), args[0])
	if said == "" {
		return fmt.Errorf("CHANGELOG.md: nothing is under a heading ## [%s]", args[0])
	}

	_, err = fmt.Fprintln(out, said)

	return err
}

// section is what CHANGELOG.md says of a version, without the heading.
func section(changelog, version string) string {
	heading := regexp.MustCompile(`(?m)^## \[` + regexp.QuoteMeta(version) + `\].*$`).FindStringIndex(changelog)
	if heading == nil {
		return ""
	}

	text := changelog[heading[1]:]
	if next := regexp.MustCompile(`(?m)^(## |\[[^]]+\]: )`).FindStringIndex(text); next != nil {
		text = text[:next[0]]
	}
	return strings.TrimSpace(text)
}
