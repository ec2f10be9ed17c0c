#!/bin/bash
# Compiles the filter and trims it to the exports that the host calls.
#
# usage: build.sh TINYGO_DIR SOURCE OUT [PACKAGE]   (SOURCE: the folder of the module that holds PACKAGE, ./plugin by default)
#
# The trim is no ornament. TinyGo exports malloc, and Envoy prefers it to proxy_on_memory_allocate and never frees what
# it gets: an untrimmed module grows by some 267 bytes a request. The SDK exports every callback of the ABI, and each
# one that is there costs an entry into the VM.
#
# The targets give the module a stack of 1 MiB: the parser and compiler of regexes call themselves for each level of
# nesting, and 64 KiB, TinyGo's own, end at some 100 levels in a trap.
#
# What a proxy pays for a module before its first request is set by its largest functions: V8 holds a graph of a whole
# function in memory while it compiles it, and that grows with its locals times its blocks (`make size` shows the ten
# worst). So nothing may grow them: the linker inlines only what is tiny; debug information, which keeps LLVM from inlining
# what is called once, and is stripped after; and wasm-opt is told the same. All three can go when V8 compiles with Liftoff
# in Envoy. Nor does the linker unroll loops or copy what they test before their first round: that saves 9 KB and makes no
# request slower. What is left is compiled for speed: with -opt=z a request costs more than 0.1.0's.
#
# The stack is at the bottom of the memory (--stack-first), so no data is below 1,024, and wasm-opt may fold a small addition
# into a load's offset (--low-memory-unused). A sum that wraps round traps then; all that it could have reached are the
# last 1,024 bytes of the stack, where the next call would trap, too.
#
# What else was tried on the same sources, with `make size` (private memory, CPU to be ready) and the `builds` profile of the
# benchmark (CPU of a request, as a part of 0.1.0's in the same run: in the seed's scenario and where nothing matches):
#   -opt=2 -inline-threshold=25   282 KB  +16.3 MiB  0.35 s  1.04  1.01 to 1.10: measured twice
#   -opt=z                        249 KB  +14.3 MiB  0.35 s  1.05 to 1.11  1.07 to 1.14
#   -opt=s                        262 KB  +15.3 MiB  0.36 s  1.00  1.13
#   -opt=2                        344 KB  +19.5 MiB  0.46 s  0.98  1.00
# Of LLVM's options -enable-merge-functions, -inline-threshold=0, -tail-dup-size=0, -hoist-common-insts, -enable-gvn-hoist
# and -force-pgso, and of wasm-opt's --converge, --merge-similar-functions, --const-hoisting and -Oz twice, none saves as much
# as 100 bytes; -enable-pre=false and -jump-threading-threshold=0 together save 0.8 KB.
# And on sources with 40 KB more, by the same profile:
#   -opt=s, //go:inline on what requests take   no difference that is sure
#   wasm-opt -O3, or with its inlining limits raised   no difference at all (both built without bulk memory)
#   without bulk memory, whose small copies leave the VM   no difference that is sure
#
# At last the functions that requests enter are put first, in the order in which they are entered: cmd/layout. It costs some
# 100 bytes, and a request touches a quarter fewer pages of V8's machine code, which V8 lays down in the module's order.
#
# The same sources make the same bytes in any folder, with the same LLVM, wasi-libc and binaryen: on one release of
# Debian, that is. Debian 12 and 13 differ by some 700 bytes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tinygo=$(cd "$1" && pwd) source=$2 out=$3 package=${4:-./plugin}

packages=(binaryen)
target=$here/$(<"$tinygo/target")
if [[ $target == */debian.json ]]; then
	packages+=(clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32)
fi
# Without apt-get, binaryen may have come from elsewhere.
if command -v apt-get >/dev/null || ! command -v wasm-metadce >/dev/null; then
	"$here/debian.sh" "compile the filter" "wasm-metadce and wasm-opt (binaryen 105 or later) on PATH" "${packages[@]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What TinyGo emits; wasm-opt must not reach for newer instructions that a host might not know.
features=(--enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int --enable-mutable-globals)

# A release of TinyGo holds its own clang.
clang=(clang-19)
if [[ $target != */debian.json ]]; then clang=("$tinygo/bin/tinygo" clang); fi
"${clang[@]}" --target=wasm32-unknown-wasi -c "$here/random.S" -o "$work/random.o"

# LLVM's linker keeps what it made, under a key that lacks its own options: without a cache of our own the module depends on
# what was built here before.
linker="-mllvm -inline-threshold=25 -mllvm -unroll-threshold=0 -mllvm -unroll-partial-threshold=0 -mllvm -rotation-max-header-size=0"
# TinyGo runs wasm-opt, too: that of Debian 12 inlines nothing while it keeps debug information, that of Debian 13 does.
inlining=(--one-caller-inline-max-function-size 0 --flexible-inline-max-function-size 5)
printf '#!/bin/sh\nexec wasm-opt "$@" %s\n' "${inlining[*]}" >"$work/wasm-opt"
chmod +x "$work/wasm-opt"
(cd "$source" && WASMOPT=$work/wasm-opt XDG_CACHE_HOME=$work/cache "$tinygo/bin/tinygo" build -target="$target" -buildmode=c-shared -opt=2 -scheduler=none \
	-ldflags "-extldflags='$linker --wrap=arc4random $work/random.o'" -o "$work/linked.wasm" "$package")
go run -C "$here" ./exports "$work/linked.wasm" "$work/named.wasm"
wasm-metadce "${features[@]}" -f "$here/exports.json" "$work/named.wasm" -o "$work/trimmed.wasm" >"$work/unused"
wasm-opt "${features[@]}" -Oz --low-memory-unused "${inlining[@]}" \
	--strip-debug --strip-producers --strip-target-features "$work/trimmed.wasm" -o "$work/plugin.wasm"

# Last, because wasm-opt puts the functions in an order of its own: those that are named most come first.
layout=
if [[ $package == ./plugin ]]; then
	layout=$(go run -C "$here/../.." ./cmd/layout "$work/plugin.wasm" "$work/ordered.wasm")
	mv "$work/ordered.wasm" "$work/plugin.wasm"
fi
mkdir -p "$(dirname "$out")"
mv "$work/plugin.wasm" "$out"
echo "$out: $(wc -c <"$out") bytes${layout:+
$layout}"
