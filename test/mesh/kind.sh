#!/bin/bash
# Runs the mesh tests in a kind cluster with a released Istio.
#
# usage: kind.sh ISTIO PROFILE
# ISTIO is a release, as 1.29.1. PROFILE is istioctl's: minimal for sidecars and a gateway, ambient for a waypoint.
# Wants docker; not run where this was written, which has none.
set -euo pipefail

istio=$1 profile=$2
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/bin:$PATH
state=$(mktemp -d)
export KUBECONFIG=$state/kubeconfig
kind() { go run sigs.k8s.io/kind@v0.30.0 "$@"; }
trap 'kind delete cluster --name wasm-rewrite; docker rm --force wasm-rewrite-registry; rm -rf "$state"' EXIT

kind create cluster --name wasm-rewrite
docker run --detach --name wasm-rewrite-registry --network kind registry:2.8.3
registry=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' wasm-rewrite-registry):5000
node=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' wasm-rewrite-control-plane)

printf 'FROM scratch\nCOPY httpbin /\nENTRYPOINT ["/httpbin"]\n' | docker build --tag httpbin:test --file - build/bin
kind load docker-image httpbin:test --name wasm-rewrite

# Nothing is unpacked before it is checked: against the sum in kind.sums, which nobody can change with the release, or, for
# a release that has none there yet, against the sum that is published next to it, which shows a damaged file alone.
archive=istio-$istio-linux-amd64.tar.gz
curl --fail --silent --show-error --location --output "$state/$archive" "https://github.com/istio/istio/releases/download/$istio/$archive"
if ! grep "  $archive\$" test/mesh/kind.sums >"$state/sum"; then
	curl --fail --silent --show-error --location --output "$state/sum" "https://github.com/istio/istio/releases/download/$istio/$archive.sha256"
	echo "test/mesh/kind.sums has no sum of $archive; add: $(sha256sum "$state/$archive" | cut -d' ' -f1)  $archive" >&2
fi
(cd "$state" && sha256sum --check --strict --quiet sum)
tar -xz -C "$state" -f "$state/$archive"
# The kinds of Gateway API come from its Go module, which go checks against the public sums.
crds=$(go mod download -json sigs.k8s.io/gateway-api@v1.4.0 | sed -n 's|.*"Dir": "\(.*\)",$|\1|p')/config/crd/standard
kubectl apply --filename "$crds"

istioctl=$state/istio-$istio/bin/istioctl charts=$state/istio-$istio/manifests/charts
"$istioctl" install --skip-confirmation --set profile="$profile" \
	--set 'meshConfig.defaultConfig.proxyMetadata.WASM_INSECURE_REGISTRIES=*'

if [[ $profile != ambient ]]; then
	kubectl create namespace istio-ingress
	kubectl apply --namespace istio-ingress --filename docs/preload.yaml
	helm install istio-ingressgateway "$charts/gateway" --namespace istio-ingress --set service.type=NodePort \
		--set 'podAnnotations.sidecar\.istio\.io/bootstrapOverride=wasm-preload' --wait
	port=$(kubectl get service istio-ingressgateway --namespace istio-ingress --output 'jsonpath={.spec.ports[?(@.name=="http2")].nodePort}')
	# A Pod of the cluster does not reach this machine, so the module served by this machine is left out; waypoints want
	# ambient mode.
	WASM_REWRITE_KUBECONFIG=$KUBECONFIG WASM_REWRITE_GATEWAY=http://$node:$port WASM_REWRITE_IMAGES=$registry \
		WASM_REWRITE_HTTPBIN=httpbin:test go test -count=1 -p 1 -timeout 40m -skip 'TestEveryFormOfURL/http|TestAWaypoint' ./test/mesh/...
	exit
fi

# A waypoint: the plugin names it by targetRefs.
kubectl create namespace demo
kubectl label namespace demo istio.io/dataplane-mode=ambient
kubectl create deployment httpbin --namespace demo --image=httpbin:test
kubectl expose deployment httpbin --namespace demo --port=8000 --target-port=8080
kubectl patch service httpbin --namespace demo --type=merge --patch '{"spec":{"ports":[{"port":8000,"targetPort":8080,"appProtocol":"http"}]}}'
"$istioctl" waypoint apply --namespace demo --enroll-namespace --wait
kubectl create deployment client --namespace demo --image=curlimages/curl:8.11.1 -- sleep infinity
kubectl wait deployment --all --namespace demo --for=condition=Available --timeout=120s

digest=$(publish "$registry/wasm-rewrite")
helm install seed charts/wasm-rewrite --namespace demo --values charts/wasm-rewrite/ci/seed-values.yaml --set url= \
	--set image.registry="$registry" --set image.repository=wasm-rewrite --set image.digest="$digest" \
	--set workloads.httpbin.selector=null --set 'workloads.httpbin.targetRefs[0].kind=Gateway' \
	--set 'workloads.httpbin.targetRefs[0].group=gateway.networking.k8s.io' --set 'workloads.httpbin.targetRefs[0].name=waypoint'
for _ in $(seq 30); do
	status=$(kubectl exec deployment/client --namespace demo -- curl --silent --output /dev/null --write-out '%{http_code}' http://httpbin:8000/banana/418)
	[[ $status == 418 ]] && exit
	sleep 1
done
echo "the waypoint answers $status to /banana/418, want 418" >&2
exit 1
