#!/bin/bash
# The step `tool` of action.yml: finds the command line, or takes it out of its signed image. Nothing of an image runs
# before cosign has verified it.
set -euo pipefail

if [[ $BINARY ]]; then
  [[ -x $BINARY ]] || { echo "::error::binary: there is no program $BINARY"; exit 2; }
  echo "tool=$(realpath "$BINARY")" >>"$GITHUB_OUTPUT"
  exit
fi

[[ $IMAGE == *@sha256:* ]] || { echo "::error::image: want the image of the command line by its digest, or binary"; exit 2; }
[[ $IDENTITY ]] || { echo "::error::identity: want who signed the image, as docs/releases.md has it"; exit 2; }
command -v cosign >/dev/null || { echo "::error::cosign is not there: install it in a step before this one"; exit 2; }
cosign verify "$IMAGE" --certificate-identity "$IDENTITY" \
  --certificate-oidc-issuer https://token.actions.githubusercontent.com >/dev/null

# The image holds one program and nothing that could run it.
container=$(docker create "$IMAGE")
docker cp "$container:/wasm-rewrite" "$RUNNER_TEMP/wasm-rewrite"
docker rm "$container" >/dev/null
echo "tool=$RUNNER_TEMP/wasm-rewrite" >>"$GITHUB_OUTPUT"
