#!/bin/bash
# Writes the names of a repository and of a registry wherever argocd/ and environments/ name them.
#
# usage: own.sh REPO REGISTRY, as: own.sh https://github.com/me/rules ghcr.io/me
set -euo pipefail
cd "$(dirname "$0")/.."

repo=${1-} registry=${2-}
fault=0
if [[ ! $repo =~ ^(https?|ssh)://[^[:space:]\"\'\#]+$|^[a-z]+@[^[:space:]\"\'\#]+:[^[:space:]\"\'\#]+$ ]]; then
	echo "REPO=$repo: want the repository's URL as Argo CD clones it: make own REPO=https://github.com/me/rules REGISTRY=ghcr.io/me" >&2
	fault=1
fi
if [[ ! $registry =~ ^[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ]]; then
	echo "REGISTRY=$registry: want a host with an optional port and path, without oci://: make own REPO=https://github.com/me/rules REGISTRY=ghcr.io/me" >&2
	fault=1
fi
((!fault)) || exit 2

old_repo=$(sed -n 's|^ *repoURL: ||p' argocd/root.yaml)
old_registry=$(sed -n 's|^ *repository: oci://\(.*\)/charts/wasm-rewrite$|\1|p' environments/common.yaml)
if [[ -z $old_repo || -z $old_registry ]]; then
	echo "argocd/root.yaml names no repoURL, or environments/common.yaml no oci://…/charts/wasm-rewrite: what to replace is not known" >&2
	exit 1
fi

image=${registry#*/}/wasm-rewrite
[[ $registry == */* ]] || image=wasm-rewrite
for file in argocd/*.yaml environments/common.yaml; do
	text=$(<"$file")
	text=${text//": $old_repo"/": $repo"}
	text=${text//"- $old_repo"/"- $repo"}
	text=${text//"oci://$old_registry/charts/"/"oci://$registry/charts/"}
	printf '%s\n' "$text" >"$file"
done
sed -i "s|^  registry: .*|  registry: ${registry%%/*}|; s|^  repository: .*|  repository: $image|" environments/common.yaml
