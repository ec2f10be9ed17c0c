// Command release does what a release needs next to make and the tools that make builds: it checks, stamps the chart,
// signs, and looks at what users get. `make help` and test/release.mk have the commands that call it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

var commands = map[string]func(context.Context, []string, io.Writer) error{
	"check": check, "chart": chart, "sign": sign, "verify": verify, "notes": notes, "rehearse": rehearse, "stamp": stamp,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	names := slices.Sorted(maps.Keys(commands))
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: release %s [flags]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	if err := commands[os.Args[1]](ctx, os.Args[2:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		}
		os.Exit(1)
	}
}

// tell runs a program and gives what it prints. Its error holds what it complained about.
func tell(command *exec.Cmd) (string, error) {
	var out, problems strings.Builder
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, strings.TrimSpace(problems.String()+out.String()))
	}
	return out.String(), nil
}
