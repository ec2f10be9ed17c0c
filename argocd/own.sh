#!/bin/bash
# Writes the names of a repository and of a registry wherever argocd/ and environments/ name them: here, or in a new
# repository of rules alone, which it makes of them.
#
# usage: own.sh REPO REGISTRY [INTO], as: own.sh https://github.com/me/rules ghcr.io/me ../my-rules
set -euo pipefail

from=$(cd "$(dirname "$0")/.." && pwd)
repo=${1-} registry=${2-} into=${3-}
export LC_ALL=C # only ASCII is shown
fault=0
# It becomes text of YAML and of templates, so it has none of the characters that mean something there.
if [[ $repo == *: || ! $repo =~ ^(https?|ssh)://[A-Za-z0-9._~:/@%+-]+$|^[a-z]+@[A-Za-z0-9.-]+:[A-Za-z0-9._~/@%+-]+$ ]]; then
	echo "REPO=${repo//[^[:print:]]/?}: want the repository's URL as Argo CD clones it: make own REPO=https://github.com/me/rules REGISTRY=ghcr.io/me" >&2
	fault=1
fi
if [[ ! $registry =~ ^[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ]]; then
	echo "REGISTRY=${registry//[^[:print:]]/?}: want a host with an optional port and path, without oci://: make own REPO=https://github.com/me/rules REGISTRY=ghcr.io/me" >&2
	fault=1
fi
if [[ $into && -e $into && (! -d $into || $(ls -A -- "$into")) ]]; then
	echo "INTO=${into//[^[:print:]]/?}: is there already: want a folder that is new or empty" >&2
	fault=1
elif [[ $into && ($into == [-~]* || $into == *[[:cntrl:]]* || $(realpath -m -- "$into")/ == "$from"/*) ]]; then
	echo "INTO=${into//[^[:print:]]/?}: want a folder outside of this repository, such as ../my-rules" >&2
	fault=1
fi
((!fault)) || exit 2

old_repo=$(sed -n 's|^ *repoURL: ||p' "$from/argocd/root.yaml")
old_registry=$(sed -n 's|^ *repository: oci://\(.*\)/charts/wasm-rewrite$|\1|p' "$from/environments/common.yaml")
if [[ -z $old_repo || -z $old_registry ]]; then
	echo "argocd/root.yaml names no repoURL, or environments/common.yaml no oci://…/charts/wasm-rewrite: what to replace is not known" >&2
	exit 1
fi

# A repository of rules: what Argo CD reads, who has to agree, and the workflows with what they run. The command line comes
# out of its image there, so no Go is set up.
if [[ $into ]]; then
	mkdir -p "$into"/{argocd,.github/workflows}
	cp -r "$from/environments" "$into"
	cp "$from"/argocd/*.yaml "$into/argocd"
	cp "$from/given.mk" "$from/argocd/workflows.mk" "$from/argocd/own/Makefile" "$from/argocd/own/README.md" "$into"
	cp "$from/.github/given.sh" "$from/.github/propose.sh" "$from/argocd/own/cli.sh" "$from/argocd/own/CODEOWNERS" "$into/.github"
	cp "$from/argocd/own/rules.yaml" "$into/.github/workflows"
	printf '/bin/\n/build/\n' >"$into/.gitignore"
	# Editors find the schema of a release where there is no chart.
	sed -i '/yaml-language-server/d' "$into"/environments/*.yaml "$into"/environments/*/*.yaml "$into"/environments/*/rules/*.yaml
	for workflow in changes promote; do
		awk '
			/uses: actions\/setup-go@/ { skip = 1; next }
			skip && /^        |^      with:/ { next }
			{ skip = 0; print }
			# After the login, which a private image wants.
			/PASSWORD: / { print "    - run: make cli" }' "$from/.github/workflows/$workflow.yaml" >"$into/.github/workflows/$workflow.yaml"
	done
	# The registry that the workflows log in to.
	if [[ $registry != ghcr.io/* ]]; then
		sed -i "s|REGISTRY: ghcr.io/.*|REGISTRY: $registry|" "$into"/.github/workflows/*.yaml
	fi
	cd "$into"
else
	cd "$from"
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

if [[ $into ]]; then
	git init --quiet --initial-branch=main
	echo "$into is a repository of rules. Next, in it: put your names into .github/CODEOWNERS, the digests of your registry into
environments/*/release.yaml and your clusters into environments/*/place.yaml; then commit and push it to $repo"
fi
