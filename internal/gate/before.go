// Package gate keeps a release from going wrong unseen: before it, its rules are compiled and tested in its own module;
// after it, every proxy has to run it and its live tests have to pass.
package gate

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wasm-rewrite/wasm-rewrite/internal/compiled"
	"github.com/wasm-rewrite/wasm-rewrite/internal/release"
	"github.com/wasm-rewrite/wasm-rewrite/internal/suite"
)

// Before loads a release's rules with the module that it pins and runs their tests in it. It reports whether they pass.
func Before(ctx context.Context, r *release.Release, out io.Writer) (fine bool, err error) {
	var s suite.Suite

	module, err := r.Module.Fetch(ctx)
	switch {
	case errors.Is(err, release.ErrInProxiesOnly):
		fmt.Fprintf(out, "%s: %v, so this tool's own engine is used instead\n", r, err)
	case err != nil:
		return false, fmt.Errorf("%s: %w", r, err)
	default:
		if s.Module, err = compiled.Compile(ctx, module); err != nil {
			return false, fmt.Errorf("%s: the module: %w", r, err)
		}
		defer func() { err = errors.Join(err, s.Module.Close(ctx)) }()
	}

	report, err := s.Run(ctx, r.Input())
	if err != nil {
		return false, err
	}
	report.Text(out)

	return report.Fine(), nil
}
