#!/bin/bash
# Installs the Debian packages that are missing, and says which and why.
#
# usage: debian.sh WHY INSTEAD PACKAGE...
# WHY ends "… are needed to"; INSTEAD is what to do on a system without apt-get.
set -euo pipefail

why=$1 instead=$2
shift 2

missing=()
for package; do
	# "install ok installed" is the only state in which a package's files are all there.
	[[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

command -v apt-get >/dev/null || fail "To $why, this is needed: $instead"

sudo=()
if ((EUID != 0)); then
	command -v sudo >/dev/null || fail "To $why, Debian packages are missing, and neither root nor sudo is at hand. As root:" \
		"    apt-get install --no-install-recommends ${missing[*]}"
	sudo=(sudo)
fi

echo "apt-get install ${missing[*]}   (needed to $why)"
install=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists of a fresh machine are empty or old, so the first try may fail for that reason alone.
if ! "${install[@]}" >"$log" 2>&1; then
	"${sudo[@]}" apt-get update -qq >"$log" 2>&1 || true
	"${install[@]}" >>"$log" 2>&1 || fail "$(tail -n 15 "$log")" \
		"apt-get could not install: ${missing[*]}" \
		"Is there a network, and does this release of Debian have these packages (12 and later do)?" \
		"Otherwise: $instead"
fi
