# Envoy Gateway and its cluster, whose programs are those of test/mesh.mk. A cold build of the controller takes 3 minutes
# on 2 cores.

EG := build/envoy-gateway
EG_ENVOY := build/envoy/$(EG_ENVOY_VERSION)/envoy
eg_module := github.com/envoyproxy/gateway
eg_version := $(shell sed -n 's|^require $(eg_module) ||p' test/tools/envoy-gateway/go.mod)

.PHONY: test-eg test-eg-slow eg-tools
test-eg: eg-tools build/plugin.wasm build/bin/wasm-rewrite build/bin/publish ## the filter under a real Envoy Gateway (needs root)
	go test -count=1 -parallel 3 -timeout 30m ./test/eg

# What only time shows: streams that are cut, proxies that start without the controller.
test-eg-slow: eg-tools build/plugin.wasm build/bin/wasm-rewrite build/bin/publish
	go test -count=1 -parallel 3 -timeout 30m -tags slow -run '^TestSlow' ./test/eg

eg-tools: mesh-packages $(kubernetes_tools) $(addprefix build/bin/,coredns pause helm httpbin) $(EG)/envoy-gateway $(EG)/gateway-helm/Chart.yaml $(EG_ENVOY)

$(EG)/envoy-gateway: test/tools/envoy-gateway/go.mod
	@plugin/toolchain/go.sh
	@mkdir -p $(@D)
	@echo "envoy-gateway $(eg_version): building it, once (3 minutes)"
	@cd test/tools/envoy-gateway && CGO_ENABLED=0 go build -trimpath -o ../../../$@ \
		-ldflags '-s -w -X $(eg_module)/internal/cmd/version.envoyGatewayVersion=$(eg_version)' $(eg_module)/cmd/envoy-gateway
	@touch $@

# Its own chart, with the CRDs; of the values, as released, only the images are filled in.
$(EG)/gateway-helm/Chart.yaml: test/tools/envoy-gateway/go.mod
	@rm -rf $(EG)/gateway-helm && mkdir -p $(EG)
	@cd test/tools/envoy-gateway && go mod download $(eg_module)
	@cp -r "$$(cd test/tools/envoy-gateway && go list -m -f '{{.Dir}}' $(eg_module))/charts/gateway-helm" $(EG)/
	@chmod -R u+w $(EG)/gateway-helm
	@sed 's|$${GatewayImage}|docker.io/envoyproxy/gateway:$(eg_version)|; s|$${GatewayImagePullPolicy}|IfNotPresent|' \
		$(EG)/gateway-helm/values.tmpl.yaml >$(EG)/gateway-helm/values.yaml
	@touch $@
