#!/bin/bash
# Compiles the Rust filter and trims it as ours is.
#
# usage: build.sh OUT.wasm     (leaves OUT.txt next to it, which says what built it)
#
# wasm32-unknown-unknown needs a standard library. In this order: rustup's; one built from the compiler's own source
# (rustup component add rust-src); Debian's rustc-web with its source, or rustc with libstd-rust-dev-wasm32.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
toolchain=$here/../../../../plugin/toolchain
mkdir -p "$(dirname "$1")"
out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1" .wasm)
triple=wasm32-unknown-unknown
options=()

# std RUSTC: does this compiler bring a standard library for wasm, or its source?
std() {
	local sysroot
	sysroot=$("$1" --print sysroot 2>/dev/null) || return 1
	if compgen -G "$sysroot/lib/rustlib/$triple/lib/libstd-*.rlib" >/dev/null; then
		options=()
	elif [[ -e $sysroot/lib/rustlib/src/rust/library/Cargo.lock ]]; then
		# What -Z takes, a released compiler takes only so.
		export RUSTC_BOOTSTRAP=1
		options=(-Z "build-std=std,panic_abort")
	else
		return 1
	fi
}

if command -v cargo >/dev/null && command -v rustc >/dev/null && std rustc; then
	rustc=rustc cargo=cargo
else
	packages=(rustc cargo libstd-rust-dev-wasm32)
	[[ $(apt-cache policy rustc-web 2>/dev/null) == *Candidate:\ [0-9]* ]] && packages=(rustc-web cargo-web rust-web-src)
	"$toolchain/debian.sh" "compile the Rust filter of the benchmark" \
		"Rust from https://rustup.rs and: rustup target add $triple" "${packages[@]}" lld-19
	rustc=/usr/bin/rustc cargo=/usr/bin/cargo
	std $rustc || {
		echo "Rust filter: $($rustc --version) has no standard library for $triple and no source of it" >&2
		exit 1
	}
	export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
fi
"$toolchain/debian.sh" "trim the Rust filter of the benchmark" "wasm-metadce and wasm-opt (binaryen) on PATH" binaryen

export RUSTC=$rustc CARGO_TARGET_DIR=${out%/*}/../rust
if [[ ${options[*]} ]]; then
	echo "the Rust filter: building it with its standard library, once (some minutes)"
fi
(cd "$here" && "$cargo" build --quiet --release --locked --target "$triple" "${options[@]}")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
linked=$CARGO_TARGET_DIR/$triple/release/bench.wasm
wasm-metadce --all-features -f "$here/exports.json" "$linked" -o "$work/trimmed.wasm" >"$work/unused"
wasm-opt --all-features -O3 --strip-debug --strip-producers "$work/trimmed.wasm" -o "$work/opt.wasm"
version() { sed -n "/^name = \"$1\"/{n;s/.*\"\(.*\)\"/\1/p}" "$here/Cargo.lock"; }
echo "$("$rustc" --version | cut -d ' ' -f 1,2), proxy-wasm $(version proxy-wasm), regex $(version regex), release, lto fat, opt-level 3, panic abort" >"$out.txt"
mv "$work/opt.wasm" "$out.wasm"
echo "$out.wasm: $(wc -c <"$out.wasm") bytes"
