#!/bin/bash
# Puts prometheus and promtool into a folder: those on PATH, or else Debian's, taken out of their package. Installing the
# package would start a server.
#
# usage: install.sh FOLDER
set -euo pipefail

folder=$1
mkdir -p "$folder"
if found=$(command -v prometheus) && tool=$(command -v promtool); then
	ln -sf "$found" "$tool" "$folder"
	exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
	echo "To scrape Envoy in a test, prometheus and promtool are needed on PATH: https://prometheus.io/download" >&2
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
		echo "apt-get could not download prometheus. Is there a network? Otherwise put prometheus and promtool on PATH: https://prometheus.io/download" >&2
		exit 1
	fi
fi
dpkg-deb -x prometheus_*.deb root
mv root/usr/bin/prometheus root/usr/bin/promtool "$OLDPWD/$folder"
