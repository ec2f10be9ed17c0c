#!/bin/bash
# Puts a Prometheus at OUT: the one on PATH, or else Debian's, taken out of its package. Installing the package would
# start a server.
#
# usage: install.sh OUT
set -euo pipefail

out=$1
mkdir -p "$(dirname "$out")"
if found=$(command -v prometheus); then
	ln -sf "$found" "$out"
	exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
	echo "To scrape Envoy in a test, prometheus is needed on PATH: https://prometheus.io/download" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
# The package lists of a fresh machine are empty or old, so the first try may fail for that reason alone.
if ! apt-get download -qq prometheus >log 2>&1; then
	update=(apt-get update -qq)
	((EUID == 0)) || update=(sudo -n "${update[@]}")
	"${update[@]}" >log 2>&1 || true
	if ! apt-get download -qq prometheus >>log 2>&1; then
		tail -n 15 log >&2
		echo "apt-get could not download prometheus. Is there a network? Otherwise put prometheus on PATH: https://prometheus.io/download" >&2
		exit 1
	fi
fi
dpkg-deb -x prometheus_*.deb root
mv root/usr/bin/prometheus "$OLDPWD/$out"
