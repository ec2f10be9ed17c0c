# What users get and how it reaches them: the images, the chart, their signatures. REGISTRY is where to, as ghcr.io/me;
# VERSION is SemVer, a leading v is taken off: version, in the environment of every recipe here, has none. Where GitHub runs it, digests become outputs of the step.

export version = $(patsubst v%,%,$(VERSION))

##@ Release

.PHONY: publish
publish: build/bin/publish build/plugin.wasm build/plugin.spdx.json build/cli.spdx.json ## push the filter's and the command line's image: REGISTRY=ghcr.io/me TAG=1.2.3; prints their digests
	@$(given) REGISTRY TAG? PLATFORMS
	@for platform in $$PLATFORMS; do echo "publish: the command line for linux/$$platform" >&2; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$platform go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$${TAG:-}" -o build/bin/linux-$$platform/wasm-rewrite ./cmd/wasm-rewrite; done
	@echo "publish: pushing $$REGISTRY/wasm-rewrite" >&2
	@digest=$$(build/bin/publish $(publish_flags) -sbom build/plugin.spdx.json -module build/plugin.wasm "$$REGISTRY/wasm-rewrite") && $(call say,filter,wasm-rewrite) && echo "$$digest" >build/filter.digest
	@echo "publish: pushing $$REGISTRY/wasm-rewrite-cli" >&2
	@digest=$$(build/bin/publish $(publish_flags) -sbom build/cli.spdx.json $(PLATFORMS:%=-program build/bin/linux-%/wasm-rewrite) "$$REGISTRY/wasm-rewrite-cli") && $(call say,cli,wasm-rewrite-cli) && echo "$$digest" >build/cli.digest
	@printf 'For environments/*/release.yaml:\n  image: {digest: "%s"}\n  verify: {image: {digest: "%s"}}\n' "$$(<build/filter.digest)" "$$(<build/cli.digest)" >&2

# The command line as a file, for those who have neither Go nor an image: linux and macOS, amd64 and arm64, with their sums.
.PHONY: binaries
binaries: ## the command line for linux and macOS, amd64 and arm64: build/binaries, with SHA256SUMS; TAG=1.2.3
	@$(given) TAG?
	@plugin/toolchain/go.sh
	@rm -rf build/binaries && mkdir -p build/binaries
	@for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do \
		echo "binaries: $$platform" >&2; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$${TAG:-}" \
			-o "build/binaries/wasm-rewrite-$${platform%/*}-$${platform#*/}" ./cmd/wasm-rewrite; done
	@cd build/binaries && sha256sum wasm-rewrite-* >SHA256SUMS && cat SHA256SUMS

