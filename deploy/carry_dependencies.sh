#!/usr/bin/env bash
# Puts headers and libraries of what preferd is built with, but libtorch and CUDA, into a folder, for machines that lack them
# and have no network: deploy/build_cuda.sh takes the folder there. Runs on Debian 12, from Debian packages alone.
#
#   deploy/carry_dependencies.sh FOLDER
#
# FOLDER/include and FOLDER/lib are found by cmake/carried.cmake. ICU, zlib and libzstd are static; Debian has the others only as
# shared libraries, which the binaries look for in lib/ beside themselves. Of ICU's 30 MB of data stays what base/unicode.h and
# base/regex.h need: normalization, properties and the characters' breaks of the root locale.
set -euo pipefail
die() { printf 'carry: error: %s\n' "$*" >&2; exit 1; }
[ $# -eq 1 ] || die "usage: carry_dependencies.sh FOLDER"

packages=(nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libspdlog-dev libfmt-dev prometheus-cpp-dev libcpp-httplib-dev
          libssl-dev libbrotli-dev libhwy-dev libicu-dev zlib1g-dev libzstd-dev)
shared=(libhwy.so.1 libprometheus-cpp-core.so.1.0 libcpp-httplib.so.0.11 libbrotlicommon.so.1 libbrotlidec.so.1
        libbrotlienc.so.1 libssl.so.3 libcrypto.so.3)
for p in "${packages[@]}" icu-devtools binutils gcc; do
  dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || die "Debian's package $p is not installed"
done
from=/usr/lib/$(gcc -print-multiarch)

mkdir -p "$1"
out=$(cd "$1" && pwd)
rm -rf "${out:?}/include" "${out:?}/lib"
mkdir -p "$out/include" "$out/lib"
dpkg -L "${packages[@]}" | grep '^/usr/include/' | while read -r path; do
  [ -f "$path" ] || continue
  to=${path#/usr/include/}
  install -D -m 644 "$path" "$out/include/${to#"$(gcc -print-multiarch)"/}"
done
for name in "${shared[@]}"; do
  [ -e "$from/$name" ] || die "$from/$name is not there, expected Debian 12's"
  install -m 644 "$from/$name" "$out/lib/$name"
done
for name in libicuuc.a libicui18n.a libz.a libzstd.a; do
  install -m 644 "$from/$name" "$out/lib/$name"
  strip --strip-debug "$out/lib/$name"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ar x "$from/libicudata.a"
object=$(echo icudt*_dat.o)
name=${object%_dat.o}
objcopy -O binary --only-section=.rodata "$object" "$name.dat"
printf '%s\n' brkitr/char.brk brkitr/root.res brkitr/res_index.res nfkc.nrm nfkc_cf.nrm uemoji.icu ulayout.icu >keep.txt
mkdir items kept
icupkg -x keep.txt -d items "$name.dat"
icupkg --ignore-deps -tl -s items -a keep.txt new "kept/$name.dat"
symbol=$(nm "$object" | sed -n 's/.* R \(icudt[0-9]*_dat\)$/\1/p')
[ -n "$symbol" ] || die "$from/libicudata.a: no symbol icudtNN_dat in $object"
printf '%s\n' '.section .rodata' '.balign 16' ".global $symbol" ".type $symbol, @object" "$symbol: .incbin \"kept/$name.dat\"" \
  ".size $symbol, . - $symbol" '.section .note.GNU-stack, "", @progbits' >kept.S
gcc -c kept.S -o kept.o
ar rcs "$out/lib/libicudata.a" kept.o
printf 'carry: %s in %s\n' "$(du -sh "$out" | cut -f1)" "$out"
