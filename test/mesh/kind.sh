#!/bin/bash
# Runs the mesh tests in a kind cluster with a released Istio.
#
# usage: kind.sh CHARTS TAG PROFILE
# CHARTS is the folder of Istio's charts and of the kinds of the Gateway API, as `make test-kind` takes them from Istio's Go
# module; TAG is that of Istio's images, as 1.29.1. PROFILE is minimal, for sidecars and a gateway, or ambient, for a waypoint.
# Wants docker; not run where this was written, which has none.
#
# No archive is downloaded: every program and chart comes from a Go module, which go checks against the sums in this
# repository. What docker and kind pull are images: kind's node by the digest that kind names, Istio's own by their release's
# tag. Which ones ran is printed, by digest.
set -euo pipefail

istio=$1 tag=$2 profile=$3
cd "$(dirname "$0")/../.."
export PATH=$PWD/build/bin:$PATH
state=$(mktemp -d)
export KUBECONFIG=$state/kubeconfig
trap 'kind delete cluster --name wasm-rewrite; docker rm --force wasm-rewrite-registry; rm -rf "$state"' EXIT

# Each image holds one program that was built here, and nothing else.
for program in httpbin echo crane; do
	printf 'FROM scratch\nCOPY %s /\nENTRYPOINT ["/%s"]\n' "$program" "$program" | docker build --tag "$program:test" --file - build/bin
done

kind create cluster --name wasm-rewrite
docker run --detach --name wasm-rewrite-registry --network kind crane:test registry serve --address :5000
registry=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' wasm-rewrite-registry):5000
node=$(docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' wasm-rewrite-control-plane)
kind load docker-image httpbin:test echo:test --name wasm-rewrite

# Istio by its own charts, as its users install it.
ran() {
	kubectl get pods --all-namespaces --output 'jsonpath={range .items[*].status.containerStatuses[*]}{.imageID}{"\n"}{end}' | sort -u
}
install() {
	helm install "$1" "$istio/charts/$2" --create-namespace --wait --timeout 5m \
		--set global.hub=docker.io/istio --set global.tag="$tag" --set profile="${profile/minimal/}" "${@:3}"
}
kubectl apply --filename "$istio/gateway-api"
install istio-base base --namespace istio-system
install istiod istio-control/istio-discovery --namespace istio-system \
	--set 'meshConfig.defaultConfig.proxyMetadata.WASM_INSECURE_REGISTRIES=*'

if [[ $profile != ambient ]]; then
	kubectl create namespace istio-ingress
	kubectl apply --namespace istio-ingress --filename docs/preload.yaml
	install istio-ingressgateway gateway --namespace istio-ingress --set service.type=NodePort \
		--set 'podAnnotations.sidecar\.istio\.io/bootstrapOverride=wasm-preload'
	ran
	port=$(kubectl get service istio-ingressgateway --namespace istio-ingress --output 'jsonpath={.spec.ports[?(@.name=="http2")].nodePort}')
	# A Pod of the cluster does not reach this machine, so the module served by this machine is left out; waypoints want
	# ambient mode.
	WASM_REWRITE_KUBECONFIG=$KUBECONFIG WASM_REWRITE_GATEWAY=http://$node:$port WASM_REWRITE_IMAGES=$registry \
		WASM_REWRITE_HTTPBIN=httpbin:test go test -count=1 -p 1 -timeout 40m -skip 'TestEveryFormOfURL/http|TestAWaypoint' ./test/mesh/...
	exit
fi

# A waypoint: the plugin names it by targetRefs.
install istio-cni istio-cni --namespace istio-system
install ztunnel ztunnel --namespace istio-system
kubectl create namespace demo
kubectl label namespace demo istio.io/dataplane-mode=ambient istio.io/use-waypoint=waypoint
kubectl create deployment httpbin --namespace demo --image=httpbin:test
kubectl expose deployment httpbin --namespace demo --port=8000 --target-port=8080
kubectl patch service httpbin --namespace demo --type=merge --patch '{"spec":{"ports":[{"port":8000,"targetPort":8080,"appProtocol":"http"}]}}'
kubectl apply --namespace demo --filename - <<-'end'
	apiVersion: gateway.networking.k8s.io/v1
	kind: Gateway
	metadata: {name: waypoint, labels: {istio.io/waypoint-for: service}}
	spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
end
kubectl wait gateway/waypoint --namespace demo --for=condition=Programmed --timeout=120s
kubectl create deployment client --namespace demo --image=echo:test
kubectl wait deployment --all --namespace demo --for=condition=Available --timeout=120s
ran

digest=$(publish "$registry/wasm-rewrite")
helm install seed charts/wasm-rewrite --namespace demo --values charts/wasm-rewrite/ci/seed-values.yaml --set url= \
	--set image.registry="$registry" --set image.repository=wasm-rewrite --set image.digest="$digest" \
	--set workloads.httpbin.selector=null --set 'workloads.httpbin.targetRefs[0].kind=Gateway' \
	--set 'workloads.httpbin.targetRefs[0].group=gateway.networking.k8s.io' --set 'workloads.httpbin.targetRefs[0].name=waypoint'
for _ in $(seq 30); do
	status=$(kubectl exec deployment/client --namespace demo -- /echo http://httpbin:8000/banana/418)
	[[ $status == 418 ]] && exit
	sleep 1
done
echo "the waypoint answers $status to /banana/418, want 418" >&2
exit 1
