# GitOps: ordinary days with environments/ and argocd/, and the Argo CD under test.

##@ GitOps

.PHONY: own promote pending diff
own: ## a repository of rules of your own: REPO=https://github.com/me/rules REGISTRY=ghcr.io/me INTO=../my-rules; without INTO your names here
	@argocd/own.sh "$${REPO:-}" "$${REGISTRY:-}" "$${INTO:-}"

promote: build/bin/wasm-rewrite ## copy one step on: FROM=dev TO=staging, and WORKLOAD=checkout or RELEASE=1 for a part
	@$(given) FROM TO WORKLOAD? RELEASE? UNVERIFIED?
	@build/bin/wasm-rewrite promote "$$FROM" "$$TO" $(if $(WORKLOAD),--workload "$$WORKLOAD") $(if $(RELEASE),--release) $(if $(UNVERIFIED),--unverified)

pending: build/bin/wasm-rewrite ## what a push would change on the cluster: ENV=production
	@$(given) ENV
	@build/bin/wasm-rewrite pending "$$ENV" || (($$? == 1))

# Its name until 0.1.0.
diff: pending

.PHONY: argocd
argocd: argocd-packages build/bin/argocd build/bin/helm build/bin/kubectl build/argocd/core-install.yaml ## the Argo CD under test, built once

.PHONY: argocd-packages
argocd-packages:
	@plugin/toolchain/debian.sh "run Argo CD" "a Debian or Ubuntu with git and redis-server" git redis-server

build/bin/argocd: test/tools/argocd/go.mod
	@plugin/toolchain/go.sh
	@echo "argocd: building it, once (4 to 7 minutes)"
	@cd test/tools/argocd && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../../../$@ github.com/argoproj/argo-cd/v3/cmd
	@touch $@

build/argocd/core-install.yaml: test/tools/argocd/go.mod
	@mkdir -p $(@D)
	@cd test/tools/argocd && go mod download github.com/argoproj/argo-cd/v3
	@cp "$$(cd test/tools/argocd && go list -m -f '{{.Dir}}' github.com/argoproj/argo-cd/v3)/manifests/core-install.yaml" $@
	@chmod u+w $@ && touch $@
