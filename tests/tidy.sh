#!/usr/bin/env bash
# clang-tidy over all sources, or those named, with the configuration in the root. Needs a configured build folder.
#
#   tests/tidy.sh [FILE.cc ...]
set -euo pipefail
cd "$(dirname "$0")/.."
command -v clang-tidy >/dev/null || { echo "tidy: error: clang-tidy is not installed (apt-get install clang-tidy)" >&2; exit 1; }
[ -f build/compile_commands.json ] || cmake --preset release -DPREFERD_TESTS=ON -DPREFERD_BENCH=ON
files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(find base rows features model server cli training -name '*.cc')
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p build --extra-arg=-Wno-unknown-warning-option
