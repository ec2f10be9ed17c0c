// The HTTP server that requests reach in tests: built by the Makefile, never imported.
module github.com/wasm-rewrite/wasm-rewrite/test/tools/httpbin

go 1.26.0

tool github.com/mccutchen/go-httpbin/v2/cmd/go-httpbin

require github.com/mccutchen/go-httpbin/v2 v2.26.0
