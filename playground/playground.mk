# The playground: a page that any static server gives out (build/playground). npm fetches its packages, by the lock file;
# esbuild's Go API bundles them, so that nothing but a browser is needed to run it.

##@ Playground

.PHONY: playground
playground: build/playground/index.html ## the page where rules are tried out in a browser: serves it and prints its URL; PORT=8080
	@exec go run ./playground/serve -port "$$PORT" build/playground

.PHONY: build-playground
build-playground: build/playground/index.html ## the page alone: build/playground

.PHONY: test-playground
test-playground: build/playground/index.html ## the page in a real browser, Debian's chromium
	@[[ $${CHROMIUM:-} ]] || plugin/toolchain/debian.sh "test the playground" "a Chromium, named by CHROMIUM" chromium
	go test -count 1 -timeout 8m ./playground/...

playground_sources = $(wildcard playground/*.* playground/*/*.* playground/programs/*/*.go docs/recipes/*.yaml) README.md \
	$(filter-out %_test.go,$(wildcard internal/*/*.go internal/*/*/*.go plugin/rewrite/*.go plugin/rewrite/*/*.go))
# What the page says it is.
PLAYGROUND_VERSION ?= $(or $(VERSION),of a work tree)
export PLAYGROUND_VERSION

build/playground/index.html: $(playground_sources) charts/wasm-rewrite/values.schema.json build/plugin.wasm build/npm/installed go.mod
	@plugin/toolchain/go.sh
	@echo "playground: building the page"
	@go run ./playground/build -packages build/npm/node_modules -module build/plugin.wasm -version "$$PLAYGROUND_VERSION" build/playground

build/npm/installed: playground/package.json playground/package-lock.json playground/.npmrc
	@command -v npm >/dev/null || plugin/toolchain/debian.sh "fetch the playground's packages" "Node.js with npm, 18 or later" nodejs npm
	@mkdir -p build/npm
	@cp $^ build/npm/
	@cd build/npm && npm ci --silent
	@touch $@
