# The programs of the real mesh, each from the module pinned in test/tools/<name>/go.mod; one is built again when that
# file changes. Cold builds take some 20 minutes on 2 cores, nearly all of it compiling.

MESH_ENVOY := build/envoy/$(MESH_ENVOY_$(ISTIO))/envoy
# Each Istio has a folder of its own, so that one can go from one to the other without building.
MESH_ISTIO := build/istio/$(ISTIO)

kubernetes_tools := $(addprefix build/bin/,kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
istio_tools := $(addprefix $(MESH_ISTIO)/,pilot-discovery pilot-agent)
mesh_tools := $(kubernetes_tools) $(istio_tools) $(addprefix build/bin/,coredns pause helm helm4 httpbin) $(MESH_ISTIO)/charts/base/Chart.yaml $(MESH_ENVOY)

kubernetes_version := $(shell sed -n "s|^[a-z\t ]*k8s.io/kubernetes ||p" test/tools/kubernetes/go.mod)
# Istio's module has no release tags: the comment says which release the commit is.
istio_version = $(shell sed -n 's|.*istio.io/istio .* // ||p' $(istio_module)/go.mod)
istio_module = test/tools/istio-$(ISTIO)
kubernetes_ldflags := -s -w -X k8s.io/component-base/version.gitVersion=$(kubernetes_version) \
	-X k8s.io/component-base/version.gitMajor=$(word 1,$(subst ., ,$(kubernetes_version:v%=%))) \
	-X k8s.io/component-base/version.gitMinor=$(word 2,$(subst ., ,$(kubernetes_version:v%=%)))
istio_ldflags = -s -w $(addprefix -X istio.io/istio/pkg/version.,buildVersion=$(istio_version) buildTag=$(istio_version) buildStatus=Clean)

# What an older Istio does not have, by the names of the tests: 1.29 has no TrafficExtension, and a plain Envoy refuses the
# listener of its waypoints: 'io.istio.connect_authority' does not have an object factory.
mesh_without_1.29 := TrafficExtension|TestAWaypoint
mesh_skip = $(addprefix -skip ,$(if $(mesh_without_$(ISTIO)),'$(mesh_without_$(ISTIO))'))

##@ The mesh

.PHONY: test-mesh
test-mesh: mesh-tools eg-tools argocd build/plugin.wasm build/bin/wasm-rewrite $(addprefix build/bin/,publish release cosign) ## the filter in a real mesh: Kubernetes, Istio, gateways, sidecars, a waypoint, Argo CD, Envoy Gateway (needs root); ISTIO=1.29 for an older one
	go test -count=1 -p 1 -parallel 3 -timeout 60m $(mesh_skip) ./test/mesh/... ./test/gitops/... ./test/eg/...

# In kind, with Istio's own images: ISTIO=1.29 or 1.31, and PROFILE, minimal or ambient; wants docker.
.PHONY: test-kind
test-kind: build $(addprefix build/bin/,helm httpbin publish kubectl kind crane echo wasm-rewrite) $(MESH_ISTIO)/charts/base/Chart.yaml
	@$(given) ISTIO PROFILE
	test/mesh/kind.sh $(MESH_ISTIO) $(kind_istio) "$$PROFILE"
kind_istio = $(KIND_ISTIO_$(ISTIO))

# The cluster, and its registry.
build/bin/kind: test/tools/kind/go.mod
	@plugin/toolchain/go.sh
	@cd test/tools/kind && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../../../$@ sigs.k8s.io/kind
	@touch $@
build/bin/crane: go.mod
	@plugin/toolchain/go.sh
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $@ github.com/google/go-containerregistry/cmd/crane
	@touch $@

.PHONY: mesh
mesh: mesh-tools argocd build/plugin.wasm build/bin/publish build/bin/wasm-rewrite ## the same mesh with a client Pod and Argo CD, left running until Ctrl-C
	@go build -o build/bin/mesh ./test/cmd/mesh
	@exec build/bin/mesh -istio $(MESH_ISTIO) -envoy $(MESH_ENVOY)

.PHONY: mesh-tools
mesh-tools: mesh-packages $(mesh_tools) ## what a mesh is made of, built once

.PHONY: mesh-packages
mesh-packages:
	@plugin/toolchain/debian.sh "run a mesh" "a Debian or Ubuntu with etcd, containerd, runc, the CNI plugins, iptables, iproute2 and buildah" \
		etcd-server containerd runc containernetworking-plugins iptables iproute2 procps gcc libc6-dev buildah

$(kubernetes_tools): build/bin/%: test/tools/kubernetes/go.mod
	@plugin/toolchain/go.sh
	@echo "$*: building it, once (the first of Kubernetes' programs takes 3 to 9 minutes)"
	@cd test/tools/kubernetes && go build -trimpath -o ../../../$@ -ldflags '$(kubernetes_ldflags)' k8s.io/kubernetes/cmd/$*
	@touch $@

$(istio_tools): $(MESH_ISTIO)/%: test/tools/istio-$(ISTIO)/go.mod
	@plugin/toolchain/go.sh
	@mkdir -p $(@D)
	@echo "$* of Istio $(istio_version): building it, once (the first of Istio's programs takes 3 to 7 minutes)"
	@cd $(istio_module) && CGO_ENABLED=0 go build -trimpath -o ../../../$@ -ldflags '$(istio_ldflags)' istio.io/istio/pilot/cmd/$*
	@touch $@

build/bin/coredns: test/tools/coredns/go.mod test/tools/coredns/main.go
	@plugin/toolchain/go.sh
	@echo "coredns: building it, once"
	@cd test/tools/coredns && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../../../$@ .
	@touch $@

# What some requests of the tests go to: it says what reached it.
build/bin/echo: test/cmd/echo/main.go
	@plugin/toolchain/go.sh
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $@ ./test/cmd/echo
	@touch $@

# What holds a Pod's network namespace, from Kubernetes' own source.
build/bin/pause: test/tools/kubernetes/go.mod
	@cd test/tools/kubernetes && go mod download k8s.io/kubernetes
	@gcc -Os -Wall -Werror -static -DVERSION=$(kubernetes_version) -o $@ "$$(cd test/tools/kubernetes && go list -m -f '{{.Dir}}' k8s.io/kubernetes)/build/pause/linux/pause.c"

# Istio's own charts, its proxies' bootstrap template, and the CRDs of the Gateway API that it is built with. Of the
# template one part is left out that every waypoint gets, since only Istio's own build of Envoy has it: who a peer is.
$(MESH_ISTIO)/charts/base/Chart.yaml: test/tools/istio-$(ISTIO)/go.mod
	@rm -rf $(MESH_ISTIO)/charts $(MESH_ISTIO)/gateway-api && mkdir -p $(MESH_ISTIO)/gateway-api
	@cd $(istio_module) && go mod download istio.io/istio sigs.k8s.io/gateway-api
	@folder() { cd $(istio_module) && go list -m -f '{{.Dir}}' "$$1"; }; source=$$(folder istio.io/istio) && \
		cp -r "$$source/manifests/charts" "$$source/tools/packaging/common/envoy_bootstrap.json" $(MESH_ISTIO)/ && \
		cp "$$(folder sigs.k8s.io/gateway-api)"/config/crd/standard/*s.yaml $(MESH_ISTIO)/gateway-api/
	@chmod -R u+w $(MESH_ISTIO) && rm -f $(MESH_ISTIO)/gateway-api/*_vap_*
	@sed -i 's/{{- if .metadata_discovery }}/{{- if false }}/' $(MESH_ISTIO)/envoy_bootstrap.json
	@echo $(istio_version) >$(MESH_ISTIO)/version && touch $@
