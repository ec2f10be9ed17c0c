package compiled

import (
	"context"
	"fmt"
	"os"
)

// ReadFile makes ready the module in a file.
func ReadFile(ctx context.Context, file string) (*Module, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read; `make build` makes build/plugin.wasm", file)
	}

	module, err := Compile(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return module, nil
}
