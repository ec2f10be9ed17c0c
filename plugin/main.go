//go:build wasm

// Command plugin is the Proxy-Wasm module: TinyGo builds it as a reactor, so
// main stays empty and init registers the filter.
package main

import (
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"

	"github.com/wasm-rewrite/wasm-rewrite/plugin/filter"
)

func main() {}

func init() { proxywasm.SetVMContext(filter.NewVMContext()) }
