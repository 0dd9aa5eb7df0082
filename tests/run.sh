#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors, checks the style, runs all tests.
#
#   tests/run.sh [arguments of ctest]     e.g. tests/run.sh -R scorer
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/install_dependencies.sh --tests
git ls-files '*.cc' '*.h' 2>/dev/null | xargs -r clang-format --dry-run --Werror
cmake --preset ci
cmake --build --preset ci
ctest --preset ci "$@"
