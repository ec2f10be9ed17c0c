// The Istio binaries under test: built by test/mesh.mk, never imported.
module github.com/wasm-rewrite/wasm-rewrite/test/tools/istio

go 1.26.0

require istio.io/istio v0.0.0-20260306174214-6991a379e1fc // 1.29.1

tool (
	istio.io/istio/pilot/cmd/pilot-agent
	istio.io/istio/pilot/cmd/pilot-discovery
)
