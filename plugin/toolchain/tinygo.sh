#!/bin/bash
# Provides the TinyGo that go.mod next to this script pins, and the target to compile for.
#
# usage: tinygo.sh DIR
# leaves DIR/bin/tinygo and DIR/target, a file that holds the argument of -target
# (debian.json is the one next to this script).
#
# Where the pinned release is on PATH, that one is used. Otherwise TinyGo is built from the Go module proxy against
# Debian's LLVM, because a release comes only from GitHub and not with Debian. Three workarounds, all of which can go
# when TinyGo can be had as a package:
# - `go install …/tinygo@version` is refused (replace directives in its go.mod), so go.mod pins it as a tool.
# - The module's zip has no lib/wasi-libc (a git submodule), so debian.json links Debian's wasi-libc instead; its own
#   libc, rtlib and the collector that needs libc's sources are left out.
# - The zip has no src/net either (a submodule); TinyGo insists on the folder, nothing in the filter imports it.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$(dirname "$1")"
dir=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
version=$(awk '$1 == "require" && $2 == "github.com/tinygo-org/tinygo" { print substr($3, 2) }' "$here/go.mod")

part=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$part"' EXIT
chmod 755 "$part"
mkdir "$part/bin"

if found=$(command -v tinygo) && [[ $("$found" version) == "tinygo version $version "* ]]; then
	echo "TinyGo $version: $found"
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$found" >"$part/bin/tinygo"
	chmod +x "$part/bin/tinygo"
	echo release.json >"$part/target"
else
	"$here/debian.sh" "build TinyGo $version" \
		"TinyGo $version on PATH (https://tinygo.org/getting-started/install)" \
		gcc g++ llvm-19-dev libclang-19-dev clang-19 lld-19
	echo "TinyGo $version: building it, once (a minute or two)"
	cd "$here"
	source=$(go mod download -json github.com/tinygo-org/tinygo | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	cp -r "$source/src" "$source/targets" "$source/lib" "$part"
	chmod -R u+w "$part"
	mkdir -p "$part/src/net"
	CGO_ENABLED=1 go build -tags llvm19 -o "$part/bin/tinygo" github.com/tinygo-org/tinygo
	echo debian.json >"$part/target"
fi

rm -rf "$dir"
mv "$part" "$dir"