# Where the tag is on GitHub, they become downloads of its release.
.PHONY: release-binaries
release-binaries: build/bin/release
	@$(given) VERSION
	@TAG="$$version" make --no-print-directory binaries
	@build/bin/release notes "$$version" >build/release-notes.md
	@.github/attach.sh "v$$version" build/release-notes.md build/binaries/*

# The nodes of a cluster that may run the command line.
PLATFORMS ?= amd64 arm64
export PLATFORMS
# Ends in -dirty where the work tree is not what the commit says.
revision = $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)
publish_flags = -tag "$${TAG:-}" -version "$${TAG:-}" -revision '$(revision)' $${GITHUB_ACTIONS:+-builder "$$GITHUB_SERVER_URL/$$GITHUB_WORKFLOW_REF" -invocation "$$GITHUB_SERVER_URL/$$GITHUB_REPOSITORY/actions/runs/$$GITHUB_RUN_ID/attempts/$$GITHUB_RUN_ATTEMPT"}
say = echo "$$REGISTRY/$(2)@$$digest" && { [[ ! $${GITHUB_OUTPUT:-} ]] || echo "$(1)=$$digest" >>"$$GITHUB_OUTPUT"; }

# TinyGo's runtime and libc are linked into the module; no package of Go names them.
tinygo_version = $(shell sed -n 's|^require github.com/tinygo-org/tinygo v||p' plugin/toolchain/go.mod)
wasi_libc_version = $(or $(shell dpkg-query -W -f '$${Version}' wasi-libc 2>/dev/null),of TinyGo $(tinygo_version))
sbom_flags = -version "$${TAG:-}" -created "$$(git log -1 --format=%ct 2>/dev/null || echo 0)"
filter_also = -also 'tinygo,$(tinygo_version),BSD-3-Clause' -also 'wasi-libc,$(wasi_libc_version),Apache-2.0 WITH LLVM-exception AND BSD-2-Clause AND CC0-1.0 AND MIT'

build/plugin.spdx.json: build/bin/sbom FORCE
	@GOOS=wasip1 GOARCH=wasm build/bin/sbom $(sbom_flags) -name wasm-rewrite $(filter_also) ./plugin >$@
build/cli.spdx.json: build/bin/sbom FORCE
	@GOOS=linux CGO_ENABLED=0 build/bin/sbom $(sbom_flags) -name wasm-rewrite-cli ./cmd/wasm-rewrite >$@

.PHONY: publish-chart
publish-chart: build/bin/helm build/bin/release ## push the chart that pins both: REGISTRY=ghcr.io/me VERSION=1.2.3 FILTER=sha256:… CLI=sha256:…
	@$(given) REGISTRY VERSION FILTER CLI
	@build/bin/release chart -registry "$$REGISTRY" -version "$$version" -filter "$$FILTER" -cli "$$CLI" -helm build/bin/helm >build/chart.digest
	@digest=$$(<build/chart.digest) && $(call say,chart,charts/wasm-rewrite)

# By COSIGN_KEY, a file or what else cosign takes; without one, by the identity of the workflow that runs this.
.PHONY: sign
sign: build/bin/cosign build/bin/release
	@$(given) REGISTRY FILTER CLI CHART
	@build/bin/release sign -cosign build/bin/cosign -key "$${COSIGN_KEY:-}" "$$REGISTRY/wasm-rewrite@$$FILTER" "$$REGISTRY/wasm-rewrite-cli@$$CLI" "$$REGISTRY/charts/wasm-rewrite@$$CHART"

.PHONY: verify
verify: build/bin/cosign build/bin/helm build/bin/release
	@$(given) REGISTRY VERSION
	@build/bin/release verify -registry "$$REGISTRY" -version "$$version" -cosign build/bin/cosign -helm build/bin/helm -key "$${COSIGN_PUBLIC_KEY:-}" -identity "$${IDENTITY:-}"

.PHONY: release-check
release-check: build/bin/release
	@$(given) VERSION
	@build/bin/release check "$$version"
	@[[ ! $${GITHUB_OUTPUT:-} ]] || echo "version=$$version" >>"$$GITHUB_OUTPUT"

# Puts a release into dev: a branch of its own, and on GitHub a pull request.
.PHONY: release-dev
release-dev: build/bin/release
	@$(given) VERSION FILTER CLI
	@build/bin/release stamp environments/dev/release.yaml "global.chart.version=$$version" "image.digest=$$FILTER" "verify.image.digest=$$CLI"
	@build/bin/release notes "$$version" >build/release-notes.md
	@.github/propose.sh "release-$$version" "environments: dev runs $$version" build/release-notes.md environments/dev/release.yaml

# What is for pull requests of rules is the same in a repository of rules.
tool := build/bin/wasm-rewrite
changes propose-promotion: $(tool)
include argocd/workflows.mk

# The one check that a branch has to require.
.PHONY: ci-passed
ci-passed:
	@$(given) RESULTS
	@[[ '$(sort $(RESULTS))' == success ]] || { echo "make ci-passed: the jobs before ended with: $$RESULTS" >&2; exit 1; }

.PHONY: release
release: release-check build/plugin.wasm $(addprefix build/bin/,publish sbom release cosign helm) mesh-tools argocd ## rehearse a release on this machine, from the tag to dev's answer: VERSION=1.2.3 (needs root)
	@build/bin/release rehearse "$$version"
	go test -count=1 -timeout 15m -run '^TestATagReachesDevOnceItsBranchIsMerged$$' ./test/gitops

# As in go-containerregistry: loopback and private addresses have no TLS.
plain_http = $(if $(filter localhost:% 127.% 10.% 192.168.% 172.16.%,$(REGISTRY)),--plain-http)

.PHONY: login
login: build/bin/helm
	@$(given) REGISTRY USER_NAME PASSWORD
	@printenv PASSWORD | build/bin/helm registry login $(plain_http) --registry-config "$${DOCKER_CONFIG:-$$HOME/.docker}/config.json" --username "$$USER_NAME" --password-stdin "$${REGISTRY%%/*}"

build/bin/publish: $(wildcard cmd/publish/*.go) go.mod
	@plugin/toolchain/go.sh
	@go build -o $@ ./cmd/publish
	@touch $@

build/bin/sbom: $(wildcard cmd/sbom/*.go) go.mod
	@plugin/toolchain/go.sh
	@go build -o $@ ./cmd/sbom
	@touch $@

build/bin/release: $(wildcard test/cmd/release/*.go test/internal/workflow/*.go test/internal/registry/*.go) go.mod
	@plugin/toolchain/go.sh
	@go build -o $@ ./test/cmd/release
	@touch $@

build/bin/cosign: package := github.com/sigstore/cosign/v3/cmd/cosign
build/bin/actionlint: package := github.com/rhysd/actionlint/cmd/actionlint
build/bin/govulncheck: package := golang.org/x/vuln/cmd/govulncheck
$(addprefix build/bin/,cosign actionlint govulncheck): build/bin/%: test/tools/%/go.mod
	@plugin/toolchain/go.sh
	@echo "$*: building it, once$(if $(filter cosign,$*), (5 to 10 minutes))"
	@cd test/tools/$* && CGO_ENABLED=0 go build -ldflags '-s -w' -o ../../../$@ $(package)
	@touch $@

##@ Dependencies

.PHONY: update-check
update-check: build/venv/bin/pip ## which pinned versions have newer ones
	@test/tools/updates.sh

.PHONY: licences
licences: build/bin/sbom ## the licences of all that is linked into the filter and the command line
	@GOOS=wasip1 GOARCH=wasm build/bin/sbom -licences $(filter_also) ./plugin
	@GOOS=linux CGO_ENABLED=0 build/bin/sbom -licences ./cmd/wasm-rewrite

.PHONY: vulncheck
vulncheck: build/bin/govulncheck ## known vulnerabilities that the filter and the command line can reach (asks vuln.go.dev)
	build/bin/govulncheck ./plugin/... ./cmd/...
