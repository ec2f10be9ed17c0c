#!/bin/bash
# Takes the command line out of its image, by the digest that environments/dev/release.yaml names.
#
# usage: cli.sh FILE
set -euo pipefail

file=$1
# value FILE KEY...: the scalar of a key below others, in files as short and plain as these.
value() {
	awk -v keys="${*:2}" '
		BEGIN { depth = split(keys, key, " ") }
		/^ *#/ { next }
		{ match($0, /^ */); level = RLENGTH / 2 + 1; name = $1 }
		level <= found { found = level - 1 }
		level == found + 1 && name == key[level] ":" { found = level; if (level == depth) { print $2; exit } }' "$1"
}
registry=$(value environments/common.yaml image registry) repository=$(value environments/common.yaml image repository)
digest=$(value environments/dev/release.yaml verify image digest)
image=$registry/$repository-cli@$digest
if [[ ! $image =~ ^[a-zA-Z0-9.-]+(:[0-9]+)?/[a-z0-9/._-]+@sha256:[0-9a-f]{64}$ || $image =~ :0{64}$ ]]; then
	printf 'environments/dev/release.yaml: verify.image.digest: %q of %q: want the digest of the published command line\n' "${digest:-nothing}" "$registry/$repository-cli" >&2
	exit 1
fi

# The image holds one program and nothing that could run it.
mkdir -p "$(dirname "$file")"
container=$(docker create "$image")
docker cp "$container:/wasm-rewrite" "$file"
docker rm "$container" >/dev/null
