#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors, checks the style, runs all tests. Where there is nvcc it
# compiles the CUDA kernels too, and where there is a GPU it runs their tests.
#
#   tests/run.sh [arguments of ctest]     e.g. tests/run.sh -R scorer
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/install_dependencies.sh --tests
git ls-files '*.cc' '*.h' '*.cu' '*.cuh' 2>/dev/null | xargs -r clang-format --dry-run --Werror
tests/cuda/run.sh
cmake --preset ci
cmake --build --preset ci
ctest --preset ci "$@"
