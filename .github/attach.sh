#!/bin/bash
# Makes the release of a tag with files for people to download, where the remote is GitHub's; else it names them.
#
# usage: attach.sh TAG TEXT FILE...
# TEXT is a file with the release's words. REMOTE is origin unless the environment says otherwise.
set -euo pipefail

tag=$1 text=$2
shift 2
url=$(git remote get-url "${REMOTE:-origin}")
if [[ $url == *github.com[:/]* ]]; then
	gh release create "$tag" --verify-tag --title "$tag" --notes-file "$text" "$@"
else
	printf 'for the release %s:\n' "$tag"
	printf '  %s\n' "$@"
fi
