#!/bin/bash
# Checks that there is a Go that compiles this project.
#
# usage: go.sh
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
want=$(awk '$1 == "go" { print $2 }' go.mod)

# A Go of 1.21 or later fetches the one that go.mod asks for by itself.
if ! command -v go >/dev/null && candidate=$(apt-cache policy golang-go 2>/dev/null | awk '$1 == "Candidate:" { print $2 }') &&
	[[ $candidate ]] && dpkg --compare-versions "$candidate" ge 2:1.21; then
	"$here/debian.sh" "compile" "Go $want or later (https://go.dev/doc/install)" golang-go
fi

have=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || have=
if [[ ! $have ]] || ! printf '%s\n' "$want" "$have" | sort --check=quiet --version-sort; then
	printf '%s\n' "Go $want or later is needed, and here is ${have:+Go }${have:-none (or one older than 1.21)}." \
		"Install it from https://go.dev/doc/install. A Go of 1.21 or later fetches the right one by itself, unless GOTOOLCHAIN=local or GOPROXY=off." >&2
	exit 1
fi
