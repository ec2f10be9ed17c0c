# What a request costs, compared with other ways to do the same. The first run builds what to compare with, which takes some
# minutes more; TinyGo's are built as the filter is. On a machine that has other work: sudo chrt -r 1 make bench

bench_modules := $(addprefix build/bench/modules/,empty.wasm empty-default.wasm sdk.wasm seed.wasm seed-default.wasm rust.wasm plugin.wasm)
# Which compiler and SDK made a module comes with it, for the results.
bench_tinygo = TinyGo $(shell sed -n 's|^require github.com/tinygo-org/tinygo v||p' plugin/toolchain/go.mod), proxy-wasm-go-sdk $(shell sed -n 's|.*/proxy-wasm-go-sdk v\([^ ]*\).*|\1|p' go.mod)

##@ Measure

.PHONY: bench bench-quick bench-full bench-startup
bench: bench-normal ## what a request costs, beside Envoy itself, Lua, Rust and the seed (10 minutes)
bench-quick bench-normal bench-full bench-startup: bench-%: build/bin/bench $(bench_modules) $(ENVOY)
	@exec build/bin/bench -profile $* -command 'make $(if $(filter normal,$*),bench,$@)' -envoy "$$ENVOY" -modules build/bench/modules -out build/bench
bench-quick: ## the seed's scenario, no match, 1,000 patterns (two or three minutes)
bench-full: ## every combination (an hour)
bench-startup: ## what each costs before its first request: memory, CPU, time from push to first use (three minutes)

.PHONY: soak
SOAK ?= 10000000
export SOAK
soak: build/bin/bench build/bench/modules/pauses.wasm $(ENVOY) ## ten million requests of mixed rules, hostile ones among them: memory, p99.9, pauses (a quarter of an hour)
	@$(given) SOAK
	@exec build/bin/bench -soak test/testdata/soak.json -requests "$$SOAK" -command "make soak SOAK=$$SOAK" -envoy "$$ENVOY" -modules build/bench/modules -out build/bench

build/bin/bench: $(wildcard test/bench/*.go test/internal/envoy/* test/internal/process/*.go) go.mod
	@plugin/toolchain/go.sh
	@go build -o $@ ./test/bench

$(filter-out %/rust.wasm %/plugin.wasm %-default.wasm,$(bench_modules)) build/bench/modules/pauses.wasm: build/bench/modules/%.wasm: test/bench/modules/%/main.go go.mod $$(toolchain) build/tinygo/bin/tinygo
	@plugin/toolchain/build.sh build/tinygo . $@ ./test/bench/modules/$*
	@echo '$(bench_tinygo), -opt=2' >$(@:.wasm=.txt)
build/bench/modules/sdk.wasm: $(wildcard plugin/rewrite/*.go plugin/rewrite/regex/*.go)
build/bench/modules/pauses.wasm: $$(module_sources) build/plugin.sources

# As its author would build it: no -opt, no trim. The target is the one the filter is built for.
build/bench/modules/%-default.wasm: test/bench/modules/%/main.go go.mod build/bench/modules/%.wasm
	@build/tinygo/bin/tinygo build -target="plugin/toolchain/$$(<build/tinygo/target)" -buildmode=c-shared -scheduler=none -o $@ ./test/bench/modules/$*
	@echo '$(bench_tinygo)' >$(@:.wasm=.txt)

build/bench/modules/rust.wasm: $(wildcard test/bench/modules/rust/*.* test/bench/modules/rust/src/*)
	@test/bench/modules/rust/build.sh $@

build/bench/modules/plugin.wasm: build/plugin.wasm
	@mkdir -p $(@D) && cp $< $@
	@echo '$(bench_tinygo), -opt=2' >$(@:.wasm=.txt)
